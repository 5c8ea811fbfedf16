//! Ids of records that are asked for.

use crate::corpus::record::GivenLabels;
use qorpus_core::Circuits;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Which records are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids<'a> {
    /// Consecutive ones.
    Run(Range<u64>),
    /// Any, in any order, also repeated.
    List(&'a [u64]),
}

impl Ids<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Ids::Run(ids) => usize::try_from(ids.end.saturating_sub(ids.start)).unwrap_or(usize::MAX),
            Ids::List(ids) => ids.len(),
        }
    }

    /// Whether there are none.
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
    /// One by one.
    pub(crate) fn list(&self) -> Cow<'a, [u64]> {
        match self {
            Ids::Run(ids) => Cow::Owned(ids.clone().collect()),
            Ids::List(ids) => Cow::Borrowed(ids),
        }
    }

    /// The one at this place.
    pub(crate) fn at(&self, place: usize) -> Option<u64> {
        match self {
            Ids::Run(ids) => ids.start.checked_add(place as u64).filter(|&id| id < ids.end),
            Ids::List(ids) => ids.get(place).copied(),
        }
    }

    /// The ones at these places.
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

/// Ids in the order in which they are read.
pub(crate) struct Sorted<'a> {
    asked: Ids<'a>,
    /// In ascending order and, for each one, the place where it stood; unless they are read as they
    /// were asked for.
    ascending: Option<(Vec<u64>, Vec<usize>)>,
}

impl<'a> Sorted<'a> {
    /// As they were asked for.
    pub(crate) fn as_asked(ids: &Ids<'a>) -> Sorted<'a> {
        Sorted { asked: ids.clone(), ascending: None }
    }

    pub(crate) fn new(ids: &[u64]) -> Sorted<'a> {
        let mut pairs: Vec<(u64, usize)> = ids.iter().copied().zip(0..).collect();
        pairs.sort_unstable();
        Sorted { asked: Ids::List(&[]), ascending: Some(pairs.into_iter().unzip()) }
    }

    pub(crate) fn ids(&self) -> Ids<'_> {
        self.ascending.as_ref().map_or(self.asked.clone(), |(ids, _)| Ids::List(ids))
    }

    pub(crate) fn places(&self) -> Option<&Vec<usize>> {
        self.ascending.as_ref().map(|(_, places)| places)
    }

    /// Labels that were read in the sorted order, in the order they were asked for.
    pub(crate) fn labels_as_asked(&self, labels: Vec<GivenLabels>) -> Vec<GivenLabels> {
        let Some(places) = self.places().filter(|places| places.len() == labels.len()) else {
            return labels;
        };
        let mut ordered = vec![BTreeMap::new(); labels.len()];
        labels.into_iter().zip(places).for_each(|(labels, &place)| ordered[place] = labels);
        ordered
    }

    /// Circuits that were read in the sorted order, in the order they were asked for.
    pub(crate) fn circuits_as_asked(&self, circuits: Circuits) -> Circuits {
        let Some(places) = self.places() else { return circuits };
        let mut order = vec![0; places.len()];
        places.iter().enumerate().for_each(|(from, &to)| order[to] = from);
        let mut ordered = Circuits::default();
        order.into_iter().for_each(|from| ordered.push(circuits.get(from).iter().copied()));
        ordered
    }
}
