//! The flags of `verify` and `repair`.

#![expect(clippy::doc_markdown, reason = "the doc comment of an argument is its help, not Markdown")]

use clap::Args;
use qorpus::{RepairOptions, VerifyOptions};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Verify {
    /// A corpus file, a directory of shards, or s3://BUCKET/PREFIX
    pub(crate) corpus: PathBuf,
    /// Fraction of the records to recompute, 0 to 1; checksums are always checked
    #[arg(long, value_name = "FRACTION", default_value_t = VerifyOptions::default().sample)]
    sample: f64,
    /// Number of worker threads [default: one per core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<usize>,
    /// Print no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Verify {
    pub(crate) fn options(&self) -> VerifyOptions {
        VerifyOptions { sample: self.sample, jobs: self.jobs }
    }
}

#[derive(Args)]
pub(crate) struct Repair {
    #[command(flatten)]
    pub(crate) verify: Verify,
    /// Directory on a local disk in which shards are built before they are copied to the corpus
    /// [default: CORPUS, or the cache for a bucket]
    ///
    /// Required on network file systems, where SQLite cannot lock files. It needs space for one
    /// shard.
    #[arg(long, value_name = "LOCALDIR")]
    stage: Option<PathBuf>,
}

impl Repair {
    pub(crate) fn options(&self) -> RepairOptions {
        RepairOptions { verify: self.verify.options(), stage: self.stage.clone() }
    }
}
