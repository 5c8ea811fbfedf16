//! Why a command failed.

use std::{fmt, io};

/// The exit status of a command that Ctrl-C stopped.
pub(crate) const INTERRUPTED: u8 = 130;

/// The reason why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library refused or failed.
    Library(qorpus::Error),
    /// Standard output could not be written.
    Output(io::Error),
}

impl Failure {
    /// The exit status that tells of it.
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
        }
    }
}
