//! Ids of requested records.

use std::borrow::Cow;
use std::ops::Range;

/// The ids of requested records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids<'a> {
    /// Consecutive ids.
    Run(Range<u64>),
    /// A list of ids in any order, also repeated.
    List(&'a [u64]),
}

impl Ids<'_> {
    /// Returns the number of ids.
    pub fn len(&self) -> usize {
        match self {
            Ids::Run(ids) => usize::try_from(ids.end.saturating_sub(ids.start)).unwrap_or(usize::MAX),
            Ids::List(ids) => ids.len(),
        }
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn max(&self) -> Option<u64> {
        match self {
            Ids::Run(ids) => ids.end.checked_sub(1).filter(|_| !ids.is_empty()),
            Ids::List(ids) => ids.iter().max().copied(),
        }
    }
}

impl<'a> Ids<'a> {
    /// Returns the ids as a list.
    pub(crate) fn list(&self) -> Cow<'a, [u64]> {
        match self {
            Ids::Run(ids) => Cow::Owned(ids.clone().collect()),
            Ids::List(ids) => Cow::Borrowed(ids),
        }
    }

    /// Returns the id at this position.
    pub(crate) fn at(&self, place: usize) -> Option<u64> {
        match self {
            Ids::Run(ids) => ids.start.checked_add(place as u64).filter(|&id| id < ids.end),
            Ids::List(ids) => ids.get(place).copied(),
        }
    }

    /// Returns the ids at these positions.
    pub(crate) fn part(&self, places: Range<usize>) -> Ids<'a> {
        match self {
            Ids::Run(ids) => Ids::Run(ids.start + places.start as u64..ids.start + places.end as u64),
            Ids::List(ids) => Ids::List(&ids[places]),
        }
    }
}

impl From<Range<u64>> for Ids<'_> {
    fn from(ids: Range<u64>) -> Self {
        Ids::Run(ids)
    }
}

impl<'a> From<&'a [u64]> for Ids<'a> {
    fn from(ids: &'a [u64]) -> Self {
        Ids::List(ids)
    }
}

impl<'a> From<&'a Vec<u64>> for Ids<'a> {
    fn from(ids: &'a Vec<u64>) -> Self {
        Ids::List(ids)
    }
}

impl<'a, const N: usize> From<&'a [u64; N]> for Ids<'a> {
    fn from(ids: &'a [u64; N]) -> Self {
        Ids::List(ids)
    }
}
