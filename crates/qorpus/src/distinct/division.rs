//! How a level is divided among processes that share no files, and what each of them does: bytes
//! in, bytes out.
//!
//! A piece is some circuits of the sources, a range some keys, a part those survivors that come
//! from some consecutive circuits. Pieces are read where the corpus is, and expanded anywhere; what
//! comes out belongs to ranges, which are merged anywhere; what survives goes back, part by part
//! and then range by range.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::expand::Parents;
use crate::distinct::phases::PARTS;
use crate::distinct::recording::ORDERED_TOGETHER;
use crate::distinct::rows::{
    self, Candidate, KEY, Keys, ROW, Room, Sweep, Unclear, combine, halves, sort_by_key, sort_by_origin,
};
use crate::distinct::rules::Rules;
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use qorpus_core::{Chunk, ChunkRef, ContentHash, Recipe};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Pieces for each worker, so that all end at about the same time.
const PIECES_EACH: u64 = 4;

/// How the work of a level is divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Division {
    recipe: String,
    sources: Vec<Source>,
    /// Candidates that a process holds.
    at_once: u64,
    /// Circuits of a piece.
    parents: u64,
    /// Ranges of keys, a power of two.
    ranges: u64,
    /// The circuits from which a part comes.
    in_part: u64,
}

/// Some records, and what is done with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    ids: Range<u64>,
    /// Letters that are put to them.
    letters: u32,
    /// Whether they may come out again themselves.
    known: bool,
}

/// What became of a range: its number, the origin of a candidate that is unclear, and how many
/// survivors come from each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) range: u64,
    pub(super) unclear: Option<u64>,
    pub(super) parts: Vec<u64>,
}

/// What a place of the stream of survivors holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Accounts of ranges.
    Accounts,
    /// Survivors of a part, without keys, in the order of their origins.
    Part(usize),
    /// Keys and origins of a range, in the order of the keys.
    Keys(u64),
}

impl Division {
    /// That of the level of `plan`, in which these levels may come out again, among so many
    /// workers.
    pub(super) fn new(
        rules: &Rules,
        plan: &NextLevel,
        met: &[Level],
        at_once: u64,
        workers: u64,
    ) -> Division {
        let source = |(ids, letters): &(Range<u64>, u32)| {
            let known = met.iter().any(|level| level.ids() == *ids);
            Source { ids: ids.clone(), letters: *letters, known }
        };
        let mut sources: Vec<Source> = plan.sources.iter().map(source).collect();
        for level in met.iter().filter(|level| level.records > 0) {
            if sources.iter().all(|source| source.ids != level.ids()) {
                sources.push(Source { ids: level.ids(), letters: 0, known: true });
            }
        }
        let letters = rules.inverses.len() as u64;
        let records: u64 = sources.iter().map(|source| source.ids.end - source.ids.start).sum();
        let known: u64 = met.iter().map(|level| level.records).sum();
        // Some ranges hold a little more than others; of known ones there are only keys.
        let rows = (rules.products(plan) + known / 2) * 9 / 8;
        let in_groups = (at_once / letters / ORDERED_TOGETHER).max(1);
        Division {
            recipe: rules.recipe.to_json(),
            sources,
            at_once,
            parents: (records.div_ceil(workers * PIECES_EACH))
                .clamp(1, (at_once / letters).max(1))
                .max(rules.recipe.chunk_records()),
            ranges: rows.div_ceil(at_once).max(2 * workers).max(PARTS).next_power_of_two(),
            in_part: in_groups * ORDERED_TOGETHER,
        }
    }

    /// It as a text, for [`Worker::new`].
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The number of pieces.
    pub fn pieces(&self) -> usize {
        self.cut().len()
    }

    /// The circuits of each piece, and what is done with them.
    fn cut(&self) -> Vec<(Range<u64>, &Source)> {
        let pieces =
            |source: &Source| next_level::pieces(&[(source.ids.clone(), source.letters)], self.parents);
        let of = self.sources.iter().map(|source| (source, pieces(source)));
        of.flat_map(|(source, pieces)| pieces.into_iter().map(move |(ids, _)| (ids, source))).collect()
    }

    /// The circuits from which each part comes, and the letters.
    pub(super) fn parts(&self) -> Vec<(Range<u64>, u32)> {
        let with_letters = self.sources.iter().filter(|source| source.letters > 0);
        let sources: Vec<_> = with_letters.map(|source| (source.ids.clone(), source.letters)).collect();
        next_level::pieces(&sources, self.in_part)
    }

    pub(super) fn ranges(&self) -> u64 {
        self.ranges
    }

    /// What stands at a place of the stream; `None` for one that there is not.
    pub(super) fn at(&self, place: u64) -> Option<Place> {
        let parts = self.parts().len() as u64;
        match place {
            0 => Some(Place::Accounts),
            place if place <= parts => Some(Place::Part(place as usize - 1)),
            place => Some(place - 1 - parts).filter(|&range| range < self.ranges).map(Place::Keys),
        }
    }
}

impl Account {
    fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.range, self.unclear.unwrap_or(u64::MAX)];
        let numbers = numbers.iter().chain(&self.parts);
        seal(numbers.flat_map(|number| number.to_le_bytes()).collect())
    }

    pub(super) fn open(bytes: &[u8]) -> Result<Account> {
        let (numbers, rest) = open(bytes)?.as_chunks::<8>();
        let [range, unclear, parts @ ..] = numbers else { return Err(damaged("an account is too short")) };
        if !rest.is_empty() {
            return Err(damaged("an account has the wrong size"));
        }
        Ok(Account {
            range: u64::from_le_bytes(*range),
            unclear: Some(u64::from_le_bytes(*unclear)).filter(|&origin| origin != u64::MAX),
            parts: parts.iter().map(|number| u64::from_le_bytes(*number)).collect(),
        })
    }
}

/// Rows that another process has sent, and that are not as it made them.
pub(super) fn damaged(what: &'static str) -> Error {
    Error::Rows(what)
}

/// Bytes that go to another process, with their check behind them.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let check = xxh3_64(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

/// Bytes that come from another process, without their check.
pub(super) fn open(bytes: &[u8]) -> Result<&[u8]> {
    let sealed =
        bytes.split_last_chunk().filter(|(bytes, check)| u64::from_le_bytes(**check) == xxh3_64(bytes));
    sealed.map(|(bytes, _)| bytes).ok_or_else(|| damaged("a check fails"))
}

/// Some records of a chunk on their way, and what is done with them: eight numbers, the content
/// hash, circuits, labels.
struct Parcel<'a> {
    chunk: ChunkRef<'a>,
    ids: Range<u64>,
    letters: u32,
    known: bool,
}

impl<'a> Parcel<'a> {
    const NUMBERS: usize = 8;
    const HEAD: usize = Parcel::NUMBERS * 8 + 16;

    fn pack(chunk: &Chunk, ids: &Range<u64>, source: &Source) -> Vec<u8> {
        let labels = chunk.labels.as_deref().unwrap_or_default();
        let numbers: [u64; Parcel::NUMBERS] = [
            chunk.first_id,
            chunk.count,
            chunk.checksum,
            ids.start,
            ids.end,
            source.letters.into(),
            source.known.into(),
            chunk.circuits.len() as u64,
        ];
        let mut bytes = Vec::with_capacity(Parcel::HEAD + chunk.bytes());
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&chunk.content.to_bytes());
        bytes.extend_from_slice(&chunk.circuits);
        bytes.extend_from_slice(labels);
        seal(bytes)
    }

    fn open(bytes: &'a [u8]) -> Option<Parcel<'a>> {
        let (head, columns) = bytes.split_at_checked(Parcel::HEAD)?;
        let (numbers, content) = head.split_at(Parcel::NUMBERS * 8);
        let numbers: [u64; Parcel::NUMBERS] = std::array::from_fn(|place| {
            numbers[place * 8..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
        });
        let [first_id, count, checksum, start, end, letters, known, circuits] = numbers;
        let (circuits, labels) = columns.split_at_checked(usize::try_from(circuits).ok()?)?;
        let content = ContentHash::from_bytes(content.try_into().ok()?);
        let labels = (!labels.is_empty()).then_some(labels);
        let chunk = ChunkRef { first_id, count, checksum, content, circuits, unitaries: None, labels };
        Some(Parcel { chunk, ids: start..end, letters: u32::try_from(letters).ok()?, known: known == 1 })
    }
}

/// Does what a level consists of, in any process.
pub struct Worker {
    division: Division,
    rules: Rules,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("division", &self.division).finish_non_exhaustive()
    }
}

impl Worker {
    /// One for the division with this text.
    ///
    /// # Errors
    /// [`Error::Rows`] if it is no such text.
    pub fn new(text: &str) -> Result<Worker> {
        let division: Division =
            serde_json::from_str(text).map_err(|_| damaged("the division cannot be read"))?;
        let fits = division.ranges.is_power_of_two() && division.ranges >= PARTS && division.parents > 0;
        if !fits || !division.in_part.is_multiple_of(ORDERED_TOGETHER) || division.in_part == 0 {
            return Err(damaged("the division contradicts itself"));
        }
        let rules = Rules::new(&Recipe::from_json(&division.recipe)?)?;
        Ok(Worker { division, rules })
    }

    /// The number of pieces.
    pub fn pieces(&self) -> usize {
        self.division.pieces()
    }

    /// The circuits of a piece, in parcels: to be called where the corpus is.
    ///
    /// # Errors
    /// There is no such piece, or the file cannot be read.
    pub fn read(&self, path: &Path, piece: usize) -> Result<Vec<Vec<u8>>> {
        let pieces = self.division.cut();
        let (ids, source) = pieces.get(piece).ok_or_else(|| damaged("there is no such piece"))?;
        let mut parcels = Vec::new();
        CorpusFile::open(path)?.chunks_of(ids.clone(), |_, chunk| {
            parcels.push(Parcel::pack(chunk, ids, source));
            Ok(())
        })?;
        Ok(parcels)
    }

    /// What letters make of the circuits in parcels: for each range of keys, rows for
    /// [`merge`](Worker::merge). Takes as much memory as the division allows, and what comes out.
    ///
    /// # Errors
    /// [`Error::Rows`] for what is no parcel, or an exact unitary that overflows.
    pub fn expand(&self, parcels: &[&[u8]]) -> Result<Vec<(u64, Vec<u8>)>> {
        let (mut expander, mut parents) = (self.rules.expander(), Parents::default());
        let (mut room, mut known, mut out) = (Room::default(), Vec::new(), Vec::new());
        for (number, parcel) in parcels.iter().enumerate() {
            let Parcel { chunk, ids, letters, known: may_come_again } = Parcel::open(open(parcel)?)
                .ok_or_else(|| damaged("a parcel of circuits has the wrong size"))?;
            if u64::from(letters) >> self.rules.inverses.len() > 0 {
                return Err(damaged("there are no such letters"));
            }
            parents.take(&self.rules.codec, &chunk).map_err(|_| damaged("a check of circuits fails"))?;
            let rows = parents.rows(&ids);
            if letters > 0 {
                expander.expand(&parents, rows.clone(), letters, &mut room.rows)?;
            }
            if may_come_again {
                expander.same(&parents, rows, &mut known)?;
            }
            let held = (room.rows.len() + known.len()) as u64;
            if held >= self.division.at_once || number + 1 == parcels.len() {
                self.deal(&mut room, &mut known, &mut out);
            }
        }
        Ok(out)
    }

    /// Cuts candidates and known keys into ranges.
    fn deal(
        &self,
        Room { rows: candidates, spare }: &mut Room,
        known: &mut Vec<Candidate>,
        out: &mut Vec<(u64, Vec<u8>)>,
    ) {
        let Rules { layout, bands, .. } = &self.rules;
        sort_by_key(candidates, 0, 0, spare);
        sort_by_key(known, 0, 0, spare);
        // In floating point what is unclear is told where all of a range are together.
        if bands.distinct == 0 {
            let clear = combine(candidates, *bands).is_ok();
            debug_assert!(clear, "exact keys are clear");
        }
        for range in 0..self.division.ranges {
            let keys = Keys::wide(range, self.division.ranges, *bands);
            let (new, old) = (&candidates[keys.within(candidates)], &known[keys.within(known)]);
            let mut bytes = Vec::with_capacity(8 + new.len() * layout.whole().len() + old.len() * KEY + ROW);
            bytes.extend_from_slice(&(new.len() as u64).to_le_bytes());
            layout.append(new, &layout.whole(), &mut bytes);
            layout.append(old, &(0..KEY), &mut bytes);
            out.push((range, seal(bytes)));
        }
        candidates.clear();
        known.clear();
    }

    /// Brings together all rows of a range, and drops what is known. Returns what survives as rows
    /// with their places in the stream that [`enumerate_elsewhere`](crate::enumerate_elsewhere)
    /// takes.
    ///
    /// # Errors
    /// [`Error::Rows`] for what are no rows of this range.
    pub fn merge(&self, range: u64, rows: &[&[u8]]) -> Result<Vec<(u64, Vec<u8>)>> {
        let (Division { ranges, .. }, Rules { layout, bands, .. }) = (&self.division, &self.rules);
        if range >= *ranges {
            return Err(damaged("there is no such range"));
        }
        let keys = Keys::wide(range, *ranges, *bands);
        let (mut room, mut known) = (Room::default(), Vec::new());
        for bytes in rows {
            self.undeal(open(bytes)?, &mut room.rows, &mut known)
                .ok_or_else(|| damaged("rows have the wrong size"))?;
        }
        let Room { rows: candidates, spare } = &mut room;
        let parts = self.division.parts();
        let letters = self.rules.inverses.len() as u64;
        let origins = parts.first().map_or(0, |(ids, _)| ids.start * letters)
            ..parts.last().map_or(0, |(ids, _)| ids.end * letters);
        let fits = |row: &Candidate| keys.contains(row.key[0]) && origins.contains(&row.shortest.origin);
        if !candidates.iter().all(fits) {
            return Err(damaged("rows are of another range"));
        }
        let common = ranges.ilog2() - u32::from(bands.distinct > 0);
        sort_by_key(candidates, keys.start, common, spare);
        // They come in runs that are sorted.
        known.sort();
        let unclear = combine(candidates, *bands).and_then(|()| {
            let mut sweep = Sweep::new(candidates, *bands);
            for key in known {
                if !sweep.meet(key)? {
                    break;
                }
            }
            Ok(())
        });
        let mut account = Account { range, unclear: None, parts: vec![0; parts.len()] };
        if let Err(Unclear(origin)) = unclear {
            account.unclear = Some(origin);
            return Ok(vec![(0, account.to_bytes())]);
        }
        // Neighbours are others' to hand on.
        let shift = u64::BITS - ranges.ilog2();
        candidates.retain(|row| row.shortest.circuits > 0 && row.key[0] >> shift == range);
        let mut out = Vec::new();
        let mut put = |place: u64, bytes: Range<usize>, candidates: &[Candidate]| {
            if !candidates.is_empty() {
                let mut rows = Vec::new();
                layout.append(candidates, &bytes, &mut rows);
                out.push((place, seal(rows)));
            }
        };
        put(1 + parts.len() as u64 + range, layout.keys(), candidates);
        sort_by_origin(candidates, &origins, spare);
        let mut left = &candidates[..];
        for (part, (ids, _)) in parts.iter().enumerate() {
            let end = left.partition_point(|row| row.shortest.origin < ids.end * letters);
            put(1 + part as u64, layout.found(), &left[..end]);
            account.parts[part] = end as u64;
            left = &left[end..];
        }
        out.push((0, account.to_bytes()));
        Ok(out)
    }

    /// Reads what [`deal`](Worker::deal) wrote; `None` if it has another size.
    fn undeal(&self, bytes: &[u8], candidates: &mut Vec<Candidate>, known: &mut Vec<[u64; 2]>) -> Option<()> {
        let layout = self.rules.layout;
        let (new, rest) = bytes.split_first_chunk()?;
        let new = usize::try_from(u64::from_le_bytes(*new)).ok()?.checked_mul(layout.whole().len())?;
        let (new, old) = rest.split_at_checked(new)?;
        candidates.extend(rows::each(new, layout.whole().len())?.map(|row| layout.candidate(&row)));
        known.extend(rows::each(old, KEY)?.map(|row| halves(rows::key(&row))));
        Some(())
    }
}
