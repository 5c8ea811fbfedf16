//! Splits by unitary.

use crate::arguments::{class, given, int64s, number};
use crate::errors::{OrRaise, invalid, unconverted, wrong_type};
use crate::ids::present;
use crate::job::{Watch, watched};
use crate::records::Records;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use qorpus_cli::Bar;

/// Parts of a corpus that share no unitary, up to a global phase.
///
/// Each part has some thousandths of all unitaries.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct UnitaryParts(qorpus::UnitaryParts);

#[pymethods]
impl UnitaryParts {
    #[new]
    #[pyo3(signature = (records, parts, seed, among=None))]
    fn new(
        py: Python<'_>,
        records: &Bound<'_, PyAny>,
        parts: &Bound<'_, PyAny>,
        seed: &Bound<'_, PyAny>,
        among: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<UnitaryParts> {
        let records = records
            .cast::<Records>()
            .map_err(|_| wrong_type(py, format!("records must be a corpus, not {}", class(records))))?;
        let parts: Vec<(u16, u16)> = parts.extract().map_err(|error| {
            unconverted(py, error, || format!("parts must be pairs of thousandths, not {}", class(parts)))
        })?;
        let seed = number(seed, "seed")?;
        let among = given(among, "ranges", present)?;
        let reader = records.get().reader(py)?.clone();
        let sides = parts.into_iter().map(|(start, stop)| start..stop).collect();
        py.detach(|| qorpus::UnitaryParts::new(reader, among, sides, seed)).or_raise(py).map(UnitaryParts)
    }

    /// Whether unitaries are compared exactly. If not, a few records may be in no part.
    #[getter]
    fn is_exact(&self) -> bool {
        self.0.is_exact()
    }

    /// Read the records below `len` that were not read before.
    ///
    /// Signals and exceptions of `progress` stop it.
    #[pyo3(signature = (len, progress=None), text_signature = "($self, len, progress=False)")]
    fn update(
        &self,
        py: Python<'_>,
        len: &Bound<'_, PyAny>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let len = number(len, "len")?;
        let watch = given(progress, "progress", Watch::new)?.unwrap_or_default();
        watched(py, &watch, |stop, tell| {
            let bar = Bar::counting(!watch.shown, len);
            let result = self.0.update(len, stop, &mut |records| {
                bar.reach(records);
                tell((records, len), &|| ((records, len), bar.line()));
            });
            bar.clear();
            result.map(drop)
        })
    }

    /// Return the number of records below `len` in a part. `update` must have read them.
    fn count(&self, py: Python<'_>, part: &Bound<'_, PyAny>, len: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (part, len) = (number(part, "part")?, number(len, "len")?);
        py.detach(|| self.0.count(part, len)).or_raise(py)
    }

    /// Return for each id whether its record is in a part. `update` must have read the records.
    fn contains<'py>(
        &self,
        py: Python<'py>,
        part: &Bound<'py, PyAny>,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let (part, ids) = (number(part, "part")?, numbers(ids, "ids")?);
        Ok(py.detach(|| self.0.contains(part, &ids)).or_raise(py)?.into_pyarray(py))
    }

    /// Return the ids of the records at these places of a part, as int64.
    fn ids<'py>(
        &self,
        py: Python<'py>,
        part: &Bound<'py, PyAny>,
        places: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let (part, places) = (number(part, "part")?, numbers(places, "places")?);
        let ids = py.detach(|| self.0.ids(part, &places)).or_raise(py)?;
        Ok(ids.into_iter().map(u64::cast_signed).collect::<Vec<_>>().into_pyarray(py))
    }
}

fn numbers(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<u64>> {
    let refused = |value: i64| invalid(values.py(), format!("{name} contains {value}; it must be 0 or more"));
    let number = |value: i64| u64::try_from(value).map_err(|_| refused(value));
    int64s(values, name)?.into_iter().map(number).collect()
}
