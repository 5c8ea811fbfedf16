//! NumPy arrays: arguments and results.

use crate::arguments::class;
use crate::errors::{too_many_records, unconverted, wrong_type};
use numpy::npyffi::{PY_ARRAY_API, npy_intp};
use numpy::{
    Element, PyArray2, PyArrayDescr, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use qorpus::core::{Alphabet, Complex32, Complex64, MAX_GATE_ANGLES};
use qorpus::{Circuits, Dtype};
use std::ffi::c_int;

/// Converts numbers without loss to an array of complex128 in row-major order.
pub(crate) fn complex<'py>(
    value: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<Bound<'py, PyArrayDyn<Complex64>>> {
    numbers(value, what).map(|(array, _)| array)
}

/// Converts numbers without loss to complex128; returns their dtype, too.
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
        // For example: nested lists differ in length, or a tensor must be detached first.
        let reason = error.value(value.py()).to_string();
        let text = || format!("{what} must be an array of numbers, not {}: {reason}", class(value));
        unconverted(value.py(), error, text)
    })?;
    let found = array.cast::<PyUntypedArray>()?.dtype();
    if !numpy.call_method1("can_cast", (&found, "complex128"))?.extract::<bool>()? {
        // NumPy wraps a value without numbers in an array of one object.
        let text = if found.kind() == b'O' && !value.hasattr("dtype")? {
            format!("{what} must be an array of numbers, not {}", class(value))
        } else {
            format!(
                "{what}: {found} cannot become complex128 without loss; convert it first, for example with \
                 array.astype(complex)"
            )
        };
        return Err(wrong_type(value.py(), text));
    }
    Ok((numpy.call_method1("require", (array, "complex128", "CA"))?.cast_into()?, found))
}

/// Converts real numbers to binary64.
pub(crate) fn real_array<'py>(
    value: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let numpy = value.py().import("numpy")?;
    let refused = |error| {
        unconverted(value.py(), error, || {
            format!("{what} must be an array of real numbers, not {}", class(value))
        })
    };
    let array = numpy.call_method1("asarray", (value,)).map_err(refused)?;
    if !matches!(array.cast::<PyUntypedArray>()?.dtype().kind(), b'f' | b'i' | b'u') {
        return Err(wrong_type(
            value.py(),
            format!("{what} must be an array of real numbers, not {}", class(value)),
        ));
    }
    Ok(numpy.call_method1("require", (array, "float64", "CA"))?.cast_into()?)
}

/// Returns circuits' angles: for each letter three numbers, its free angles in radians and then NaN.
pub(crate) fn angles_of<'py>(
    py: Python<'py>,
    alphabet: &Alphabet,
    circuits: &Circuits,
) -> PyResult<Bound<'py, PyAny>> {
    let longest = circuits.longest();
    doubles(py, [circuits.len(), longest, MAX_GATE_ANGLES], |out| {
        let write = || {
            let rows = out.chunks_exact_mut((longest * MAX_GATE_ANGLES * size_of::<f64>()).max(1));
            for (row, circuit) in rows.zip(circuits.circuits()) {
                let angles = alphabet.angle_rows(circuit.letters, circuit.angles, longest);
                row.copy_from_slice(bytemuck::cast_slice(&angles));
            }
        };
        py.detach(write);
        Ok(())
    })
}

/// Returns whether the numbers of an array are aligned, as slices require.
pub(crate) fn is_aligned(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    array.getattr("flags")?.getattr("aligned")?.extract()
}

/// Formats a shape as NumPy does.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        shape => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Returns circuits as rows of letter numbers, padded with -1.
pub(crate) fn rows_of<'py>(py: Python<'py>, circuits: &Circuits) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let longest = circuits.longest();
    let rows = filled::<i32, 2>(py, [circuits.len(), longest], |out| {
        py.detach(|| circuits.write_rows(longest, bytemuck::cast_slice_mut(out)));
        Ok(())
    })?;
    Ok(rows.cast_into()?)
}

/// Creates an array of truth values. `fill` must write 0 or 1 to each byte.
pub(crate) fn truths<'py, const N: usize>(
    py: Python<'py>,
    shape: [usize; N],
    fill: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Bound<'py, PyAny>> {
    filled::<u8, N>(py, shape, fill)?.call_method1("view", ("bool",))
}

/// Returns the dtype of NumPy.
pub(crate) fn dtype(py: Python<'_>, dtype: Dtype) -> Bound<'_, PyArrayDescr> {
    match dtype {
        Dtype::Complex128 => numpy::dtype::<Complex64>(py),
        Dtype::Complex64 => numpy::dtype::<Complex32>(py),
    }
}

/// Creates an array of unitaries of this dtype. `fill` must write all of its bytes.
pub(crate) fn unitaries<'py, const N: usize>(
    py: Python<'py>,
    dtype: Dtype,
    shape: [usize; N],
    fill: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Bound<'py, PyAny>> {
    match dtype {
        Dtype::Complex128 => filled::<Complex64, N>(py, shape, fill),
        Dtype::Complex64 => filled::<Complex32, N>(py, shape, fill),
    }
}

/// Creates an array of 64-bit integers. `fill` must write all of them.
pub(crate) fn integers64<'py, const N: usize>(
    py: Python<'py>,
    shape: [usize; N],
    fill: impl FnOnce(&mut [i64]),
) -> PyResult<Bound<'py, PyAny>> {
    filled::<i64, N>(py, shape, |bytes| {
        fill(bytemuck::cast_slice_mut(bytes));
        Ok(())
    })
}

/// Creates an array of binary64 numbers. `fill` must write all of its bytes.
pub(crate) fn doubles<'py, const N: usize>(
    py: Python<'py>,
    shape: [usize; N],
    fill: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Bound<'py, PyAny>> {
    filled::<f64, N>(py, shape, fill)
}

/// Creates an array. `fill` must write all of its bytes.
#[expect(
    unsafe_code,
    reason = "borrowing a new array safely, and filling it twice, takes a tenth of the time of a read"
)]
fn filled<'py, T: Element + bytemuck::Pod, const N: usize>(
    py: Python<'py>,
    shape: [usize; N],
    fill: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Bound<'py, PyAny>> {
    let too_many = || too_many_records(py, "the records do not fit in memory at once; read fewer at a time");
    let mut dims = [0; N];
    for (dim, len) in dims.iter_mut().zip(shape) {
        *dim = npy_intp::try_from(len).map_err(|_| too_many())?;
    }
    // SAFETY: `dims` has the N dimensions that NumPy's function reads, and the dtype is a new
    // reference, which it takes over; it returns a new array, or null and an exception.
    let array = unsafe {
        let dtype = T::get_dtype(py).into_dtype_ptr();
        let array = PY_ARRAY_API.PyArray_Empty(py, N as c_int, dims.as_mut_ptr(), dtype, 0);
        Bound::from_owned_ptr_or_err(py, array)
    };
    // NumPy raises one error for a size beyond any memory and another beyond this machine's memory.
    let array = array.map_err(|error| {
        let ours = too_many();
        ours.set_cause(py, Some(error));
        ours
    })?;
    let array = array.cast_into::<PyArrayDyn<T>>()?;
    // SAFETY: the array is not shared yet, so its entries are borrowed only here. Any bytes are valid
    // numbers, and the array is returned only after all were written.
    let entries = unsafe { array.as_slice_mut() }?;
    fill(bytemuck::cast_slice_mut(entries))?;
    Ok(array.into_any())
}
