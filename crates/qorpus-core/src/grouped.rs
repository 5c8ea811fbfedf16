//! Numbers as people read them.

/// Formats a number with its digits in groups of three: `72,559,411`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        let expected = ["0", "999", "1,000", "72,559,411", "18,446,744,073,709,551,615"];
        assert_eq!([0, 999, 1000, 72_559_411, u64::MAX].map(grouped), expected);
    }
}
