//! Splits by unitary: the side of each record, one bit each, in a temporary file.

use crate::distinct::parallel::{Threads, parallel};
use crate::error::{Error, Result, io};
use crate::options::job::threads;
use crate::qubit_order::Order;
use crate::read::corpus::Corpus;
use crate::read::present::Present;
use bytemuck::cast_slice;
use qorpus_core::{Dtype, UnitarySplit};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records of a block.
const BLOCK_RECORDS: u64 = 1 << 15;
const BLOCK_BYTES: usize = (BLOCK_RECORDS / 8) as usize;

/// The bytes of unitaries that a thread reads at once: one on eight qubits, which takes a few
/// milliseconds to compute.
const PIECE_BYTES: usize = 1 << 20;

/// The records of a reader, split by their unitaries.
///
/// Finding the sides takes one pass over all records. Each record takes a bit for each part, in a
/// temporary file without a name, and 8 bytes of memory for 32,768 records. With `among`, records
/// are counted by their positions in it. Records that come later are read when they are requested;
/// no record changes its side.
#[derive(Debug)]
pub struct UnitaryParts {
    reader: Arc<Corpus>,
    /// The records that are split; `None` means all.
    among: Option<Present>,
    split: UnitarySplit,
    parts: Vec<SidePart>,
    counts: Mutex<SideCounts>,
}

/// A part: some thousandths of all unitaries.
#[derive(Debug)]
struct SidePart {
    sides: Range<u16>,
    /// The bits of the records, block by block.
    bits: File,
}

/// The counts of the records that were read so far.
#[derive(Debug, Default)]
struct SideCounts {
    records: u64,
    /// For each part, the number of records before each block, and in total.
    before: Vec<Vec<u64>>,
}

impl UnitaryParts {
    /// Creates the parts with these sides, of 1000, of all records or of those `among` some. Reads
    /// no records yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for records without unitaries, and for complex64 unitaries that are
    /// Haar-random, or of gates with free angles or without a matrix: they are not precise enough.
    /// Another error if a temporary file cannot be created.
    pub fn new(
        reader: Arc<Corpus>,
        among: Option<Present>,
        sides: Vec<Range<u16>>,
        seed: u64,
    ) -> Result<UnitaryParts> {
        if !reader.recipe().has_unitaries() {
            let text = "records on more than 8 qubits are not split by unitary, because they have none; no two have equal \
                        tableaus, so split by id";
            return Err(Error::Usage(text.into()));
        }
        let split = UnitarySplit::new(reader.recipe(), seed);
        if split.needs_unitaries() && reader.recipe().dtype() == Dtype::Complex64 {
            let text = "complex64 unitaries are too imprecise to be split by unitary if they are Haar-random, or gates \
                        have free angles or no matrix; split by id, or use complex128";
            return Err(Error::Usage(text.into()));
        }
        let before = vec![vec![0]; sides.len()];
        let part = |sides| {
            let directory = std::env::temp_dir();
            let bits =
                tempfile::tempfile_in(&directory).map_err(io(&directory, "create a temporary file in it"))?;
            Ok(SidePart { sides, bits })
        };
        let parts = sides.into_iter().map(part).collect::<Result<_>>()?;
        Ok(UnitaryParts {
            reader,
            among,
            split,
            parts,
            counts: Mutex::new(SideCounts { records: 0, before }),
        })
    }

    /// Returns whether unitaries are compared exactly. If not, a few records may be in no part.
    pub fn is_exact(&self) -> bool {
        self.split.is_exact()
    }

    /// Reads the records below `len` that were not read yet, on all cores, until `stop` is set;
    /// `report` is called with the number of finished records about twenty times a second. Returns
    /// false if it was stopped.
    ///
    /// # Errors
    /// A record cannot be read or is not generated yet, or the temporary file cannot be written.
    pub fn update(&self, len: u64, stop: &AtomicBool, report: &mut dyn FnMut(u64)) -> Result<bool> {
        let mut counts = self.counts();
        if len <= counts.records {
            return Ok(true);
        }
        let first = counts.records / BLOCK_RECORDS;
        for before in &mut counts.before {
            // The last block may have been incomplete.
            before.truncate(first as usize + 1);
        }
        let (begin, step) = (first * BLOCK_RECORDS, self.piece_records());
        let places = |piece: usize| {
            let start = begin + piece as u64 * step;
            start..len.min(start + step)
        };
        let work = |(): &mut (), piece: usize| self.sides(places(piece));
        let (done, reached) = (std::cell::Cell::new(begin), std::cell::Cell::new(begin));
        let mut bits = self.no_bits();
        let mut finish = |piece: usize, sides: Vec<Option<u16>>| {
            let places = places(piece);
            self.put(places.start % BLOCK_RECORDS, &sides, &mut bits);
            reached.set(places.end);
            if places.end.is_multiple_of(BLOCK_RECORDS) || places.end == len {
                let bits = std::mem::replace(&mut bits, self.no_bits());
                self.write(places.start / BLOCK_RECORDS, &bits, &mut counts.before)?;
                done.set(places.end);
            }
            Ok(())
        };
        let pieces = (len - begin).div_ceil(step) as usize;
        let jobs = Threads::new(threads(None)?, stop);
        let result = parallel(jobs, pieces, &|| Ok(()), &work, &mut finish, &mut || report(reached.get()));
        // A block that is not complete is read again.
        counts.records = done.get();
        result
    }

    /// Returns the number of records whose sides are found at once: it divides a block.
    fn piece_records(&self) -> u64 {
        if !self.split.needs_unitaries() {
            return BLOCK_RECORDS;
        }
        // A power of two, as the bytes of a unitary are.
        (PIECE_BYTES / self.reader.unitary_bytes()).clamp(1, BLOCK_RECORDS as usize) as u64
    }

    /// Returns the bits of each part of a block, in which no record is.
    fn no_bits(&self) -> Vec<Vec<u8>> {
        vec![vec![0; BLOCK_BYTES]; self.parts.len()]
    }

    /// Puts records with these sides, from place `first` of a block on, into the parts.
    fn put(&self, first: u64, sides: &[Option<u16>], bits: &mut [Vec<u8>]) {
        for (part, bits) in self.parts.iter().zip(bits) {
            for (place, side) in (first as usize..).zip(sides) {
                let is_inside = side.is_some_and(|side| part.sides.contains(&side));
                bits[place / 8] |= u8::from(is_inside) << (place % 8);
            }
        }
    }

    /// Writes the bits of a block, and adds their counts.
    fn write(&self, block: u64, bits: &[Vec<u8>], before: &mut [Vec<u64>]) -> Result<()> {
        for ((part, bits), before) in self.parts.iter().zip(bits).zip(before) {
            let path = std::env::temp_dir();
            let written = part.bits.write_all_at(bits, block * BLOCK_BYTES as u64);
            written.map_err(io(&path, "write a temporary file in it"))?;
            before.push(before[block as usize] + ones(bits));
        }
        Ok(())
    }

    /// Returns the number of records below `len` in a part. All of them must have been read by
    /// [`update`](UnitaryParts::update).
    pub fn count(&self, part: usize, len: u64) -> Result<u64> {
        let before = self.counts().before[part][(len / BLOCK_RECORDS) as usize];
        match len % BLOCK_RECORDS {
            0 => Ok(before),
            rest => {
                let bits = self.bits(part, len / BLOCK_RECORDS)?;
                Ok(before + (0..rest).filter(|&record| has(&bits, record)).count() as u64)
            }
        }
    }

    /// Returns whether each of these records is in a part. All of them must have been read by
    /// [`update`](UnitaryParts::update).
    pub fn contains(&self, part: usize, ids: &[u64]) -> Result<Vec<bool>> {
        let mut last = None;
        ids.iter()
            .map(|id| Ok(has(self.block_bits(part, id / BLOCK_RECORDS, &mut last)?, id % BLOCK_RECORDS)))
            .collect()
    }

    /// Returns the ids of the records at these positions of a part, which must exist; they ascend
    /// with the positions.
    ///
    /// # Panics
    /// If there is no such position.
    pub fn ids(&self, part: usize, places: &[u64]) -> Result<Vec<u64>> {
        let (counts, mut last) = (self.counts(), None);
        let before = &counts.before[part];
        let id = |&place: &u64| {
            let block = before.partition_point(|&before| before <= place) as u64 - 1;
            let bits = self.block_bits(part, block, &mut last)?;
            Ok(block * BLOCK_RECORDS + select(bits, place - before[block as usize]))
        };
        places.iter().map(id).collect()
    }

    fn counts(&self) -> MutexGuard<'_, SideCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bits of a block; `last` caches the previous one.
    fn block_bits<'l>(
        &self,
        part: usize,
        block: u64,
        last: &'l mut Option<(u64, Vec<u8>)>,
    ) -> Result<&'l [u8]> {
        let known = last.take().filter(|(of, _)| *of == block);
        let known = known.map_or_else(|| Ok((block, self.bits(part, block)?)), Ok::<_, Error>)?;
        Ok(&last.insert(known).1)
    }

    fn bits(&self, part: usize, block: u64) -> Result<Vec<u8>> {
        let mut bits = vec![0; BLOCK_BYTES];
        let read = self.parts[part].bits.read_exact_at(&mut bits, block * BLOCK_BYTES as u64);
        read.map_err(io(&std::env::temp_dir(), "read a temporary file in it"))?;
        Ok(bits)
    }

    /// Returns the sides of the records at these places.
    fn sides(&self, places: Range<u64>) -> Result<Vec<Option<u16>>> {
        let mut sides = Vec::with_capacity((places.end - places.start) as usize);
        let runs = match &self.among {
            None => vec![places],
            Some(present) => present.at(places),
        };
        for ids in runs {
            if self.split.needs_unitaries() {
                let size = self.reader.unitary_bytes();
                let mut unitaries = vec![0; (ids.end - ids.start) as usize * size];
                self.reader.unitaries(ids, Order::Big, &mut unitaries)?;
                let side = |bytes| self.split.side_of_unitary(&Dtype::Complex128.decode(bytes));
                sides.extend(unitaries.chunks_exact(size).map(side));
            } else {
                for circuit in self.reader.circuits(ids)?.iter() {
                    sides.push(self.split.side(circuit)?);
                }
            }
        }
        Ok(sides)
    }
}

fn ones(bits: &[u8]) -> u64 {
    cast_slice::<u8, [u8; 8]>(bits).iter().map(|&word| u64::from(u64::from_le_bytes(word).count_ones())).sum()
}

fn has(bits: &[u8], record: u64) -> bool {
    bits[(record / 8) as usize] >> (record % 8) & 1 == 1
}

/// Returns the record of the part that has `before` others of it before it in its block.
fn select(bits: &[u8], mut before: u64) -> u64 {
    for (number, word) in cast_slice::<u8, [u8; 8]>(bits).iter().enumerate() {
        let mut word = u64::from_le_bytes(*word);
        let count = u64::from(word.count_ones());
        if before < count {
            (0..before).for_each(|_| word &= word - 1);
            return number as u64 * 64 + u64::from(word.trailing_zeros());
        }
        before -= count;
    }
    // The counts say that it exists; if they were wrong, this is beyond the block.
    BLOCK_RECORDS
}
