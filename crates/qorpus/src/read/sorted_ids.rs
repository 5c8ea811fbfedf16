//! Ids in the order in which they are read fastest, and the way back to the requested order.

use crate::corpus::ids::Ids;
use crate::corpus::record::RowBuffers;
use qorpus_core::Circuits;
use std::collections::BTreeMap;

/// Ids in the order in which they are read.
pub(super) struct SortedIds<'a> {
    asked: Ids<'a>,
    /// Ascending ids, each with its requested position; `None` if they are read in the requested
    /// order.
    ascending: Option<(Vec<u64>, Vec<usize>)>,
}

impl<'a> SortedIds<'a> {
    pub(super) fn as_asked(ids: &Ids<'a>) -> SortedIds<'a> {
        SortedIds { asked: ids.clone(), ascending: None }
    }

    pub(super) fn ascending(ids: &[u64]) -> SortedIds<'a> {
        let mut pairs: Vec<(u64, usize)> = ids.iter().copied().zip(0..).collect();
        pairs.sort_unstable();
        SortedIds { asked: Ids::List(&[]), ascending: Some(pairs.into_iter().unzip()) }
    }

    pub(super) fn ids(&self) -> Ids<'_> {
        self.ascending.as_ref().map_or(self.asked.clone(), |(ids, _)| Ids::List(ids))
    }

    /// Moves the results to their requested positions; unitaries have `size` bytes.
    pub(super) fn restore(&self, buffers: &mut RowBuffers<'_>, size: usize) {
        let Some((_, places)) = &self.ascending else { return };
        if let Some(out) = &mut buffers.unitaries {
            let ascending = out.to_vec();
            for (unitary, place) in ascending.chunks_exact(size).zip(places) {
                out[place * size..][..size].copy_from_slice(unitary);
            }
        }
        if let Some(circuits) = &mut buffers.circuits {
            let (mut from, mut ordered) = (vec![0; places.len()], Circuits::default());
            places.iter().enumerate().for_each(|(ascending, &place)| from[place] = ascending);
            from.into_iter().for_each(|place| ordered.push_circuit(circuits.circuit(place)));
            **circuits = ordered;
        }
        // Without labels in the corpus there are none.
        if let Some(labels) = &mut buffers.labels
            && labels.len() == places.len()
        {
            let mut ordered = vec![BTreeMap::new(); labels.len()];
            labels.drain(..).zip(places).for_each(|(labels, &place)| ordered[place] = labels);
            **labels = ordered;
        }
    }
}
