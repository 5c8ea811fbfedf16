//! Warnings of the library, a line each on standard error.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A subscriber of events that are at least warnings. It ignores spans.
struct Warnings;

/// Writes this process's warnings to standard error, if nothing else receives them.
pub(crate) fn show() {
    // A second command in the same process keeps the first one's subscriber.
    let _ = tracing::subscriber::set_global_default(Warnings);
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{:>5}", event.metadata().level().as_str()));
        event.record(&mut line);
        line.0.push('\n');
        // One call, so that lines of several processes do not mix. A closed stream is ignored.
        let _ = std::io::stderr().write_all(line.0.as_bytes());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of an event: its message, and other fields with their names.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::process::Command;

    /// The process that shows warnings is this one, started again: it has no other subscriber.
    #[test]
    fn warnings_are_lines_on_standard_error() {
        const SHOWS: &str = "QORPUS_TEST_SHOWS_WARNINGS";
        if std::env::var_os(SHOWS).is_some() {
            show();
            show();
            let _entered = tracing::warn_span!("a span", number = 1).entered();
            tracing::info!("not shown");
            tracing::warn!("c.db: {}", "waiting");
            tracing::error!(status = 503, text = "busy", "the store");
            return;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "warnings::tests::warnings_are_lines_on_standard_error"]);
        let run = command.env(SHOWS, "1").output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.success(), "{said}");
        assert_eq!(said, " WARN c.db: waiting\nERROR the store status=503 text=\"busy\"\n");
    }
}
