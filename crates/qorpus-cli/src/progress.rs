//! Progress of jobs: a bar on a terminal, or else a log line every 30 seconds.

use crate::format::{bytes, counted, rate, time_left};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qorpus::core::grouped;
use qorpus::{EnumerateProgress, Phase, Progress};
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The window from which the remaining time is estimated. It is short because records from earlier
/// runs must not count, and other processes may join or leave.
const WINDOW: Duration = Duration::from_secs(15);

/// The time between two redraws of an idle bar.
const TICK: Duration = Duration::from_millis(250);

/// The pace of a job. Times are counted from its start.
#[derive(Debug, Default)]
struct Pace {
    /// Counts at moments of the window, in order.
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

    /// Returns the seconds until `left` more are done, or `None` if no estimate exists yet.
    fn left(&self, left: u64) -> Option<f64> {
        let ((begin, before), (end, after)) = (self.moments.front()?, self.moments.back()?);
        let (seconds, done) = (end.saturating_sub(*begin).as_secs_f64(), after.saturating_sub(*before));
        (seconds > 0.0 && done > 0).then(|| left as f64 * seconds / done as f64)
    }
}

/// The clock of log lines.
#[derive(Debug, Default)]
struct Lines {
    last: Duration,
}

impl Lines {
    fn is_due(&mut self, now: Duration) -> bool {
        let due = now.saturating_sub(self.last) >= LOG_INTERVAL;
        if due {
            self.last = now;
        }
        due
    }
}

/// The counts of a job.
#[derive(Debug, Default)]
struct Records {
    done: u64,
    of: u64,
    /// Records that this process has generated.
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
        self.reach(now, self.done + records);
    }

    fn reach(&mut self, now: Duration, records: u64) {
        (self.done, self.made) = (records, records);
        self.pace.record(now, records);
    }

    /// Formats the rate, the size and the remaining time.
    fn pace(&self, now: Duration) -> String {
        if self.waiting {
            return "waiting for other processes".into();
        }
        let mut parts = vec![rate(self.made, now.as_secs_f64())];
        if self.bytes > 0 {
            parts.push(bytes(self.bytes));
        }
        parts.extend(
            self.pace.left(self.of.saturating_sub(self.done)).map(|s| format!("ETA {}", time_left(s))),
        );
        parts.join("  ")
    }

    /// Formats a log line.
    fn line(&self, now: Duration) -> String {
        let share = 100.0 * self.done as f64 / self.of.max(1) as f64;
        let of = counted(self.of, "record");
        format!("{} of {of} ({share:.1} %)  {}", grouped(self.done), self.pace(now))
    }
}

/// The destination of progress.
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

fn log(line: &str) {
    // A closed standard error is ignored.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A bar on a terminal, or log lines.
struct Display {
    bar: ProgressBar,
    shown: Shown,
    start: Instant,
}

impl Display {
    /// Creates a bar that is hidden until the first update.
    fn new(quiet: bool, template: &str) -> Display {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        // An invalid template falls back to the plain bar.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Display { bar, shown: Shown::on_standard_error(quiet), start: Instant::now() }
    }

    /// Shows that `done` of `of` are done, with a message beside the bar, or with a log line if one is
    /// due.
    fn show(
        &self,
        lines: &mut Lines,
        (done, of): (u64, u64),
        message: impl FnOnce() -> String,
        line: impl FnOnce() -> String,
    ) {
        match self.shown {
            Shown::Nowhere => {}
            Shown::Log => {
                if lines.is_due(self.start.elapsed()) {
                    log(&line());
                }
            }
            Shown::Terminal => {
                self.bar.set_length(of);
                self.bar.set_position(done);
                self.bar.set_message(message());
                if self.bar.is_hidden() {
                    self.bar.set_draw_target(ProgressDrawTarget::stderr());
                    self.bar.enable_steady_tick(TICK);
                }
            }
        }
    }
}

/// A bar that counts records.
pub struct Bar {
    display: Display,
    records: Mutex<Records>,
}

impl Bar {
    /// Creates a bar on standard error, or log lines if that is not a terminal. `quiet` shows nothing.
    pub fn new(quiet: bool) -> Bar {
        let template = "{elapsed:>4} {wide_bar:.cyan/dim} {human_pos}/{human_len} {msg}";
        Bar { display: Display::new(quiet, template), records: Mutex::default() }
    }

    /// Creates a bar that ends at `records` and is moved by [`reach`](Bar::reach).
    pub fn counting(quiet: bool, records: u64) -> Bar {
        let bar = Bar::new(quiet);
        bar.records().of = records;
        bar
    }

    /// Shows that `records` records are done.
    pub fn reach(&self, records: u64) {
        self.update(|known, now| known.reach(now, records));
    }

    /// Shows the progress of a job.
    pub fn show(&self, progress: Progress) {
        self.update(|records, now| records.update(now, progress));
    }

    /// Adds records that are done. May be called from any thread.
    pub(crate) fn advance(&self, records: u64) {
        self.update(|known, now| known.advance(now, records));
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Formats the progress of the job as a log line.
    pub fn line(&self) -> String {
        self.records().line(self.display.start.elapsed())
    }

    fn update(&self, change: impl FnOnce(&mut Records, Duration)) {
        let now = self.display.start.elapsed();
        let mut records = self.records();
        change(&mut records, now);
        let mut lines = std::mem::take(&mut records.lines);
        let counts = (records.done, records.of);
        self.display.show(&mut lines, counts, || records.pace(now), || records.line(now));
        records.lines = lines;
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.display.bar.finish_and_clear();
    }
}

/// A bar for each phase of each level of an enumeration.
pub struct LevelBar {
    display: Display,
    now: Option<(u32, usize, Phase)>,
    pace: Pace,
    lines: Lines,
}

impl LevelBar {
    /// Creates a bar on standard error, or log lines if that is not a terminal. `quiet` shows nothing.
    pub fn new(quiet: bool) -> LevelBar {
        let template = "{elapsed:>4} {prefix} {wide_bar:.cyan/dim} {percent:>3} % {msg}";
        let display = Display::new(quiet, template);
        LevelBar { display, now: None, pace: Pace::default(), lines: Lines::default() }
    }

    /// Shows the progress of an enumeration.
    pub fn show(&mut self, progress: EnumerateProgress) {
        let now = (progress.cost, progress.length, progress.phase);
        if self.now.replace(now) != Some(now) {
            self.pace = Pace::default();
        }
        self.pace.record(self.display.start.elapsed(), progress.done);
        self.display.bar.set_prefix(phase(&progress));
        let message = self.message(&progress);
        let line = self.line(&progress);
        self.display.show(&mut self.lines, (progress.done, progress.of), || message, || line);
    }

    /// Formats progress that was shown as a log line.
    pub fn line(&self, progress: &EnumerateProgress) -> String {
        let share = 100.0 * progress.done as f64 / progress.of.max(1) as f64;
        format!("{} ({share:.0} %)  {}", phase(progress), self.message(progress))
    }

    fn message(&self, progress: &EnumerateProgress) -> String {
        let mut parts = vec![
            format!("{} distinct", grouped(progress.records)),
            counted(progress.candidates, "candidate"),
        ];
        if progress.temporary > 0 {
            parts.push(format!("up to {} of temporary files", bytes(progress.temporary)));
        }
        let rest = progress.of.saturating_sub(progress.done);
        parts.extend(self.pace.left(rest).map(|s| format!("ETA {}", time_left(s))));
        parts.join("  ")
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.display.bar.finish_and_clear();
    }
}

/// Formats the level and the phase of an enumeration.
fn phase(progress: &EnumerateProgress) -> String {
    let phase = match progress.phase {
        Phase::Expanding => "expanding",
        Phase::Merging => "merging",
        Phase::Ordering => "ordering",
    };
    format!("{}: {phase}", level(progress))
}

/// Formats the level of an enumeration: `length 7`, `cost 3, length 12`.
pub(crate) fn level(progress: &EnumerateProgress) -> String {
    let cost = if progress.cost > 0 { format!("cost {}, ", progress.cost) } else { String::new() };
    format!("{cost}length {}", progress.length)
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
    fn records_of_an_earlier_run_leave_the_window() {
        let mut pace = Pace::default();
        // The first second finds a shard that was half built.
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
    fn log_lines_come_every_half_minute() {
        let mut lines = Lines::default();
        let due: Vec<_> = (0..100).filter(|&second| lines.is_due(seconds(second))).collect();
        assert_eq!(due, [30, 60, 90]);
    }

    #[test]
    fn the_bar_is_hidden_until_the_first_update() {
        let mut bar = Bar::new(false);
        bar.display.shown = Shown::Terminal;
        assert!(bar.display.bar.is_hidden());
        assert_eq!(Bar::new(true).display.shown, Shown::Nowhere);
        bar.show(Progress { records: 5, expected: 10, ..Progress::default() });
        assert_eq!((bar.display.bar.position(), bar.display.bar.length()), (5, Some(10)));
        assert!(bar.line().starts_with("5 of 10 records (50.0 %)"));
    }

    #[test]
    fn a_counting_bar_is_shown_when_it_moves() {
        let mut bar = Bar::counting(false, 10);
        bar.display.shown = Shown::Terminal;
        bar.reach(4);
        assert_eq!((bar.display.bar.position(), bar.display.bar.length()), (4, Some(10)));
        assert!(bar.line().starts_with("4 of 10 records (40.0 %)"));
    }
}
