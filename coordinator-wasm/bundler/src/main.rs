//! Builds `www/pkg` from the two wasm crates.
//!
//! `cargo bundle` compiles the coordinator once and the engine three times (baseline SIMD, relaxed SIMD, and the fallback
//! for models that our own kernels do not cover), generates the JavaScript glue in process, optimises with binaryen when
//! it is there, and prints a table of sizes.

mod artefact;
mod sizes;
mod stamp;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::artefact::{Artefact, Profile};

/// Build `www/pkg` from the coordinator and engine crates.
#[derive(Debug, Parser)]
#[command(name = "cargo bundle")]
struct Arguments {
    /// Build what ships: fat LTO, one codegen unit, binaryen when present. Slower to build.
    #[arg(long)]
    ship: bool,
    /// Folder that receives the bundle.
    #[arg(long, value_name = "DIR", default_value = "www/pkg")]
    out: PathBuf,
    /// Further cargo features of the engine, e.g. slow-for-tests.
    #[arg(long, value_name = "LIST", default_value = "")]
    engine_features: String,
    /// Build only these modules, e.g. engine-relaxed; all of them by default.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    only: Vec<String>,
}

/// What a page may cost its readers: the coordinator is on the critical path, the engine loads in workers.
const COORDINATOR_LIMIT_BYTES: usize = 150_000;
const ENGINE_LIMIT_BYTES: usize = 900_000;

const ARTEFACTS: [Artefact; 4] = [
    Artefact {
        package: "tabpool-coordinator",
        library: "tabpool",
        name: "tabpool",
        relaxed_simd: false,
        features: "",
        limit_bytes: COORDINATOR_LIMIT_BYTES,
    },
    Artefact {
        package: "tabpool-engine",
        library: "engine",
        name: "engine-simd128",
        relaxed_simd: false,
        features: "",
        limit_bytes: ENGINE_LIMIT_BYTES,
    },
    Artefact {
        package: "tabpool-engine",
        library: "engine",
        name: "engine-relaxed",
        relaxed_simd: true,
        features: "",
        limit_bytes: ENGINE_LIMIT_BYTES,
    },
    Artefact {
        package: "tabpool-engine",
        library: "engine",
        name: "engine-fallback",
        relaxed_simd: false,
        features: "rten",
        limit_bytes: ENGINE_LIMIT_BYTES,
    },
];

/// Copied into the bundle as it is: the module that each worker starts from.
const WORKER_SCRIPT: &str = "coordinator-wasm/engine/js/worker.js";
/// Likewise: the module of workers that download models.
const DOWNLOAD_SCRIPT: &str = "coordinator-wasm/engine/js/download.js";
/// Likewise: the page of connections that are iframes.
const FRAME_PAGE: &str = "coordinator-wasm/engine/js/frame.html";

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let profile = if arguments.ship { Profile::Ship } else { Profile::Fast };
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create {}", arguments.out.display()))?;
    let mut rows = Vec::new();
    let is_wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    for artefact in ARTEFACTS.into_iter().filter(|artefact| is_wanted(artefact.name)) {
        rows.push((artefact, artefact.build(profile, &arguments.engine_features, &arguments.out)?));
    }
    copy(Path::new(WORKER_SCRIPT), &arguments.out.join("worker.js"))?;
    copy(Path::new(DOWNLOAD_SCRIPT), &arguments.out.join("download.js"))?;
    copy(Path::new(FRAME_PAGE), &arguments.out.join("frame.html"))?;
    sizes::report(&rows);
    match rows.iter().find(|(artefact, sizes)| sizes.brotli > artefact.limit_bytes) {
        Some((artefact, _)) => bail!("{} is larger than its limit", artefact.name),
        None => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
