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
mod run;
mod text;

pub use cli::View;
pub use progress::{Bar, LevelBar};

use clap::Parser;
use failure::Failure;
use std::ffi::OsString;
use std::io::Write;
use tracing_subscriber::filter::LevelFilter;

/// Serves a corpus to a browser until it is interrupted, and returns the exit status.
pub type Viewer<'a> = &'a dyn Fn(&View) -> u8;

/// Runs the command with these arguments and returns its exit status. The first argument is the
/// name of the command. Only the Python package has a viewer.
pub fn command(arguments: impl IntoIterator<Item = OsString>, viewer: Option<Viewer<'_>>) -> u8 {
    qorpus::report_file_limits();
    // A second command in the same process keeps the first one's subscriber.
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(std::io::stderr);
    let _ = subscriber.without_time().with_target(false).try_init();
    run::install_wait_hooks();
    let result = match cli::Arguments::try_parse_from(arguments) {
        Ok(arguments) => run::run(arguments.command, viewer),
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
