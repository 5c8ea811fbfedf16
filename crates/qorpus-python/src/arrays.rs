//! Arrays of NumPy: those that people pass, and new ones.

use crate::arguments::class;
use crate::errors::{too_many_records, unconverted, wrong_type};
use numpy::npyffi::{PY_ARRAY_API, npy_intp};
use numpy::{
    Element, PyArray2, PyArrayDescr, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use qorpus::Circuits;
use qorpus::core::Complex64;
use std::ffi::c_int;

/// Numbers as an array of complex128 in row-major order: what is converted is converted without
/// loss.
pub(crate) fn complex<'py>(
    value: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<Bound<'py, PyArrayDyn<Complex64>>> {
    numbers(value, what).map(|(array, _)| array)
}

/// Numbers as complex128 without loss, and the dtype that they had.
pub(crate) fn numbers<'py>(
    value: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<(Bound<'py, PyArrayDyn<Complex64>>, Bound<'py, PyArrayDescr>)> {
    if let Ok(array) = value.cast::<PyArrayDyn<Complex64>>()
        && array.is_c_contiguous()
        && is_aligned(array)?
    {
        return Ok((array.clone(), array.dtype()));
    }
    let numpy = value.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (value,)).map_err(|error| {
        // Such as that lists in it have other lengths, or that a tensor has to be detached first.
        let reason = error.value(value.py()).to_string();
        let text = || format!("{what} is not an array of numbers, but {}: {reason}", class(value));
        unconverted(value.py(), error, text)
    })?;
    let found = array.cast::<PyUntypedArray>()?.dtype();
    if !numpy.call_method1("can_cast", (&found, "complex128"))?.extract::<bool>()? {
        // NumPy makes an array of one object of what has no numbers.
        let text = if found.kind() == b'O' && !value.hasattr("dtype")? {
            format!("{what} is not an array of numbers, but {}", class(value))
        } else {
            format!(
                "{what} cannot be complex128 without loss: it is {found}; convert it, as with array.astype(complex)"
            )
        };
        return Err(wrong_type(value.py(), text));
    }
    Ok((numpy.call_method1("require", (array, "complex128", "CA"))?.cast_into()?, found))
}

/// Whether its numbers stand where the processor wants them, which slices take for granted.
pub(crate) fn is_aligned(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    array.getattr("flags")?.getattr("aligned")?.extract()
}

/// A shape as NumPy writes it.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        shape => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Circuits as rows of numbers of letters, padded with -1.
pub(crate) fn rows_of<'py>(py: Python<'py>, circuits: &Circuits) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let longest = circuits.longest();
    let rows = filled::<i32, 2>(py, [circuits.len(), longest], |out| {
        py.detach(|| circuits.write_rows(longest, bytemuck::cast_slice_mut(out)));
        Ok(())
    })?;
    Ok(rows.cast_into()?)
}

/// A new array whose bytes `fill` writes, all of them.
#[expect(
    unsafe_code,
    reason = "to borrow a new array by the rules, and to fill it twice, takes a tenth of a read"
)]
pub(crate) fn filled<'py, T: Element + bytemuck::Pod, const N: usize>(
    py: Python<'py>,
    shape: [usize; N],
    fill: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Bound<'py, PyAny>> {
    let too_many = || too_many_records(py, "so many records at once are too many for the memory");
    let mut dims = [0; N];
    for (dim, len) in dims.iter_mut().zip(shape) {
        *dim = npy_intp::try_from(len).map_err(|_| too_many())?;
    }
    // SAFETY: NumPy's function takes as many dimensions as it is told, and a dtype of its own; it
    // returns a new array, or nothing and an exception.
    let array = unsafe {
        let dtype = T::get_dtype(py).into_dtype_ptr();
        let array = PY_ARRAY_API.PyArray_Empty(py, N as c_int, dims.as_mut_ptr(), dtype, 0);
        Bound::from_owned_ptr_or_err(py, array)
    };
    // NumPy has one error for what no memory holds, and another one for what this one does not.
    let array = array.map_err(|error| {
        let ours = too_many();
        ours.set_cause(py, Some(error));
        ours
    })?;
    let array = array.cast_into::<PyArrayDyn<T>>()?;
    // SAFETY: the array is not shared yet, so its entries are borrowed only here; they are any bytes
    // at first, which are numbers, and the array is returned only when all were written.
    let entries = unsafe { array.as_slice_mut() }?;
    fill(bytemuck::cast_slice_mut(entries))?;
    Ok(array.into_any())
}
