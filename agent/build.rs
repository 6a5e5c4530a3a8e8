//! Collects `goldens/*.json` into one list that the binary embeds.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let goldens = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("goldens");
    let mut paths: Vec<PathBuf> = match fs::read_dir(&goldens) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut code = String::from("&[\n");
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({:?}, include_str!({:?})),", name, path)?;
    }
    code.push_str("]\n");
    // Without a directive on standard output, cargo runs this again whenever a file of the package changes.
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("goldens.rs"), code)?;
    Ok(())
}
