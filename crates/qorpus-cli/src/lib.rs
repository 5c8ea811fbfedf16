//! The `qorpus` command: parses arguments, calls the library, and prints text or JSON. It holds no
//! logic of its own.

mod cli;
mod distinct;
mod failure;
mod format;
pub mod json;
pub mod names;
mod progress;
mod recipe;
mod rows;
mod run;
mod text;
mod verify;
mod warnings;

pub use cli::View;
pub use progress::{Bar, LevelBar};

use clap::Parser;
use failure::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

/// Serves a corpus to a browser until it is interrupted, and returns the exit status.
pub type Viewer<'a> = &'a dyn Fn(&View) -> u8;

/// The parts of an installation that the command does not have itself.
#[derive(Clone, Copy)]
pub struct Installation<'a> {
    /// The directory of the SQLite extension.
    pub directory: &'a Path,
    /// The viewer, which is in Python.
    pub viewer: Option<Viewer<'a>>,
}

/// Runs the command with these arguments and returns its exit status. The first argument is the
/// name of the command.
pub fn command(arguments: impl IntoIterator<Item = OsString>, installation: Installation<'_>) -> u8 {
    qorpus::report_file_limits();
    warnings::show();
    run::install_wait_hooks();
    let result = match cli::Arguments::try_parse_from(arguments) {
        Ok(arguments) => run::run(arguments.command, installation),
        Err(usage) => {
            // Help goes to standard output, errors to standard error. A closed stream is ignored.
            let _ = usage.print();
            return usage.exit_code() as u8;
        }
    };
    // In the wheel, Python does not flush Rust's standard output.
    let _ = std::io::stdout().flush();
    match result {
        Ok(status) => status,
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(failure) => {
            text::error(&failure);
            failure.status()
        }
    }
}
