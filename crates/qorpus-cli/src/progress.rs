//! Progress: what is done, how fast, how long still. A bar on a terminal, elsewhere a line now and then.

use crate::render::{bytes, counted, grouped};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qorpus::{EnumerateProgress, Phase, Progress};
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a log gets a line.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// The time left follows from what was done in this time: what was there before must not count, and other processes come and go.
const WINDOW: Duration = Duration::from_secs(15);

/// How often a terminal shows that time passes.
const TICK: Duration = Duration::from_millis(250);

/// How fast a job is, by a clock that begins with it.
#[derive(Debug, Default)]
struct Pace {
    /// Counts at some moments of the window, in order.
    moments: VecDeque<(Duration, u64)>,
}

impl Pace {
    fn record(&mut self, now: Duration, done: u64) {
        let recent = self.moments.back().is_some_and(|(last, _)| now.saturating_sub(*last) < TICK);
        if recent && self.moments.len() > 1 {
            self.moments.pop_back();
        }
        self.moments.push_back((now, done));
        while self.moments.len() > 2 && now.saturating_sub(self.moments[1].0) >= WINDOW {
            self.moments.pop_front();
        }
    }

    /// Seconds until `left` more are done; `None` if that is not known yet.
    fn left(&self, left: u64) -> Option<f64> {
        let ((begin, before), (end, after)) = (self.moments.front()?, self.moments.back()?);
        let (seconds, done) = (end.saturating_sub(*begin).as_secs_f64(), after.saturating_sub(*before));
        (seconds > 0.0 && done > 0).then(|| left as f64 * seconds / done as f64)
    }
}

/// When a log gets its next line.
#[derive(Debug, Default)]
struct Lines {
    last: Duration,
}

impl Lines {
    fn is_due(&mut self, now: Duration) -> bool {
        let due = now.saturating_sub(self.last) >= LINE_EVERY;
        if due {
            self.last = now;
        }
        due
    }
}

/// Records a second, with three digits or so.
pub(crate) fn rate(records: u64, seconds: f64) -> String {
    match records as f64 / seconds.max(f64::MIN_POSITIVE) {
        rate if rate >= 1e5 => format!("{:.2} M/s", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1} k/s", rate / 1e3),
        rate => format!("{rate:.0}/s"),
    }
}

/// A time that is left, in whole units.
fn left(seconds: f64) -> String {
    match seconds.ceil() as u64 {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s.div_ceil(60)),
        s => format!("{} h", s.div_ceil(3600)),
    }
}

/// A job of records and its counts.
#[derive(Debug, Default)]
struct Records {
    done: u64,
    of: u64,
    /// Records that this process has made; those that were there before are not its work.
    made: u64,
    bytes: u64,
    waiting: bool,
    pace: Pace,
    lines: Lines,
}

impl Records {
    fn update(&mut self, now: Duration, progress: Progress) {
        let Progress { records, expected, made, bytes, waiting, .. } = progress;
        (self.done, self.of, self.made, self.bytes, self.waiting) = (records, expected, made, bytes, waiting);
        self.pace.record(now, records);
    }

    fn advance(&mut self, now: Duration, records: u64) {
        (self.done, self.made) = (self.done + records, self.made + records);
        self.pace.record(now, self.done);
    }

    /// How fast, how much, how long still.
    fn pace(&self, now: Duration) -> String {
        if self.waiting {
            return "waiting for other processes".into();
        }
        let mut parts = vec![rate(self.made, now.as_secs_f64())];
        if self.bytes > 0 {
            parts.push(bytes(self.bytes));
        }
        parts.extend(self.pace.left(self.of.saturating_sub(self.done)).map(|s| format!("ETA {}", left(s))));
        parts.join("  ")
    }

    /// The line of a log.
    fn line(&self, now: Duration) -> String {
        let share = 100.0 * self.done as f64 / self.of.max(1) as f64;
        let of = counted(self.of, "record");
        format!("{} of {of} ({share:.1} %)  {}", grouped(self.done), self.pace(now))
    }
}

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nowhere,
    Terminal,
    Log,
}

impl Shown {
    fn on_standard_error(quiet: bool) -> Shown {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nowhere,
            (false, true) => Shown::Terminal,
            (false, false) => Shown::Log,
        }
    }
}

/// A bar that is not seen before there is something to show.
fn hidden(template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
    // The template is a constant; were it wrong, the plain bar would do.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn reveal(bar: &ProgressBar) {
    if bar.is_hidden() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(TICK);
    }
}

fn log(line: &str) {
    // Nobody can be told that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A bar that counts records.
pub struct Bar {
    bar: ProgressBar,
    shown: Shown,
    start: Instant,
    records: Mutex<Records>,
}

impl Bar {
    /// A bar on standard error, or lines where that is not a terminal, unless `quiet`.
    pub fn new(quiet: bool) -> Bar {
        let bar = hidden("{elapsed:>4} {wide_bar:.cyan/dim} {human_pos}/{human_len} {msg}");
        let shown = Shown::on_standard_error(quiet);
        Bar { bar, shown, start: Instant::now(), records: Mutex::default() }
    }

    /// A bar that ends at `records`, moved by [`reach`](Bar::reach).
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
    pub fn show(&self, progress: Progress) {
        let now = self.start.elapsed();
        let mut records = self.records();
        records.update(now, progress);
        self.draw(now, &mut records);
    }

    pub(crate) fn length(&self, records: u64) {
        self.records().of = records;
    }

    /// Counts records, from any thread.
    pub(crate) fn advance(&self, records: u64) {
        let now = self.start.elapsed();
        let mut known = self.records();
        known.advance(now, records);
        self.draw(now, &mut known);
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, now: Duration, records: &mut Records) {
        match self.shown {
            Shown::Nowhere => {}
            Shown::Log => {
                if records.lines.is_due(now) {
                    log(&records.line(now));
                }
            }
            Shown::Terminal => {
                self.bar.set_length(records.of);
                self.bar.set_position(records.done);
                self.bar.set_message(records.pace(now));
                reveal(&self.bar);
            }
        }
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar for each part of a level of an enumeration.
pub struct LevelBar {
    bar: ProgressBar,
    shown: Shown,
    start: Instant,
    now: Option<(u32, usize, Phase)>,
    pace: Pace,
    lines: Lines,
}

impl LevelBar {
    /// A bar on standard error, or lines where that is not a terminal, unless `quiet`.
    pub fn new(quiet: bool) -> LevelBar {
        let bar = hidden("{elapsed:>4} {prefix} {wide_bar:.cyan/dim} {percent:>3} % {msg}");
        let shown = Shown::on_standard_error(quiet);
        LevelBar {
            bar,
            shown,
            start: Instant::now(),
            now: None,
            pace: Pace::default(),
            lines: Lines::default(),
        }
    }

    /// Shows how an enumeration stands.
    pub fn show(&mut self, progress: EnumerateProgress) {
        let (clock, now) = (self.start.elapsed(), (progress.cost, progress.length, progress.phase));
        if self.now.replace(now) != Some(now) {
            self.pace = Pace::default();
        }
        self.pace.record(clock, progress.done);
        let (phase, message) = (phase(&progress), self.message(&progress));
        match self.shown {
            Shown::Nowhere => {}
            Shown::Log => {
                if self.lines.is_due(clock) {
                    let share = 100.0 * progress.done as f64 / progress.of.max(1) as f64;
                    log(&format!("{phase} ({share:.0} %)  {message}"));
                }
            }
            Shown::Terminal => {
                self.bar.set_prefix(phase);
                self.bar.set_length(progress.of);
                self.bar.set_position(progress.done);
                self.bar.set_message(message);
                reveal(&self.bar);
            }
        }
    }

    fn message(&self, progress: &EnumerateProgress) -> String {
        let mut parts =
            vec![format!("{} distinct of {}", grouped(progress.records), grouped(progress.candidates))];
        if progress.temporary > 0 {
            parts.push(format!("at most {} temporary", bytes(progress.temporary)));
        }
        let rest = progress.of.saturating_sub(progress.done);
        parts.extend(self.pace.left(rest).map(|s| format!("ETA {}", left(s))));
        parts.join("  ")
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// The part of an enumeration that is being done.
fn phase(progress: &EnumerateProgress) -> String {
    let phase = match progress.phase {
        Phase::Expanding => "expanding",
        Phase::Merging => "merging",
        Phase::Ordering => "ordering",
    };
    let cost = if progress.cost > 0 { format!("cost {}, ", progress.cost) } else { String::new() };
    format!("{cost}length {}: {phase}", progress.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_resumed_job_counts_its_own_records() {
        let mut records = Records::default();
        let progress = |made: u64| Progress {
            records: 900_000_000 + made,
            expected: 1_000_000_000,
            made,
            bytes: 300 * made,
            ..Progress::default()
        };
        records.update(seconds(0), progress(0));
        assert_eq!(records.pace(seconds(0)), "0/s");
        records.update(seconds(10), progress(20_000_000));
        assert_eq!(records.pace(seconds(10)), "2.00 M/s  6.00 GB  ETA 40 s");
        let line = "920,000,000 of 1,000,000,000 records (92.0 %)  2.00 M/s  6.00 GB  ETA 40 s";
        assert_eq!(records.line(seconds(10)), line);
    }

    #[test]
    fn what_was_found_on_the_way_counts_only_for_a_while() {
        let mut pace = Pace::default();
        // A shard that was half built before.
        pace.record(seconds(0), 0);
        pace.record(seconds(1), 1_000_000);
        for second in 2..40 {
            pace.record(seconds(second), 1_000_000 + 100 * second);
        }
        assert_eq!(pace.left(1000), Some(10.0));
        assert!(pace.moments.len() < 20);
        assert_eq!(Pace::default().left(5), None);
    }

    #[test]
    fn a_log_gets_a_line_every_half_minute() {
        let mut lines = Lines::default();
        let due: Vec<_> = (0..100).filter(|&second| lines.is_due(seconds(second))).collect();
        assert_eq!(due, [30, 60, 90]);
    }

    #[test]
    fn nothing_is_drawn_before_there_is_something_to_show() {
        let bar = Bar { shown: Shown::Terminal, ..Bar::new(false) };
        assert!(bar.bar.is_hidden());
        assert_eq!(Bar::new(true).shown, Shown::Nowhere);
        bar.show(Progress { records: 5, expected: 10, ..Progress::default() });
        assert_eq!((bar.bar.position(), bar.bar.length()), (5, Some(10)));
    }

    #[test]
    fn rates_and_times_have_units() {
        assert_eq!([rate(30_000_000, 2.0), rate(2_500, 2.0), rate(7, 2.0)], ["15.00 M/s", "1.2 k/s", "4/s"]);
        assert_eq!([left(0.2), left(300.0), left(7300.0)], ["1 s", "5 min", "3 h"]);
    }
}
