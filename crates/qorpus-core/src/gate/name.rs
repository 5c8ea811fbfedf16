//! Names of gates: parsing and checks.

use crate::error::{Error, Result};
use crate::gate::angle::Angle;
use crate::gate::standard;
use crate::gate::synonyms::advice;

/// The most bytes of a name, angles included, since hundreds of letters repeat it.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// An angle that is not part of the name: each letter of a circuit has its own.
const FREE: &str = "?";

/// The name of a standard gate, parsed.
pub(crate) struct GateName {
    pub(crate) base: String,
    /// The angles; none if they are free.
    pub(crate) angles: Vec<Angle>,
    /// Whether it has angles and all of them are free.
    pub(crate) is_free: bool,
}

impl GateName {
    /// Reads the name of a standard gate with the right number of angles, each by `read`.
    pub(crate) fn read(text: &str, read: fn(&str) -> std::result::Result<Angle, String>) -> Result<GateName> {
        let text = text.trim();
        let refused = |reason| Error::Unusable { item: format!("gate '{text}'"), reason };
        let bytes: usize = text.split_whitespace().map(str::len).sum();
        if bytes > MAX_NAME_BYTES {
            let item = format!("gate '{}...'", text.chars().take(20).collect::<String>());
            let reason = format!("its name has {bytes} bytes; at most {MAX_NAME_BYTES} are allowed");
            return Err(Error::Unusable { item, reason });
        }
        let name = text.to_lowercase();
        let (base, rest) = name.split_once('(').map_or((&name[..], None), |(base, rest)| (base, Some(rest)));
        let base = base.trim_end();
        let inside = rest.map(|rest| rest.strip_suffix(')').unwrap_or(rest));
        let angles = inside.map_or(Vec::new(), split_outside);
        let known = standard::find(base)
            .ok_or_else(|| Error::UnknownGate { name: text.into(), advice: advice(base, &angles) })?;
        if rest.is_some_and(|rest| !rest.ends_with(')')) {
            return Err(refused("')' is missing".into()));
        }
        let needs = standard::angle_count(known);
        if angles.len() != needs {
            return Err(refused(match needs {
                0 => "it takes no angle".into(),
                1 => format!("it needs one angle, such as '{base}(pi/4)'"),
                n => format!("it needs {n} angles: {known}"),
            }));
        }
        let free = angles.iter().filter(|angle| angle.trim() == FREE).count();
        if free > 0 && free < needs {
            return Err(refused(format!("all of its angles are free or none: '{}'", free_name(known))));
        }
        let fixed = if free > 0 { Vec::new() } else { angles };
        let angles = fixed.into_iter().map(read).collect::<std::result::Result<_, _>>().map_err(refused)?;
        Ok(GateName { base: base.into(), angles, is_free: free > 0 })
    }
}

/// Returns the name of an entry of [`STANDARD`](standard::STANDARD) with free angles: `rz(?)`.
pub(crate) fn free_name(known: &str) -> String {
    let (base, angles) = standard::parts(known);
    format!("{base}({})", vec![FREE; angles.len()].join(","))
}

/// Appends `text` with the next of `angles` in place of each `?`, as long as there are any.
pub(crate) fn push_with_angles(
    to: &mut String,
    text: &str,
    angles: &mut impl Iterator<Item = f64>,
    number: impl Fn(f64) -> String,
) {
    for part in text.split_inclusive(FREE) {
        match part.strip_suffix(FREE).and_then(|start| Some((start, angles.next()?))) {
            Some((start, angle)) => {
                to.push_str(start);
                to.push_str(&number(angle));
            }
            None => to.push_str(part),
        }
    }
}

/// Splits at the commas outside parentheses.
pub(crate) fn split_outside(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(outside).collect()
}

/// Refuses the name of a user-defined gate that is not an identifier, or belongs to a standard
/// gate.
pub(crate) fn check_custom_name(name: &str) -> Result<()> {
    let item = || format!("gate '{name}'");
    let refused = |reason: &str| Err(Error::Unusable { item: item(), reason: reason.into() });
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return refused("a name must be a letter or '_' followed by letters, digits or '_'");
    }
    if name.len() > MAX_NAME_BYTES {
        return refused(&format!("a name may have at most {MAX_NAME_BYTES} bytes"));
    }
    if standard::find(&name.to_lowercase()).is_some() {
        return refused("it is the name of a standard gate; choose another name");
    }
    Ok(())
}
