//! Couplings: the pairs of qubits that gates may join.

use crate::error::{Error, Result};

/// The pairs of qubits that a gate on several qubits may join.
///
/// Pairs have no direction: `cx` is placed both ways on every pair. A gate on three qubits may be
/// placed wherever the coupled pairs connect its qubits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coupling {
    /// Every pair.
    All,
    /// Neighbours: 0-1, 1-2, ...
    Line,
    /// Neighbours, and the last with the first.
    Ring,
    /// These pairs.
    Pairs(Vec<(usize, usize)>),
}

/// The couplings that have a name.
const NAMED: [Coupling; 3] = [Coupling::All, Coupling::Line, Coupling::Ring];

impl Coupling {
    /// Reads `all`, `line`, `ring` or pairs such as `0-1,1-2`.
    ///
    /// # Errors
    /// [`Error::Unusable`] for anything else.
    pub fn parse(text: &str) -> Result<Coupling> {
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let pair = |pair: &str| {
            let (a, b) = pair.split_once('-')?;
            Some((number(a)?, number(b)?))
        };
        let pairs = || text.split(',').map(pair).collect::<Option<_>>().map(Coupling::Pairs);
        let named = NAMED.into_iter().find(|named| named.to_string() == text.trim());
        named.or_else(pairs).ok_or_else(|| {
            let reason = "use all, line, ring, or pairs such as 0-1,1-2".into();
            Error::Unusable { item: format!("coupling '{text}'"), reason }
        })
    }

    /// Returns the coupled pairs on `qubits` qubits, each with the smaller qubit first, sorted,
    /// each once.
    pub(crate) fn pairs(&self, qubits: usize) -> Result<Vec<(usize, usize)>> {
        let mut pairs = match self {
            Coupling::All => (0..qubits).flat_map(|a| (a + 1..qubits).map(move |b| (a, b))).collect(),
            Coupling::Line | Coupling::Ring => {
                let mut pairs: Vec<_> = (1..qubits).map(|b| (b - 1, b)).collect();
                if *self == Coupling::Ring && qubits > 2 {
                    pairs.push((0, qubits - 1));
                }
                pairs
            }
            Coupling::Pairs(pairs) => {
                let refused = |reason| Err(Error::Unusable { item: format!("coupling '{self}'"), reason });
                if pairs.is_empty() {
                    return refused("it names no pair of qubits".into());
                }
                for &(a, b) in pairs {
                    let (most, last) = (a.max(b), qubits - 1);
                    if most > last {
                        return refused(format!("qubit {most} does not exist; the qubits are 0 to {last}"));
                    }
                    if a == b {
                        return refused(format!("qubit {a} cannot be coupled with itself"));
                    }
                }
                pairs.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect()
            }
        };
        pairs.sort_unstable();
        pairs.dedup();
        Ok(pairs)
    }

    /// Returns the first of `all`, `line`, `ring` with the same pairs on `qubits` qubits, else the
    /// sorted pairs.
    pub(crate) fn canonical(&self, qubits: usize) -> Result<Coupling> {
        let pairs = self.pairs(qubits)?;
        let same = |named: &Coupling| named.pairs(qubits).as_ref() == Ok(&pairs);
        Ok(NAMED.into_iter().find(same).unwrap_or(Coupling::Pairs(pairs)))
    }
}

impl std::fmt::Display for Coupling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Coupling::All => f.write_str("all"),
            Coupling::Line => f.write_str("line"),
            Coupling::Ring => f.write_str("ring"),
            Coupling::Pairs(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(a, b)| format!("{a}-{b}")).collect();
                f.write_str(&pairs.join(","))
            }
        }
    }
}
