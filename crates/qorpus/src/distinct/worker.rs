//! A remote worker, which expands and merges a level's candidates as bytes.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::candidate::{Candidate, KeyRanges, halves};
use crate::distinct::context::Context;
use crate::distinct::dedup::{Ambiguous, Judgement, KnownKeySweep, dedup_sorted};
use crate::distinct::frontier::Frontier;
use crate::distinct::messages::{
    FrontierRange, RangeSummary, pack_chunk, unpack_chunk, with_checksum, without_checksum,
};
use crate::distinct::partition::Partition;
use crate::distinct::radix_sort::{SortBuffer, sort_by_key, sort_by_origin};
use crate::distinct::row_format::{self, KEY_BYTES, ROW_BYTES};
use crate::error::{Error, Result};
use qorpus_core::Recipe;
use std::ops::Range;
use std::path::Path;

/// A worker of a partition, in any process.
#[derive(Debug)]
pub struct RemoteWorker {
    partition: Partition,
    context: Context,
}

impl RemoteWorker {
    /// Creates a worker from the text of a [`Partition`].
    ///
    /// # Errors
    /// [`Error::Rows`] if the text is not a partition.
    pub fn new(text: &str) -> Result<RemoteWorker> {
        let partition = Partition::from_json(text)?;
        let context = Context::new(&Recipe::from_json(&partition.recipe)?)?;
        Ok(RemoteWorker { partition, context })
    }

    /// Returns the number of pieces.
    pub fn pieces(&self) -> usize {
        self.partition.pieces().len()
    }

    /// Reads the circuits of a piece, in parcels. Call on a machine with the corpus.
    ///
    /// # Errors
    /// The piece does not exist, or the file cannot be read.
    pub fn read(&self, path: &Path, piece: usize) -> Result<Vec<Vec<u8>>> {
        let pieces = self.partition.pieces();
        let piece = pieces.get(piece).ok_or(Error::Rows("there is no such piece"))?;
        let mut parcels = Vec::new();
        CorpusFile::open(path)?.visit_chunks(piece.ids.clone(), |_, chunk| {
            parcels.push(pack_chunk(piece, chunk));
            Ok(())
        })?;
        Ok(parcels)
    }

    /// Expands the circuits in parcels. Returns rows for each range of keys, for
    /// [`merge`](RemoteWorker::merge). Takes as much memory as the partition allows, and the memory
    /// of the rows.
    ///
    /// # Errors
    /// [`Error::Rows`] for bytes that are not a parcel, or an exact unitary that overflows.
    pub fn expand(&self, parcels: &[&[u8]]) -> Result<Vec<(u64, Vec<u8>)>> {
        let (mut expander, mut frontier) = (self.context.expander(), Frontier::default());
        let (mut buffer, mut known, mut out) = (SortBuffer::default(), Vec::new(), Vec::new());
        for (number, parcel) in parcels.iter().enumerate() {
            let (FrontierRange { ids, letters, is_known }, chunk) = unpack_chunk(parcel)?;
            if u64::from(letters) >> self.context.letter_count() > 0 {
                return Err(Error::Rows("there are no such letters"));
            }
            frontier
                .decode(&self.context.codec, &chunk)
                .map_err(|_| Error::Rows("a checksum of circuits does not match"))?;
            frontier.select(&ids);
            if letters > 0 {
                expander.expand(&frontier, letters, &mut buffer.rows)?;
            }
            if is_known {
                expander.expand(&frontier, 0, &mut known)?;
            }
            let held = (buffer.rows.len() + known.len()) as u64;
            if held >= self.partition.max_candidates || number + 1 == parcels.len() {
                self.write_ranges(&mut buffer, &mut known, &mut out);
            }
        }
        Ok(out)
    }

    fn ranges(&self) -> KeyRanges {
        self.context.key_ranges(self.partition.ranges)
    }

    /// Moves candidates and known keys to messages, one for each range.
    fn write_ranges(
        &self,
        SortBuffer { rows: candidates, spare }: &mut SortBuffer,
        known: &mut Vec<Candidate>,
        out: &mut Vec<(u64, Vec<u8>)>,
    ) {
        let Context { format, tolerance, .. } = &self.context;
        sort_by_key(candidates, 0, 0, spare);
        sort_by_key(known, 0, 0, spare);
        // Floating-point candidates are compared where all candidates of a range are together.
        if tolerance.distinct == 0 {
            let is_clear = dedup_sorted(candidates, *tolerance).is_ok();
            debug_assert!(is_clear, "exact keys are never ambiguous");
        }
        for range in 0..self.partition.ranges {
            let keys = self.ranges().with_margin(range);
            let (new, old) = (&candidates[keys.of_sorted(candidates)], &known[keys.of_sorted(known)]);
            let row_bytes = new.len() * format.full().len() + old.len() * KEY_BYTES;
            let mut bytes = Vec::with_capacity(8 + row_bytes + ROW_BYTES);
            bytes.extend_from_slice(&(new.len() as u64).to_le_bytes());
            format.append(new, &format.full(), &mut bytes);
            format.append(old, &(0..KEY_BYTES), &mut bytes);
            out.push((range, with_checksum(bytes)));
        }
        candidates.clear();
        known.clear();
    }

    /// Splits a message of a range into candidates and known keys; `None` if it is too short.
    fn split_range<'b>(&self, bytes: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
        let (new, rest) = bytes.split_first_chunk()?;
        let new = usize::try_from(u64::from_le_bytes(*new)).ok()?;
        rest.split_at_checked(new.checked_mul(self.context.format.full().len())?)
    }

    /// Merges all rows of a range, and drops unitaries of earlier levels. Returns the survivors'
    /// rows with their places in the stream for [`enumerate_remote`](crate::enumerate_remote).
    ///
    /// # Errors
    /// [`Error::Rows`] for bytes that are not rows of this range.
    pub fn merge(&self, range: u64, rows: &[&[u8]]) -> Result<Vec<(u64, Vec<u8>)>> {
        if range >= self.partition.ranges {
            return Err(Error::Rows("there is no such range"));
        }
        let (format, mut buffer, mut known) = (self.context.format, SortBuffer::default(), Vec::new());
        for bytes in rows {
            let (new, old) =
                self.split_range(without_checksum(bytes)?).ok_or(Error::Rows("rows have the wrong size"))?;
            let new = row_format::rows(new, format.full().len())?;
            buffer.rows.extend(new.map(|row| format.candidate(&row)));
            known.extend(row_format::rows(old, KEY_BYTES)?.map(|row| halves(row_format::key(&row))));
        }
        let SortBuffer { rows: candidates, spare } = &mut buffer;
        let (ranges, parts) = (self.ranges(), self.partition.parts());
        let keys = ranges.with_margin(range);
        let ids = parts.first().map_or(0, |(ids, _)| ids.start)..parts.last().map_or(0, |(ids, _)| ids.end);
        let origins = self.context.origins(&ids);
        let fits = |row: &Candidate| keys.contains(row.key[0]) && origins.contains(&row.shortest.origin);
        if !candidates.iter().all(fits) {
            return Err(Error::Rows("rows belong to another range"));
        }
        sort_by_key(candidates, keys.start, ranges.common_zeros(), spare);
        // Each message is a sorted run.
        known.sort();
        let mut summary = RangeSummary { range, ambiguous: None, parts: vec![0; parts.len()] };
        if let Err(Ambiguous(origin)) = self.dedup(candidates, known) {
            summary.ambiguous = Some(origin);
            return Ok(vec![(0, summary.pack())]);
        }
        // Candidates of the margin belong to other ranges.
        candidates.retain(|row| row.shortest.circuits > 0 && ranges.of(row.key[0]) == range);
        let mut out = Vec::new();
        let mut put = |place: u64, columns: Range<usize>, candidates: &[Candidate]| {
            if !candidates.is_empty() {
                let mut rows = Vec::new();
                format.append(candidates, &columns, &mut rows);
                out.push((place, with_checksum(rows)));
            }
        };
        put(1 + parts.len() as u64 + range, format.keys(), candidates);
        sort_by_origin(candidates, &origins, |row| row.shortest.origin, spare);
        let mut left = &candidates[..];
        for (part, (ids, _)) in parts.iter().enumerate() {
            let end = left.partition_point(|row| row.shortest.origin < self.context.origins(ids).end);
            put(1 + part as u64, format.survivors(), &left[..end]);
            summary.parts[part] = end as u64;
            left = &left[end..];
        }
        out.push((0, summary.pack()));
        Ok(out)
    }

    /// Merges equal candidates and marks candidates with known keys; both are sorted by key.
    fn dedup(&self, candidates: &mut Vec<Candidate>, known: Vec<[u64; 2]>) -> Judgement<()> {
        dedup_sorted(candidates, self.context.tolerance)?;
        let mut sweep = KnownKeySweep::new(candidates, self.context.tolerance);
        for key in known {
            if !sweep.meet(key)? {
                break;
            }
        }
        Ok(())
    }
}
