//! Numbers and paths, formatted for people.

use qorpus::Corpus;
use qorpus::core::grouped;
use std::ops::Range;

/// Formats a size: `6.00 GB`.
pub(crate) fn bytes(number: u64) -> String {
    indicatif::DecimalBytes(number).to_string()
}

/// Formats a count with its noun: `1 shard`, `2 shards`.
pub(crate) fn counted(number: u64, name: &str) -> String {
    format!("{} {name}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Formats a range of ids: `record 5`, `records 5 to 7`.
pub(crate) fn range(ids: &Range<u64>) -> String {
    match ids.end - ids.start {
        1 => format!("record {}", grouped(ids.start)),
        _ => format!("records {} to {}", grouped(ids.start), grouped(ids.end - 1)),
    }
}

/// Formats the paths of a corpus in one line.
pub(crate) fn places(corpus: &Corpus) -> String {
    corpus.paths().iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Formats a duration: `1.25 s`, `22.2 h`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.2} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// Formats a remaining time in whole units, rounded up: `40 s`, `5 min`.
pub(crate) fn time_left(seconds: f64) -> String {
    match seconds.ceil() as u64 {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s.div_ceil(60)),
        s => format!("{} h", s.div_ceil(3600)),
    }
}

/// Formats the rate of a number of records in a time.
pub(crate) fn rate(records: u64, seconds: f64) -> String {
    per_second(records as f64 / seconds.max(f64::MIN_POSITIVE))
}

/// Formats a rate: `2.00 M/s`, `1.2 k/s`.
pub(crate) fn per_second(rate: f64) -> String {
    match rate {
        rate if rate >= 1e5 => format!("{:.2} M/s", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1} k/s", rate / 1e3),
        rate => format!("{rate:.0}/s"),
    }
}

/// Formats a number with the fewest digits that give it again, as JSON writes it.
pub(crate) fn number(value: f64) -> String {
    match serde_json::Number::from_f64(value) {
        Some(number) => number.to_string(),
        // JSON has no infinity. Every reader rounds this number to it, as SQLite does.
        None if value > 0.0 => "9e999".into(),
        None => "-9e999".into(),
    }
}

/// Formats bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_and_units() {
        assert_eq!([range(&(5..6)), range(&(7023..9364))], ["record 5", "records 7,023 to 9,363"]);
        assert_eq!([rate(30_000_000, 2.0), rate(2_500, 2.0), rate(7, 2.0)], ["15.00 M/s", "1.2 k/s", "4/s"]);
        assert_eq!([time_left(0.2), time_left(300.0), time_left(7300.0)], ["1 s", "5 min", "3 h"]);
    }
}
