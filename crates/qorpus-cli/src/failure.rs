//! Failures of a command, and their exit statuses.

use std::{fmt, io};

/// The exit status of a command that was stopped by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// A failure of a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the library.
    Library(qorpus::Error),
    /// An error while writing to standard output.
    Output(io::Error),
    /// `qorpus view` without the Python package, which has the pages.
    NoViewer,
}

impl Failure {
    /// Returns the exit status for this failure.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Failure::Library(error) if error.is_usage() => 2,
            Failure::Library(qorpus::Error::Interrupted(_)) => INTERRUPTED,
            _ => 1,
        }
    }
}

impl From<qorpus::Error> for Failure {
    fn from(error: qorpus::Error) -> Failure {
        Failure::Library(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Library(error) => error.fmt(f),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
            Failure::NoViewer => f.write_str(
                "'qorpus view' comes with the Python package; pip install 'qorpus[view]', and run the qorpus that \
                 it installs",
            ),
        }
    }
}
