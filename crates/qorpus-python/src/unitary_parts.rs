//! Splits by unitary.

use crate::errors::{OrRaise, invalid};
use crate::job::{Watch, watched};
use crate::records::Records;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use qorpus_cli::Bar;

/// Parts of a corpus that no unitary, up to phase, is in two of. Each is some thousandths of all unitaries.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct UnitaryParts(qorpus::UnitaryParts);

#[pymethods]
impl UnitaryParts {
    #[new]
    fn new(
        py: Python<'_>,
        records: &Bound<'_, Records>,
        parts: Vec<(u16, u16)>,
        seed: u64,
    ) -> PyResult<UnitaryParts> {
        let (reader, parts) = (records.get().reader(py)?.clone(), parts.into_iter());
        let sides = parts.map(|(start, stop)| start..stop).collect();
        py.detach(|| qorpus::UnitaryParts::new(reader, sides, seed)).or_raise(py).map(UnitaryParts)
    }

    /// Whether unitaries are compared exactly. If not, a few records may be in no part.
    #[getter]
    fn is_exact(&self) -> bool {
        self.0.is_exact()
    }

    /// Goes through the records below `len` that were not gone through yet. Signals and exceptions of `progress` stop it.
    #[pyo3(signature = (len, progress=None))]
    fn update(&self, py: Python<'_>, len: u64, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let watch = Watch::new(progress)?;
        watched(py, &watch, |stop, tell| {
            let bar = Bar::counting(!watch.shown, len);
            let result = self.0.update(len, stop, &mut |records| {
                bar.reach(records);
                tell(records, len);
            });
            bar.clear();
            result.map(drop)
        })
    }

    /// How many of the records below `len`, which were gone through, are in a part.
    fn count(&self, py: Python<'_>, part: usize, len: u64) -> PyResult<u64> {
        py.detach(|| self.0.count(part, len)).or_raise(py)
    }

    /// Which of these records, which were gone through, are in a part.
    fn contains<'py>(
        &self,
        py: Python<'py>,
        part: usize,
        ids: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let ids = numbers(py, &ids)?;
        Ok(py.detach(|| self.0.contains(part, &ids)).or_raise(py)?.into_pyarray(py))
    }

    /// The ids of the records at these places of a part: int64 for int64.
    fn ids<'py>(
        &self,
        py: Python<'py>,
        part: usize,
        places: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let places = numbers(py, &places)?;
        let ids = py.detach(|| self.0.ids(part, &places)).or_raise(py)?;
        Ok(ids.into_iter().map(u64::cast_signed).collect::<Vec<_>>().into_pyarray(py))
    }
}

fn numbers(py: Python<'_>, values: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<u64>> {
    let number = |&value: &i64| {
        u64::try_from(value).map_err(|_| invalid(py, format!("{value} is not a record or a place")))
    };
    values.as_array().iter().map(number).collect()
}
