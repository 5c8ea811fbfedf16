//! Permutations of ids, and shares of them.

use crate::arguments::{self, int64s, number};
use crate::errors::{invalid, missing_record, too_many_records};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use std::ops::Range;

/// A pseudo-random order of the numbers below `len` that is decided by a seed and takes no memory.
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
            return Err(invalid(py, format!("a permutation is of 1 to 2**63 numbers, not of {len}")));
        }
        Ok(Permutation(qorpus::core::Permutation::new(len, seed)))
    }

    fn __len__(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX).min(isize::MAX as usize)
    }

    /// Returns the numbers at these places: int64 for int64.
    fn apply<'py>(&self, py: Python<'py>, places: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let places = int64s(places, "places")?;
        let len = self.0.len();
        if let Some(place) =
            places.iter().find(|&&place| u64::try_from(place).map_or(true, |place| place >= len))
        {
            return Err(missing_record(py, format!("there is no place {place} among {len}")));
        }
        let numbers = || places.iter().map(|&place| self.0.apply(place as u64) as i64).collect::<Vec<_>>();
        Ok(py.detach(numbers).into_pyarray(py))
    }

    /// Returns the place of a number.
    fn place(&self, py: Python<'_>, number: &Bound<'_, PyAny>) -> PyResult<u64> {
        let number: u64 = arguments::number(number, "number")?;
        let len = self.0.len();
        if number >= len {
            return Err(missing_record(py, format!("there is no number {number} among {len}")));
        }
        Ok(self.0.invert(number))
    }
}

/// Returns the numbers below `len` in a random order that a seed decides: int64.
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
    let refused = |_| too_many_records(py, format!("{len} numbers are too many for the memory"));
    numbers.try_reserve_exact(len).map_err(refused)?;
    py.detach(|| {
        numbers.extend(0..len as i64);
        qorpus::core::shuffle(seed, &mut numbers);
    });
    Ok(numbers.into_pyarray(py))
}

/// A split: some thousandths of all ids, decided by a seed, whatever the number of ids.
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
            let text = format!("a split goes from 0 to 1000 thousandths, not from {start} to {stop}");
            return Err(invalid(py, text));
        }
        Ok(Split { share: qorpus::core::Split::new(Range { start, end: stop }, seed), size: stop - start })
    }

    /// Returns for each of these ids whether it belongs to the split.
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

    /// Returns the number of ids below `len` that belong to the split.
    fn count(&self, len: &Bound<'_, PyAny>) -> PyResult<u64> {
        number(len, "len").map(|len| self.share.count(len))
    }

    /// Returns the ids at these places of the split, which ascend with them: int64 for int64.
    fn ids<'py>(&self, py: Python<'py>, places: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let places = int64s(places, "places")?;
        // Blocks of 1000 ids have `size` of them; the last one ends with the ids of 63 bits, and is
        // looked at when it is asked for.
        let whole = (i64::MAX as u64 / 1000).saturating_mul(self.size);
        let is_there = |place: u64| place < whole || place < self.share.count(i64::MAX as u64);
        if let Some(place) = places.iter().find(|&&place| !u64::try_from(place).is_ok_and(is_there)) {
            return Err(missing_record(py, format!("there is no place {place} in this split")));
        }
        let ids = || self.share.ids(places.iter().map(|&place| place as u64));
        Ok(py.detach(ids).into_iter().map(|id| id as i64).collect::<Vec<_>>().into_pyarray(py))
    }
}
