//! The `qorpus` command: from arguments to the library, and back to text and JSON. It holds no
//! logic of its own.

mod cli;
mod failure;
mod format;
pub mod json;
pub mod names;
mod progress;
mod run;
mod text;

pub use progress::{Bar, LevelBar};

use clap::Parser;
use failure::Failure;
use std::ffi::OsString;
use std::io::Write;
use tracing_subscriber::filter::LevelFilter;

/// Runs the command with these arguments, the first of which is its name; returns its exit status.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    qorpus::report_file_limits();
    // A second command in one process keeps the first one's subscriber.
    // Messages below warnings are not for people.
    let told = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(std::io::stderr);
    let _ = told.without_time().with_target(false).try_init();
    run::attend();
    let result = match cli::Arguments::try_parse_from(arguments) {
        Ok(arguments) => run::run(arguments.command),
        Err(usage) => {
            // Help goes to standard output, refusals to standard error; neither can be told that it
            // is closed.
            let _ = usage.print();
            return usage.exit_code() as u8;
        }
    };
    // Within another program nothing else writes out what has no newline yet.
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
