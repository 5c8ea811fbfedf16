//! Names of labels, and the rules for them.

use crate::error::{Error, Result};

/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 64;

/// Columns that every record has.
const RESERVED: [&str; 4] = ["id", "circuit", "unitary", "length"];

/// Returns whether two names are the same to SQL, which ignores the case of the letters A to Z.
pub(crate) fn is_one_in_sql(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Returns the reason to refuse a name that differs from another one only in letter case.
pub fn letter_case_clash(other: &str) -> String {
    format!("it differs from the label '{other}' only in letter case, which SQL ignores; choose another name")
}

/// Refuses a text that cannot be the name of a new label.
pub(crate) fn check_name(name: &str) -> Result<()> {
    check_shape(name)?;
    let is_count = name.get(..6).is_some_and(|begin| is_one_in_sql(begin, "count_"));
    // Files from before free angles may have labels of this name.
    let is_angles = is_one_in_sql(name, "angles");
    if is_count || is_angles || RESERVED.iter().any(|reserved| is_one_in_sql(reserved, name)) {
        let reason =
            "every record has a column of this name already (SQL ignores letter case); choose another name";
        return Err(refused(name, reason));
    }
    Ok(())
}

/// Refuses a text that cannot be the name of a label in any file.
pub(crate) fn check_shape(name: &str) -> Result<()> {
    let reason = match name {
        "" => "a label needs a name",
        name if name.len() > MAX_NAME_BYTES => "a name may have at most 64 bytes",
        name if name.chars().any(char::is_control) => "a name may not have control characters",
        name if RESERVED.contains(&name) || name.starts_with("count_") => {
            "every record has a column of this name already; choose another name"
        }
        _ => return Ok(()),
    };
    Err(refused(name, reason))
}

/// Returns the error for a label that cannot be used.
pub(crate) fn refused(name: &str, reason: impl Into<String>) -> Error {
    Error::Unusable { item: format!("label '{name}'"), reason: reason.into() }
}
