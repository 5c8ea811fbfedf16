//! Facts about records and their files.

use crate::arguments::given;
use crate::errors::{OrRaise, missing_record};
use crate::ids;
use crate::job::{dictionary, from_json};
use crate::records::Records;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use qorpus_cli::json;
use std::ffi::OsString;

/// The absolute paths of the files, as strings, because a bucket is not a path.
#[pyfunction]
pub(crate) fn paths(records: &Records) -> Vec<OsString> {
    records.reader.iter().flat_map(|reader| reader.paths()).map(Into::into).collect()
}

/// Return the facts of `qorpus info --json`, summed over several files.
#[pyfunction]
pub(crate) fn info<'py>(py: Python<'py>, records: &Records) -> PyResult<Bound<'py, PyDict>> {
    let reader = records.reader(py)?;
    let summary = py.detach(|| reader.summary()).or_raise(py)?;
    let facts = from_json(py, &json::info(reader, &summary, None).to_string())?;
    let unsealed = py.detach(|| reader.unsealed()).or_raise(py)?;
    facts.set_item("unsealed", unsealed.map(|sealed| dictionary(py, sealed)).transpose()?)?;
    facts.del_item("path")?;
    Ok(facts)
}

/// Return the facts of `info` about records and files, without the recipe.
#[pyfunction]
pub(crate) fn summary<'py>(py: Python<'py>, records: &Records) -> PyResult<Bound<'py, PyDict>> {
    let reader = records.reader(py)?;
    let summary = py.detach(|| reader.summary()).or_raise(py)?;
    from_json(py, &json::summary(&summary).to_string())
}

/// Return the ids that exist as ascending ranges; or the `wanted` ids, all of which must exist.
#[pyfunction]
#[pyo3(signature = (records, wanted=None))]
pub(crate) fn present_ranges(
    py: Python<'_>,
    records: &Records,
    wanted: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<(u64, u64)>> {
    let reader = records.reader(py)?;
    let there = py.detach(|| reader.present()).or_raise(py)?;
    let chosen = match given(wanted, "ranges", ids::present)? {
        Some(wanted) => match there.first_without(&wanted) {
            Some(id) => {
                let text = format!("record {id} of the ranges does not exist, or is not generated yet");
                return Err(missing_record(py, text));
            }
            None => wanted,
        },
        None => there,
    };
    Ok(chosen.ranges().iter().map(|ids| (ids.start, ids.end)).collect())
}
