//! The `qorpus` command.

use qorpus_cli::Installation;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let program = std::env::current_exe().unwrap_or_default();
    let installation = Installation { directory: program.parent().unwrap_or(Path::new("")), viewer: None };
    ExitCode::from(qorpus_cli::command(std::env::args_os(), installation))
}
