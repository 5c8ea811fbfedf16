//! Progress on the terminal: what is done, how fast, how long still. Nothing where there is no terminal.

use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};
use qorpus::Progress;
use std::fmt::Write;
use std::time::Duration;

/// A bar that counts records.
pub struct Bar {
    bar: ProgressBar,
    begun: Option<u64>,
}

impl Bar {
    /// A bar that shows itself on a terminal's standard error, unless `quiet`.
    pub fn new(quiet: bool) -> Bar {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let template = "{elapsed:>4} {wide_bar:.cyan/dim} {human_pos}/{human_len} {rate} {msg} ETA {eta}";
        // The template is a constant; were it wrong, the plain bar would do.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            // Writing to a buffer cannot fail.
            let _ = write!(out, "{:.2} M/s", state.per_sec() / 1e6);
        }));
        bar.enable_steady_tick(Duration::from_millis(250));
        Bar { bar, begun: None }
    }

    /// Shows how a job stands.
    pub fn show(&mut self, progress: Progress) {
        self.length(progress.expected);
        // What was there at the start must not count as speed.
        if self.begun.is_none() {
            self.begun = Some(progress.records);
            self.bar.set_position(progress.records);
            self.bar.reset_eta();
        }
        self.bar.set_position(progress.records);
        match progress.waiting {
            true => self.bar.set_message("waiting for other processes"),
            false => self.bar.set_message(HumanBytes(progress.bytes).to_string()),
        }
    }

    pub(crate) fn length(&self, records: u64) {
        self.bar.set_length(records);
    }

    /// Counts records, from any thread.
    pub(crate) fn advance(&self, records: u64) {
        self.bar.inc(records);
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
