//! Provides the loadable SQLite extension to the wheel, which takes it from the output directory.
//!
//! The extension has another SQLite than the module, so it is a build of its own. `scripts/setup`
//! makes it first, with the libraries of the workspace, and says where it is. Otherwise, as in
//! `pip install .`, it is built here. Only a build of the wheel needs it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "libqorpus_sqlite.so";

fn main() {
    let [wheel, given] = ["PYO3_BUILD_EXTENSION_MODULE", "QORPUS_SQLITE_EXTENSION"].map(|name| {
        println!("cargo::rerun-if-env-changed={name}");
        env::var_os(name)
    });
    println!("cargo::rerun-if-changed=../qorpus-sqlite");
    println!("cargo::rerun-if-changed=../qorpus/src");
    println!("cargo::rerun-if-changed=../qorpus-core/src");
    if wheel.is_none() {
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let built = given.map_or_else(|| build(&out), PathBuf::from);
    println!("cargo::rerun-if-changed={}", built.display());
    if let Err(error) = std::fs::copy(&built, out.join(NAME)) {
        println!("cargo::error=the SQLite extension {} cannot be copied: {error}", built.display());
    }
}

/// Builds the extension below `out`: cargo holds a lock on the directory of the outer build.
fn build(out: &Path) -> PathBuf {
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let directory = out.join("extension");
    let status = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .args(["build", "--release", "--locked", "--manifest-path", "../qorpus-sqlite/Cargo.toml"])
        .args(["--target", &target, "--target-dir"])
        .arg(&directory)
        .status();
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        println!("cargo::error=the SQLite extension crates/qorpus-sqlite cannot be built: {status:?}");
    }
    directory.join(target).join("release").join(NAME)
}
