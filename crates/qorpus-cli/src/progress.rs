//! Progress on the terminal: what is done, how fast, how long still. Nothing where there is no terminal.

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressState, ProgressStyle};
use qorpus::{EnumerateProgress, Phase, Progress};
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

    /// One of so many records, for what [`reach`](Bar::reach) is told.
    pub fn counting(quiet: bool, records: u64) -> Bar {
        let bar = Bar::new(quiet);
        bar.length(records);
        bar
    }

    /// Shows that so many records are done.
    pub fn reach(&self, records: u64) {
        self.bar.set_position(records);
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

/// A bar for each part of a level of an enumeration.
pub struct LevelBar {
    bar: ProgressBar,
    now: Option<(u32, usize, Phase)>,
}

impl LevelBar {
    /// A bar that shows itself on a terminal's standard error, unless `quiet`.
    pub fn new(quiet: bool) -> LevelBar {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let template = "{elapsed:>4} {prefix} {wide_bar:.cyan/dim} {percent:>3} % ETA {eta}  {msg}";
        // The template is a constant; were it wrong, the plain bar would do.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(250));
        LevelBar { bar, now: None }
    }

    /// Shows how an enumeration stands.
    pub fn show(&mut self, progress: EnumerateProgress) {
        let now = (progress.cost, progress.length, progress.phase);
        if self.now.replace(now) != Some(now) {
            let phase = match progress.phase {
                Phase::Expanding => "expanding",
                Phase::Merging => "merging",
                Phase::Ordering => "ordering",
            };
            let cost = if progress.cost > 0 { format!("cost {}, ", progress.cost) } else { String::new() };
            self.bar.set_prefix(format!("{cost}length {}: {phase}", progress.length));
            self.bar.set_position(progress.done);
            self.bar.reset_eta();
        }
        self.bar.set_length(progress.of);
        self.bar.set_position(progress.done);
        let (records, candidates) = (HumanCount(progress.records), HumanCount(progress.candidates));
        let room = match progress.temporary {
            0 => String::new(),
            bytes => format!(", at most {} temporary", HumanBytes(bytes)),
        };
        self.bar.set_message(format!("{records} distinct of {candidates}{room}"));
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
