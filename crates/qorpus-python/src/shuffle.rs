//! Permutations of ids, and shares of them.

use crate::arguments::{self, int64s, number};
use crate::errors::{invalid, missing_record, too_many_records};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use std::ops::Range;

/// A pseudo-random permutation of the numbers below `len`, decided by a seed, that takes no memory.
///
/// Examples:
///     >>> from qorpus._qorpus import Permutation
///     >>> sorted(Permutation(5, seed=1).apply(np.arange(5)).tolist())
///     [0, 1, 2, 3, 4]
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Permutation(qorpus::core::Permutation);

#[pymethods]
impl Permutation {
    #[new]
    fn new(py: Python<'_>, len: &Bound<'_, PyAny>, seed: &Bound<'_, PyAny>) -> PyResult<Permutation> {
        let (len, seed) = (number(len, "len")?, number(seed, "seed")?);
        if !(1..=1 << 63).contains(&len) {
            return Err(invalid(py, format!("len is {len}; it must be from 1 to 2**63")));
        }
        Ok(Permutation(qorpus::core::Permutation::new(len, seed)))
    }

    fn __len__(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX).min(isize::MAX as usize)
    }

    /// Return the numbers at these places, as int64.
    fn apply<'py>(&self, py: Python<'py>, places: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let places = int64s(places, "places")?;
        let len = self.0.len();
        if let Some(place) =
            places.iter().find(|&&place| u64::try_from(place).map_or(true, |place| place >= len))
        {
            return Err(missing_record(py, format!("there is no place {place} in a permutation of {len}")));
        }
        let numbers = || places.iter().map(|&place| self.0.apply(place as u64) as i64).collect::<Vec<_>>();
        Ok(py.detach(numbers).into_pyarray(py))
    }

    /// Return the place of a number.
    fn place(&self, py: Python<'_>, number: &Bound<'_, PyAny>) -> PyResult<u64> {
        let number: u64 = arguments::number(number, "number")?;
        let len = self.0.len();
        if number >= len {
            return Err(missing_record(py, format!("there is no number {number} in a permutation of {len}")));
        }
        Ok(self.0.invert(number))
    }
}

/// Return the numbers below `len` in a pseudo-random order that a seed decides, as int64.
///
/// Examples:
///     >>> from qorpus._qorpus import shuffled
///     >>> sorted(shuffled(5, seed=1).tolist())
///     [0, 1, 2, 3, 4]
#[pyfunction]
pub(crate) fn shuffled<'py>(
    py: Python<'py>,
    len: &Bound<'py, PyAny>,
    seed: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (len, seed) = (number::<usize>(len, "len")?, number(seed, "seed")?);
    let mut numbers = Vec::new();
    let refused = |_| too_many_records(py, format!("{len} numbers do not fit in memory"));
    numbers.try_reserve_exact(len).map_err(refused)?;
    py.detach(|| {
        numbers.extend(0..len as i64);
        qorpus::core::shuffle(seed, &mut numbers);
    });
    Ok(numbers.into_pyarray(py))
}

/// A split: some thousandths of all ids, decided by a seed, independent of the number of ids.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Split {
    share: qorpus::core::Split,
    size: u64,
}

#[pymethods]
impl Split {
    #[new]
    fn new(
        py: Python<'_>,
        start: &Bound<'_, PyAny>,
        stop: &Bound<'_, PyAny>,
        seed: &Bound<'_, PyAny>,
    ) -> PyResult<Split> {
        let (start, stop, seed) = (number(start, "start")?, number(stop, "stop")?, number(seed, "seed")?);
        if start > stop || stop > 1000 {
            let text = format!("start is {start} and stop is {stop}; thousandths must ascend from 0 to 1000");
            return Err(invalid(py, text));
        }
        Ok(Split { share: qorpus::core::Split::new(Range { start, end: stop }, seed), size: stop - start })
    }

    /// Return for each id whether it is in the split.
    fn contains<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let ids = int64s(ids, "ids")?;
        let belong = || {
            let belong = self.share.contains(ids.iter().map(|&id| id.cast_unsigned()));
            ids.iter().zip(belong).map(|(&id, belongs)| belongs && id >= 0).collect::<Vec<_>>()
        };
        Ok(py.detach(belong).into_pyarray(py))
    }

    /// Return the number of ids below `len` in the split.
    fn count(&self, len: &Bound<'_, PyAny>) -> PyResult<u64> {
        number(len, "len").map(|len| self.share.count(len))
    }

    /// Return the ids at these places of the split, as int64. Ids ascend with places.
    fn ids<'py>(&self, py: Python<'py>, places: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let places = int64s(places, "places")?;
        // Each block of 1000 ids has `size` members. The last block ends at 2**63, and is counted
        // only when needed.
        let whole = (i64::MAX as u64 / 1000).saturating_mul(self.size);
        let is_there = |place: u64| place < whole || place < self.share.count(i64::MAX as u64);
        if let Some(place) = places.iter().find(|&&place| !u64::try_from(place).is_ok_and(is_there)) {
            return Err(missing_record(py, format!("there is no place {place} in this split")));
        }
        let ids = || self.share.ids(places.iter().map(|&place| place as u64));
        Ok(py.detach(ids).into_iter().map(|id| id as i64).collect::<Vec<_>>().into_pyarray(py))
    }
}
