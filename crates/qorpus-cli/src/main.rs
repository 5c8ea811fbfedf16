//! The `qorpus` command.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let program = std::env::current_exe().unwrap_or_default();
    ExitCode::from(qorpus_cli::command(std::env::args_os(), program.parent().unwrap_or(Path::new(""))))
}
