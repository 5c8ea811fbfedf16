//! Sources of records: the file that has a record, or the recipe that computes it.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::corpus::unitary_buffer::UnitaryBufferPool;
use crate::error::{Error, Result};
use crate::read::pooled_file::PooledFile;
use crate::shards::open_pool::OpenShards;
use qorpus_core::Kernel;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug)]
pub(super) enum Source {
    Computed(Kernel, UnitaryBufferPool),
    /// Parts of one recipe: each record is in one of the files.
    Parts(Vec<Arc<PooledFile>>),
    /// Files that follow one another, each with the id of its first record in the sequence.
    Joined(Vec<(u64, Arc<PooledFile>)>),
    /// A directory or bucket of files, each with its range of ids.
    Sharded(Box<OpenShards>),
}

/// A function that reads records of one file, given their ids in the file and their positions in
/// the request.
pub(super) type ReadSome<'r> = dyn FnMut(&CorpusFile, &Ids<'_>, Range<usize>) -> Result<()> + 'r;

impl Source {
    /// Returns the files; none for shards, which are opened when they are needed.
    pub(super) fn files(&self) -> impl Iterator<Item = &PooledFile> {
        let (parts, joined) = match self {
            Source::Computed(..) | Source::Sharded(_) => (&[][..], &[][..]),
            Source::Parts(files) => (&files[..], &[][..]),
            Source::Joined(files) => (&[][..], &files[..]),
        };
        parts.iter().chain(joined.iter().map(|(_, file)| file)).map(|file| &**file)
    }

    /// Returns the file, if there is just one.
    pub(super) fn single_file(&self) -> Option<&PooledFile> {
        let mut files = self.files();
        files.next().filter(|_| files.next().is_none())
    }

    /// Returns the file, or an error if there is not exactly one.
    pub(super) fn only_file(&self) -> Result<&PooledFile> {
        let text = "this operation needs a single file or a sharded corpus; merge the files first";
        self.single_file().ok_or_else(|| Error::Usage(text.into()))
    }

    /// Calls `read` for runs of `ids` in one file. The ids must ascend if there are several files;
    /// chunks have `chunk_records` records.
    pub(super) fn read(&self, ids: &Ids<'_>, chunk_records: u64, read: &mut ReadSome<'_>) -> Result<()> {
        if let Some(file) = self.single_file() {
            return file.with(|corpus| read(corpus, ids, 0..ids.len()));
        }
        match self {
            Source::Computed(..) => Ok(()),
            Source::Sharded(shards) => read_shards(shards, ids, read),
            Source::Parts(files) => read_parts(files, ids, chunk_records, read),
            Source::Joined(files) => read_joined(files, ids, read),
        }
    }
}

fn read_shards(shards: &OpenShards, ids: &Ids<'_>, read: &mut ReadSome<'_>) -> Result<()> {
    let mut start = 0;
    while let Some(first) = ids.at(start) {
        let number = shards.number(first);
        let inside = match ids {
            Ids::Run(_) => {
                let end = (number + 1).saturating_mul(shards.records());
                (ids.len() - start).min(usize::try_from(end - first).unwrap_or(usize::MAX))
            }
            Ids::List(list) => list[start..].iter().take_while(|&&id| shards.number(id) == number).count(),
        };
        let range = start..start + inside;
        start = range.end;
        shards.with(first, |corpus| read(corpus, &ids.part(range.clone()), range.clone()))?;
    }
    Ok(())
}

fn read_parts(
    files: &[Arc<PooledFile>],
    ids: &Ids<'_>,
    chunk_records: u64,
    read: &mut ReadSome<'_>,
) -> Result<()> {
    let mut start = 0;
    for run in ids.list().chunk_by(|a, b| a / chunk_records == b / chunk_records) {
        let range = start..start + run.len();
        start = range.end;
        let mut found = Ok(());
        for file in files {
            found = file.with(|corpus| read(corpus, &Ids::List(run), range.clone()));
            if !matches!(found, Err(Error::NotYet { .. })) {
                break;
            }
        }
        found?;
    }
    Ok(())
}

fn read_joined(files: &[(u64, Arc<PooledFile>)], ids: &Ids<'_>, read: &mut ReadSome<'_>) -> Result<()> {
    let (mut start, ids) = (0, ids.list());
    for (place, (first, file)) in files.iter().enumerate() {
        let end = files.get(place + 1).map_or(u64::MAX, |(next, _)| *next);
        let inside = ids[start..].partition_point(|&id| id < end);
        if inside > 0 {
            let range = start..start + inside;
            start = range.end;
            let own: Vec<u64> = ids[range.clone()].iter().map(|id| id - first).collect();
            file.with(|corpus| read(corpus, &Ids::List(&own), range))?;
        }
    }
    Ok(())
}
