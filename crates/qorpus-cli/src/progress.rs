//! Progress of jobs: a bar on a terminal, elsewhere a line now and then.

use crate::format::{bytes, counted, grouped, rate, time_left};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qorpus::{EnumerateProgress, Phase, Progress};
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time between two lines of a log.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The time left is estimated from this time alone: what was there before must not count, and other
/// processes come and go.
const WINDOW: Duration = Duration::from_secs(15);

/// The time between two updates of a terminal on which nothing happens.
const TICK: Duration = Duration::from_millis(250);

/// The pace of a job, by a clock that begins with it.
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

/// The clock of a log.
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
        self.reach(now, self.done + records);
    }

    fn reach(&mut self, now: Duration, records: u64) {
        (self.done, self.made) = (records, records);
        self.pace.record(now, records);
    }

    /// The rate, the size and the time left.
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

    /// The line of a log.
    fn line(&self, now: Duration) -> String {
        let share = 100.0 * self.done as f64 / self.of.max(1) as f64;
        let of = counted(self.of, "record");
        format!("{} of {of} ({share:.1} %)  {}", grouped(self.done), self.pace(now))
    }
}

/// The place where progress is shown.
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
    // Nobody can be told that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A bar on a terminal, or lines of a log.
struct Display {
    bar: ProgressBar,
    shown: Shown,
    start: Instant,
}

impl Display {
    /// A bar that is hidden until there is something to show.
    fn new(quiet: bool, template: &str) -> Display {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        // The template is a constant; were it wrong, the plain bar would do.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Display { bar, shown: Shown::on_standard_error(quiet), start: Instant::now() }
    }

    /// Shows that `done` of `of` are done: a message beside the bar, or a line if one is due.
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
    /// Creates a bar on standard error, or lines where that is not a terminal, unless `quiet`.
    pub fn new(quiet: bool) -> Bar {
        let template = "{elapsed:>4} {wide_bar:.cyan/dim} {human_pos}/{human_len} {msg}";
        Bar { display: Display::new(quiet, template), records: Mutex::default() }
    }

    /// Creates a bar that ends at `records`, moved by [`reach`](Bar::reach).
    pub fn counting(quiet: bool, records: u64) -> Bar {
        let bar = Bar::new(quiet);
        bar.records().of = records;
        bar
    }

    /// Shows that `records` records are done.
    pub fn reach(&self, records: u64) {
        self.update(|known, now| known.reach(now, records));
    }

    /// Shows how a job stands.
    pub fn show(&self, progress: Progress) {
        self.update(|records, now| records.update(now, progress));
    }

    /// Counts records, from any thread.
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

    /// Takes it away.
    pub fn clear(&self) {
        self.display.bar.finish_and_clear();
    }
}

/// A bar for each part of a level of an enumeration.
pub struct LevelBar {
    display: Display,
    now: Option<(u32, usize, Phase)>,
    pace: Pace,
    lines: Lines,
}

impl LevelBar {
    /// Creates a bar on standard error, or lines where that is not a terminal, unless `quiet`.
    pub fn new(quiet: bool) -> LevelBar {
        let template = "{elapsed:>4} {prefix} {wide_bar:.cyan/dim} {percent:>3} % {msg}";
        let display = Display::new(quiet, template);
        LevelBar { display, now: None, pace: Pace::default(), lines: Lines::default() }
    }

    /// Shows how an enumeration stands.
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
        let mut parts =
            vec![format!("{} distinct of {}", grouped(progress.records), grouped(progress.candidates))];
        if progress.temporary > 0 {
            parts.push(format!("at most {} temporary", bytes(progress.temporary)));
        }
        let rest = progress.of.saturating_sub(progress.done);
        parts.extend(self.pace.left(rest).map(|s| format!("ETA {}", time_left(s))));
        parts.join("  ")
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.display.bar.finish_and_clear();
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
