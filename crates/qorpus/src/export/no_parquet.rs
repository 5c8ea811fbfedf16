//! `.parquet` in a build without the feature `parquet`: it is refused.

use crate::error::{Error, Result};
use crate::export::format::{ExportSource, Format};
use std::path::Path;

pub(super) fn open<'a>(_: &ExportSource<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    Err(Error::MissingFeature(out.into(), "parquet"))
}
