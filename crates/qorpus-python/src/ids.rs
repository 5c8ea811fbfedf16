//! Ids, from everything that people index with.

use crate::arguments::{class, each, ordered, shown};
use crate::errors::{missing_record, too_many_records, unconverted, wrong_type};
use numpy::{Element, PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyRange, PySlice};
use qorpus::{Circuits, Ids, Present};
use std::ops::Range;

/// Returns the id that an integer means; negative ones count from the end.
pub(crate) fn one(py: Python<'_>, index: i64, len: impl FnOnce() -> PyResult<u64>) -> PyResult<u64> {
    match u64::try_from(index) {
        Ok(id) => Ok(id),
        Err(_) => {
            let len = len()?;
            let outside = || missing_record(py, format!("there is no record {index}; there are {len}"));
            len.checked_sub(index.unsigned_abs()).ok_or_else(outside)
        }
    }
}

/// The ids of some records.
pub(crate) enum Chosen {
    /// Consecutive ones.
    Run(Range<u64>),
    List(Vec<u64>),
}

impl Chosen {
    pub(crate) fn ids(&self) -> Ids<'_> {
        match self {
            Chosen::Run(ids) => ids.clone().into(),
            Chosen::List(ids) => ids.into(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids().len()
    }

    /// One by one, if there is room for them.
    pub(crate) fn list(self, py: Python<'_>) -> PyResult<Vec<u64>> {
        match self {
            Chosen::Run(ids) => {
                let mut list = room(py, usize::try_from(ids.end - ids.start)?)?;
                list.extend(ids);
                Ok(list)
            }
            Chosen::List(ids) => Ok(ids),
        }
    }
}

/// The ids that a slice, a range, a sequence or array of integers, or an array of truth values
/// means, of `len` records, of which `at_least` are known to be there.
pub(crate) fn many(
    index: &Bound<'_, PyAny>,
    at_least: impl Fn() -> PyResult<u64>,
    len: impl Fn() -> PyResult<u64>,
) -> PyResult<Chosen> {
    if let Ok(slice) = index.cast::<PySlice>() {
        of_slice(slice, at_least, len)
    } else if index.is_instance_of::<PyRange>() {
        of_range(index, len)
    } else {
        of_array(index, len).map(Chosen::List)
    }
}

fn of_slice(
    slice: &Bound<'_, PySlice>,
    at_least: impl Fn() -> PyResult<u64>,
    len: impl Fn() -> PyResult<u64>,
) -> PyResult<Chosen> {
    let py = slice.py();
    if let Some((start, stop)) = plain(slice)?
        && stop <= at_least()?
    {
        return Ok(Chosen::Run(start..stop));
    }
    let slice = slice.indices(isize::try_from(len()?).unwrap_or(isize::MAX)).map_err(|error| {
        let reason = error.value(py).to_string();
        unconverted(py, error, || format!("this slice cannot be: {reason}"))
    })?;
    if slice.step == 1 {
        let start = slice.start as u64;
        return Ok(Chosen::Run(start..start + slice.slicelength as u64));
    }
    let id = |place: isize| (slice.start + place * slice.step) as u64;
    let mut ids = room(py, slice.slicelength)?;
    ids.extend((0..slice.slicelength as isize).map(id));
    Ok(Chosen::List(ids))
}

fn of_range(range: &Bound<'_, PyAny>, len: impl Fn() -> PyResult<u64>) -> PyResult<Chosen> {
    let (start, step) = (integer(&range.getattr("start")?)?, integer(&range.getattr("step")?)?);
    let places = 0..range.len().map_err(|_| too_large(range))? as i64;
    if let (1, Ok(first)) = (step, u64::try_from(start)) {
        return Ok(Chosen::Run(first..first + places.end as u64));
    }
    // The last one may be followed by a number that is too large.
    let ids = places.map(|place| start.wrapping_add(place.wrapping_mul(step)));
    resolved(range.py(), ids, len).map(Chosen::List)
}

fn of_array(index: &Bound<'_, PyAny>, len: impl Fn() -> PyResult<u64>) -> PyResult<Vec<u64>> {
    let py = index.py();
    let text = |what: String| format!("ids are a slice or integers in one dimension, not {what}");
    let refused = |what| Err(wrong_type(py, text(what)));
    let array = match index.cast::<PyUntypedArray>() {
        Ok(array) => array.clone(),
        Err(_) => {
            ordered(index, "ids")?;
            let asked = py.import("numpy")?.call_method1("asarray", (index,));
            let asked =
                asked.map_err(|error| unconverted(py, error, || text(format!("this {}", class(index)))));
            asked?.cast_into()?
        }
    };
    match array.ndim() {
        0 => return refused(class(index)),
        1 => {}
        dimensions => return refused(format!("{} of {dimensions} dimensions", class(index))),
    }
    match (array.dtype().kind(), array.dtype().itemsize()) {
        (b'i', 8) => numbers::<i64>(&array, len),
        (b'u', 8) => numbers::<u64>(&array, len),
        (b'i' | b'u', _) => numbers::<i64>(array.call_method1("astype", ("int64",))?.cast()?, len),
        (b'b', _) if array.len() as u64 == len()? => {
            let places = array.call_method0("nonzero")?.get_item(0)?;
            numbers::<i64>(places.cast()?, len)
        }
        (b'b', _) => {
            let text = format!("{} truth values cannot choose among {} records", array.len(), len()?);
            Err(missing_record(py, text))
        }
        // An empty list has no type of its own.
        _ if array.len() == 0 => Ok(Vec::new()),
        // NumPy makes floats of a list of integers of several kinds, or of 64 bits.
        (b'O' | b'f', _) if array.dtype().kind() == b'O' || !array.is(index) => {
            let indices = each(index)?.map(|index| integer(&index?)).collect::<PyResult<Vec<_>>>()?;
            resolved(py, indices.into_iter(), len)
        }
        _ => refused(format!("{} of {}", class(index), array.dtype())),
    }
}

/// Start and stop of a slice, if it means the same of every longer sequence, too.
fn plain(slice: &Bound<'_, PySlice>) -> PyResult<Option<(u64, u64)>> {
    let number = |name| slice.getattr(name).map(|number| number.extract::<u64>().ok());
    let (start, stop, step) = (number("start")?, number("stop")?, slice.getattr("step")?);
    Ok(start.zip(stop).filter(|(start, stop)| step.is_none() && start <= stop))
}

/// Converts a Python integer; one that is too large for any corpus is an `IndexError`.
pub(crate) fn integer(index: &Bound<'_, PyAny>) -> PyResult<i64> {
    index.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(index.py()) {
            too_large(index)
        } else {
            unconverted(index.py(), error, || format!("an id is an integer, not {}", class(index)))
        }
    })
}

fn too_large(index: &Bound<'_, PyAny>) -> PyErr {
    missing_record(index.py(), format!("there is no record {}; no corpus has so many", shown(index)))
}

fn numbers<T: Element + Copy + TryInto<i64>>(
    array: &Bound<'_, PyUntypedArray>,
    len: impl Fn() -> PyResult<u64>,
) -> PyResult<Vec<u64>> {
    let py = array.py();
    // Byte orders other than the machine's come to this as well.
    let array = match array.cast::<PyArray1<T>>() {
        Ok(array) => array.clone(),
        Err(_) => array.call_method1("astype", (numpy::dtype::<T>(py),))?.cast_into()?,
    };
    let array = array.try_readonly()?;
    let array = array.as_array();
    let mut beyond = false;
    let indices = array.iter().map(|&index| {
        index.try_into().unwrap_or_else(|_| {
            beyond = true;
            i64::MAX
        })
    });
    let ids = resolved(py, indices, len)?;
    if beyond {
        return Err(missing_record(py, "there is no record beyond 2^63"));
    }
    Ok(ids)
}

/// Reserves memory for ids.
fn room(py: Python<'_>, len: usize) -> PyResult<Vec<u64>> {
    let mut ids = Vec::new();
    ids.try_reserve_exact(len).map_err(|_| too_many(py, len))?;
    Ok(ids)
}

fn too_many(py: Python<'_>, records: usize) -> PyErr {
    too_many_records(py, format!("{records} records at once are too many for the memory"))
}

/// Bytes of Python objects with their slots in a list: a tuple without its items, a dict of a few,
/// and a record with its array.
pub(crate) const TUPLE_BYTES: usize = 64;
pub(crate) const DICT_BYTES: usize = 400;
pub(crate) const RECORD_BYTES: usize = 400;

/// Returns the bytes of objects for these circuits, of which each takes `each` bytes beside its
/// letters.
pub(crate) fn objects(circuits: &Circuits, each: usize) -> usize {
    (circuits.len().saturating_mul(each)).saturating_add(circuits.total().saturating_mul(8))
}

/// Refuses a list of Python objects for `records` records unless `bytes` bytes can be reserved.
/// Allocated one by one, such objects end the process when the memory is full.
pub(crate) fn check_room(py: Python<'_>, records: usize, bytes: usize) -> PyResult<()> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(bytes).map_err(|_| too_many(py, records))?;
    // Without this the compiler may leave out an allocation that is not used.
    std::hint::black_box(&room);
    Ok(())
}

fn resolved(
    py: Python<'_>,
    indices: impl Iterator<Item = i64>,
    len: impl Fn() -> PyResult<u64>,
) -> PyResult<Vec<u64>> {
    let mut known = None;
    let mut len = || match known {
        Some(len) => Ok(len),
        None => len().inspect(|len| known = Some(*len)),
    };
    let mut ids = room(py, indices.size_hint().0)?;
    for index in indices {
        ids.push(one(py, index, &mut len)?);
    }
    Ok(ids)
}

/// Ranges of ids: pairs of a first id and an end.
pub(crate) fn present(ranges: &Bound<'_, PyAny>, name: &str) -> PyResult<Present> {
    let refused = |error| {
        let class = class(ranges);
        unconverted(ranges.py(), error, || format!("{name} are pairs of ids, not {class}"))
    };
    let pairs = ranges.extract::<Vec<[u64; 2]>>().map_err(refused)?;
    Ok(Present::new(pairs.into_iter().map(|[start, end]| start..end)))
}
