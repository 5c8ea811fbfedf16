//! Numbers in user input: counts, ids and lengths.

use crate::error::{Error, Result};

/// Reads a count or size: `1000000`, `1_000_000`, `1M`, `4GiB`.
///
/// `K`, `M`, `G`, `T` are powers of 1000, `KiB`, `MiB`, `GiB`, `TiB` powers of 1024; a trailing `B`
/// is allowed.
///
/// # Errors
/// [`Error::Usage`] for other text, or a number that does not fit in 64 bits.
///
/// ```
/// assert_eq!(qorpus::parse_count("1_000_000")?, qorpus::parse_count("1M")?);
/// assert_eq!(qorpus::parse_count("4GiB")?, 4 << 30);
/// # Ok::<(), qorpus::Error>(())
/// ```
pub fn parse_count(text: &str) -> Result<u64> {
    let refused =
        || Error::Usage(format!("'{text}' is not a count; write it as 1000000, 1_000_000, 1M or 4GiB"));
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u64 = digits.replace('_', "").parse().map_err(|_| refused())?;
    let unit = unit.trim().to_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (prefix, base) = unit.strip_suffix('i').map_or((unit, 1000u64), |prefix| (prefix, 1024));
    let power = match (prefix, base) {
        ("", 1000) => 0,
        ("k", _) => 1,
        ("m", _) => 2,
        ("g", _) => 3,
        ("t", _) => 4,
        _ => return Err(refused()),
    };
    number.checked_mul(base.pow(power)).ok_or_else(refused)
}

/// Reads the id of a record: `7_000_000`.
///
/// # Errors
/// [`Error::Usage`] for other text, or a number that does not fit in 64 bits.
///
/// ```
/// assert_eq!(qorpus::parse_id("1_000")?, 1000);
/// # Ok::<(), qorpus::Error>(())
/// ```
pub fn parse_id(text: &str) -> Result<u64> {
    let is_id = text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let id = text.replace('_', "").parse().ok().filter(|_| is_id);
    id.ok_or_else(|| Error::Usage(format!("'{text}' is not the id of a record, such as 7 or 7_000_000")))
}

/// Reads a length range: `5..15`, both included, or `10` alone.
///
/// # Errors
/// [`Error::Usage`] for other text.
pub fn parse_length(text: &str) -> Result<(usize, usize)> {
    let number = |text: &str| text.trim().parse().ok();
    let range = match text.split_once("..") {
        Some((min, max)) => number(min).zip(number(max.strip_prefix('=').unwrap_or(max))),
        None => number(text).zip(number(text)),
    };
    range.ok_or_else(|| {
        Error::Usage(format!("'{text}' is not a length range; write it as 5..15, or 10 alone"))
    })
}
