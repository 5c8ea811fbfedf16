//! Ids, from every kind of index.

use crate::arguments::{class, each, ordered, shown};
use crate::errors::{missing_record, too_many_records, unconverted, wrong_type};
use numpy::{Element, PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyRange, PySlice};
use qorpus::{Circuits, Ids, Present};
use std::ops::Range;

/// Returns the id that an integer means. A negative integer counts from the end.
pub(crate) fn one(py: Python<'_>, index: i64, len: impl FnOnce() -> PyResult<u64>) -> PyResult<u64> {
    match u64::try_from(index) {
        Ok(id) => Ok(id),
        Err(_) => {
            let len = len()?;
            let text = || format!("there is no record {index}; the corpus has {len} records");
            let outside = || missing_record(py, text());
            len.checked_sub(index.unsigned_abs()).ok_or_else(outside)
        }
    }
}

/// The ids of some records.
pub(crate) enum Chosen {
    /// Consecutive ids.
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

    /// Returns the ids as a list, if it fits in memory.
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

/// Returns the ids that an index means among `len` records, of which `at_least` are known to exist.
///
/// The index is a slice, a range, a sequence or array of integers, or an array of truth values.
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
        unconverted(py, error, || format!("the slice is invalid: {reason}"))
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
    // The number after the last one may be too large.
    let ids = places.map(|place| start.wrapping_add(place.wrapping_mul(step)));
    resolved(range.py(), ids, len).map(Chosen::List)
}

fn of_array(index: &Bound<'_, PyAny>, len: impl Fn() -> PyResult<u64>) -> PyResult<Vec<u64>> {
    let py = index.py();
    let expected = "a slice or a one-dimensional sequence of integers";
    let text = |found: String| format!("ids must be {expected}, not {found}");
    let refused = |found| Err(wrong_type(py, text(found)));
    let array = match index.cast::<PyUntypedArray>() {
        Ok(array) => array.clone(),
        Err(_) => {
            ordered(index, "ids")?;
            let asked = py.import("numpy")?.call_method1("asarray", (index,));
            let asked = asked.map_err(|error| unconverted(py, error, || text(class(index))));
            asked?.cast_into()?
        }
    };
    match array.ndim() {
        0 => return refused(class(index)),
        1 => {}
        dimensions => return refused(format!("{} with {dimensions} dimensions", class(index))),
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
            let (values, records) = (array.len(), len()?);
            let text = format!("the mask has {values} truth values for {records} records; pass one for each");
            Err(missing_record(py, text))
        }
        // An empty list has no meaningful dtype.
        _ if array.len() == 0 => Ok(Vec::new()),
        // NumPy turns lists of mixed or 64-bit integers into floats.
        (b'O' | b'f', _) if array.dtype().kind() == b'O' || !array.is(index) => {
            let indices = each(index)?.map(|index| integer(&index?)).collect::<PyResult<Vec<_>>>()?;
            resolved(py, indices.into_iter(), len)
        }
        _ => refused(format!("{} of {}", class(index), array.dtype())),
    }
}

/// Returns start and stop of a slice, if these do not depend on the number of records.
fn plain(slice: &Bound<'_, PySlice>) -> PyResult<Option<(u64, u64)>> {
    let number = |name| slice.getattr(name).map(|number| number.extract::<u64>().ok());
    let (start, stop, step) = (number("start")?, number("stop")?, slice.getattr("step")?);
    Ok(start.zip(stop).filter(|(start, stop)| step.is_none() && start <= stop))
}

/// Converts a Python integer. One that is too large for any corpus raises `MissingRecord`.
pub(crate) fn integer(index: &Bound<'_, PyAny>) -> PyResult<i64> {
    index.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(index.py()) {
            too_large(index)
        } else {
            unconverted(index.py(), error, || format!("an id must be an integer, not {}", class(index)))
        }
    })
}

fn too_large(index: &Bound<'_, PyAny>) -> PyErr {
    missing_record(index.py(), format!("there is no record {}; ids are below 2**63", shown(index)))
}

fn numbers<T: Element + Copy + TryInto<i64>>(
    array: &Bound<'_, PyUntypedArray>,
    len: impl Fn() -> PyResult<u64>,
) -> PyResult<Vec<u64>> {
    let py = array.py();
    // Arrays in another byte order are converted here as well.
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
        return Err(missing_record(py, "there is no record beyond 2**63; ids are below it"));
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
    too_many_records(py, format!("{records} records at once do not fit in memory; read fewer at a time"))
}

/// The bytes of Python objects with their slots in a list: a tuple without its items, a small dict,
/// and a record with its array.
pub(crate) const TUPLE_BYTES: usize = 64;
pub(crate) const DICT_BYTES: usize = 400;
pub(crate) const RECORD_BYTES: usize = 400;

/// Returns the bytes of objects for these circuits: `each` bytes per circuit, and its letters.
pub(crate) fn objects(circuits: &Circuits, each: usize) -> usize {
    (circuits.len().saturating_mul(each)).saturating_add(circuits.total().saturating_mul(8))
}

/// Refuses a list of Python objects for `records` records unless `bytes` bytes can be reserved.
///
/// Allocating such objects one at a time would end the process when memory is full.
pub(crate) fn check_room(py: Python<'_>, records: usize, bytes: usize) -> PyResult<()> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(bytes).map_err(|_| too_many(py, records))?;
    // Without this the compiler may remove the unused allocation.
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

/// Converts ranges of ids: pairs of a first id and an end.
pub(crate) fn present(ranges: &Bound<'_, PyAny>, name: &str) -> PyResult<Present> {
    let refused = |error| {
        let class = class(ranges);
        unconverted(ranges.py(), error, || format!("{name} must be pairs of ids, not {class}"))
    };
    let pairs = ranges.extract::<Vec<[u64; 2]>>().map_err(refused)?;
    Ok(Present::new(pairs.into_iter().map(|[start, end]| start..end)))
}
