//! The `qorpus` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(qorpus_cli::command(std::env::args_os(), None))
}
