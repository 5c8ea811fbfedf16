//! `.parquet` in a build without the feature `parquet`: it is refused.

use crate::error::{Error, Result};
use crate::export::format::{ExportSource, Format};
use std::path::Path;

pub(super) fn open<'a>(_: &ExportSource<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    Err(Error::MissingFeature(out.into(), "parquet"))
}

#[cfg(test)]
mod tests {
    use crate::export::file::export;
    use crate::export::file::tests::{corpus, names, recipes};

    #[test]
    fn the_feature_is_named_and_nothing_is_left() {
        let (directory, corpus) = corpus(&recipes()[0]);
        let out = directory.path().join("x.parquet");
        let error = export(&corpus, &out, &false.into(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("x.parquet") && error.contains("--features parquet"), "{error}");
        assert_eq!(names(&directory), ["c.db"]);
    }
}
