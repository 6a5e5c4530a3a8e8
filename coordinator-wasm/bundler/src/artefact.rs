//! One wasm module of the bundle: compile, generate glue, optimise.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::sizes::Sizes;
use crate::stamp::Stamp;

/// How much time to spend on the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For everyday work.
    Fast,
    /// For users.
    Ship,
}

impl Profile {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "wasm-fast",
            Self::Ship => "wasm-ship",
        }
    }
}

/// One module of the bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Artefact {
    /// Cargo package.
    pub(crate) package: &'static str,
    /// Its library, which names the file that cargo writes.
    pub(crate) library: &'static str,
    /// Name in the bundle, without extension.
    pub(crate) name: &'static str,
    /// Compile for relaxed SIMD (fused multiply-add) instead of baseline SIMD.
    pub(crate) relaxed_simd: bool,
    /// Cargo features, comma-separated.
    pub(crate) features: &'static str,
    /// Most that the wasm may have, bytes after brotli.
    pub(crate) limit_bytes: usize,
}

impl Artefact {
    /// Compiles and writes `<name>.js`, `<name>.d.ts` and `<name>_bg.wasm` into `out`; gives the sizes of the wasm.
    ///
    /// A module that cargo did not compile anew keeps its glue and its sizes: both take longer than a warm compile.
    pub(crate) fn build(&self, profile: Profile, engine_features: &str, out: &Path) -> Result<Sizes> {
        let compiled = self.compile(profile, engine_features)?;
        let wasm = out.join(format!("{}_bg.wasm", self.name));
        let stamp_path = target_folder().join("bundle").join(format!("{}.stamp", self.name));
        let stamp = Stamp::of(&compiled, profile, &wasm)?;
        if let Some(sizes) = stamp.sizes_if_current(&stamp_path, &wasm) {
            return Ok(sizes);
        }
        Bindgen::new()
            .input_path(&compiled)
            .web(true)?
            .omit_default_module_path(false)
            .typescript(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .out_name(self.name)
            .generate(out)
            .with_context(|| format!("wasm-bindgen failed on {}", compiled.display()))?;
        if profile == Profile::Ship {
            optimise(&wasm)?;
        }
        let sizes = Sizes::measure(&wasm)?;
        stamp.write(&stamp_path, &sizes)?;
        Ok(sizes)
    }

    fn compile(&self, profile: Profile, engine_features: &str) -> Result<PathBuf> {
        let further = if self.package == "tabpool-engine" { engine_features } else { "" };
        let target_features = if self.relaxed_simd { "+simd128,+relaxed-simd" } else { "+simd128" };
        let rustflags = format!("--cfg=web_sys_unstable_apis\u{1f}-Ctarget-feature={target_features}");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command
            .args(["build", "--lib", "--target", "wasm32-unknown-unknown"])
            .args(["--package", self.package, "--profile", profile.as_str()])
            .args(["--features", &format!("{},{further}", self.features)])
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags);
        let status = command.status().context("cannot start cargo")?;
        if !status.success() {
            bail!("cannot compile {} for {}", self.package, self.name);
        }
        let file = format!("{}.wasm", self.library);
        Ok(target_folder().join("wasm32-unknown-unknown").join(profile.as_str()).join(file))
    }
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

/// Runs binaryen's `wasm-opt` on `wasm`, in place, when it is on the PATH or named by `WASM_OPT`.
fn optimise(wasm: &Path) -> Result<()> {
    let wasm_opt = std::env::var_os("WASM_OPT").unwrap_or_else(|| OsString::from("wasm-opt"));
    let status = Command::new(&wasm_opt)
        .args(["-O3", "--enable-simd", "--enable-relaxed-simd", "--enable-bulk-memory"])
        .args(["--enable-reference-types", "--enable-multivalue", "--enable-mutable-globals"])
        .args(["--enable-sign-ext", "--enable-nontrapping-float-to-int", "--enable-bulk-memory-opt"])
        .arg(wasm)
        .arg("-o")
        .arg(wasm)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("{} failed on {} ({status})", wasm_opt.display(), wasm.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            crate::sizes::note("binaryen's wasm-opt is not on the PATH: the bundle is not optimised further");
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("cannot start {}", wasm_opt.display())),
    }
}
