//! The codec: records to the bytes of a chunk and back. `docs/format.md` is the specification.
//!
//! Circuits are packed in blocks of 64, and unitaries are a plain array. A list of checks, one a
//! block, ends each column, so that reading one record checks about a kilobyte and not the whole
//! chunk.

pub(crate) mod chunk;
pub(crate) mod circuits;
pub(crate) mod column;
pub(crate) mod content_hash;
pub(crate) mod free_angles;
pub(crate) mod labels;
pub(crate) mod layout;
pub(crate) mod unitaries;

use crate::circuit::Circuits;
use crate::codec::chunk::{Chunk, ChunkRef, ChunkSpan, Damage, Decoded};
use crate::codec::content_hash::ContentHash;
use crate::codec::labels::PackedLabels;
use crate::codec::layout::{BLOCK_CIRCUITS, CHECK_BYTES, Codec};
use crate::labels::builder::Labels;
use num_complex::Complex64;
use std::ops::Range;
use twox_hash::XxHash3_64;

impl Codec {
    /// Encodes `circuits`, whose ids count up from `first_id`, with their `unitaries`, which must
    /// be empty if the recipe stores none.
    ///
    /// # Panics
    /// If there are not exactly as many unitaries as circuits when the recipe stores them.
    pub fn encode(&self, first_id: u64, circuits: &Circuits, unitaries: &[Complex64], chunk: &mut Chunk) {
        let mut bytes = Vec::new();
        if let Some(dtype) = self.stored {
            let plain_bytes = circuits.len() * self.unitary_bytes();
            bytes.reserve_exact(plain_bytes + plain_bytes.div_ceil(self.block_bytes()) * CHECK_BYTES);
            dtype.encode(unitaries, &mut bytes);
        }
        self.encode_stored(first_id, circuits, bytes, chunk);
    }

    /// Adds the labels of the records `rows` to a chunk that holds these records.
    ///
    /// # Panics
    /// If the recipe has no labels, or the chunk another number of records.
    pub fn encode_labels(&self, labels: &Labels, rows: Range<usize>, chunk: &mut Chunk) {
        assert!(self.labelled && rows.len() as u64 == chunk.count, "labels for each record");
        self.seal_labels(labels::encode(labels, rows), chunk);
    }

    /// Adds labels that every record of a chunk has, by name.
    ///
    /// # Panics
    /// If the recipe has no labels, or a label has another number of values than the chunk has
    /// records, or the names do not ascend.
    pub fn encode_numbers(&self, labels: &[(&str, &[u32])], chunk: &mut Chunk) {
        assert!(self.labelled && labels.is_sorted_by(|one, next| one.0 < next.0), "labels in order");
        let mut column = Vec::new();
        for (name, values) in labels {
            assert_eq!(values.len() as u64, chunk.count, "labels for each record");
            labels::encode_numbers(name, values, &mut column);
        }
        self.seal_labels(column, chunk);
    }

    fn seal_labels(&self, mut column: Vec<u8>, chunk: &mut Chunk) {
        chunk.labels = (!column.is_empty()).then(|| {
            let check = self.labels_check(chunk.first_id, &column);
            column.extend_from_slice(&check.to_le_bytes());
            column
        });
        chunk.checksum = self.checksum(&chunk.as_ref()).unwrap_or_default();
    }

    /// Encodes as [`encode`](Codec::encode) does, from unitaries that are already in their stored
    /// form.
    ///
    /// # Panics
    /// If there are not exactly as many unitaries as circuits when the recipe stores them.
    pub fn encode_stored(&self, first_id: u64, circuits: &Circuits, unitaries: Vec<u8>, chunk: &mut Chunk) {
        chunk.first_id = first_id;
        chunk.count = circuits.len() as u64;
        chunk.labels = None;
        self.encode_circuits(first_id, circuits, &mut chunk.circuits);
        chunk.unitaries = self.stored.map(|_| {
            let mut column = unitaries;
            assert_eq!(column.len(), circuits.len() * self.unitary_bytes, "one unitary for each circuit");
            self.append_unitaries_checks(first_id, &mut column);
            column
        });
        chunk.content = self.content(first_id, circuits, chunk.unitaries.as_deref().unwrap_or_default());
        chunk.checksum = self.checksum(&chunk.as_ref()).unwrap_or_default();
    }

    /// Checks every byte of a chunk and replaces the contents of `circuits` by its circuits.
    ///
    /// # Errors
    /// The damage that was found; then the contents of `circuits` are undefined.
    pub fn decode(&self, chunk: &ChunkRef<'_>, circuits: &mut Circuits) -> Decoded<()> {
        self.decode_unhashed(chunk, circuits)?;
        let unitaries = self.unitaries(chunk, 0..chunk.count as usize)?;
        if self.content(chunk.first_id, circuits, unitaries) != chunk.content {
            return Err(Damage::Content);
        }
        Ok(())
    }

    /// Decodes as [`decode`](Codec::decode) does, but does not compute the content hash: all bytes
    /// are checked, but not whether the chunk was written with the hash of other records.
    ///
    /// # Errors
    /// The damage that was found; then the contents of `circuits` are undefined.
    pub fn decode_unhashed(&self, chunk: &ChunkRef<'_>, circuits: &mut Circuits) -> Decoded<()> {
        if self.checksum(chunk)? != chunk.checksum {
            return Err(Damage::Checksum);
        }
        self.decode_circuits(chunk, circuits)?;
        self.labels(chunk.span(), chunk.labels)?.check()?;
        self.unitaries(chunk, 0..chunk.count as usize).map(drop)
    }

    /// Checks the column of labels of a chunk and returns the labels.
    ///
    /// # Errors
    /// The damage that was found.
    pub fn labels<'a>(&self, span: ChunkSpan, column: Option<&'a [u8]>) -> Decoded<PackedLabels<'a>> {
        let Some(column) = column else { return Ok(PackedLabels::default()) };
        let records = usize::try_from(span.count).map_err(|_| Damage::Labels)?;
        let (bytes, check) = column.split_last_chunk().ok_or(Damage::Size("labels"))?;
        if !self.labelled {
            return Err(Damage::Labels);
        }
        if u64::from_le_bytes(*check) != self.labels_check(span.first_id, bytes) {
            return Err(Damage::Block { column: "labels", block: 0 });
        }
        PackedLabels::new(bytes, records)
    }

    fn checksum(&self, chunk: &ChunkRef<'_>) -> Decoded<u64> {
        let mut sealed = Vec::with_capacity(4096);
        sealed.extend_from_slice(&chunk.first_id.to_le_bytes());
        sealed.extend_from_slice(&chunk.count.to_le_bytes());
        sealed.extend_from_slice(&chunk.content.to_bytes());
        sealed.extend_from_slice(self.entries(chunk)?.1);
        match (chunk.unitaries, self.stored) {
            (None, None) => {}
            (Some(column), Some(_)) => {
                self.check_unitaries_len(chunk.count, column.len())?;
                sealed.extend_from_slice(&column[chunk.count as usize * self.unitary_bytes..]);
            }
            _ => return Err(Damage::Size("unitaries")),
        }
        if let Some(labels) = chunk.labels {
            sealed.extend_from_slice(labels.last_chunk::<CHECK_BYTES>().ok_or(Damage::Size("labels"))?);
        }
        Ok(XxHash3_64::oneshot_with_seed(self.seed, &sealed))
    }

    fn content(&self, first_id: u64, circuits: &Circuits, unitaries: &[u8]) -> ContentHash {
        // Ids, codes and entries all consist of words of 8 bytes.
        let mut words = Vec::<u64>::new();
        let mut content = ContentHash::default();
        let code = |&letter: &u16| self.codes[usize::from(letter)];
        if self.stored.is_some() || self.free_angles.are_stored() || self.drawn_code.is_some() {
            let size = self.unitary_bytes();
            for (position, circuit) in circuits.iter().enumerate() {
                words.clear();
                words.push(first_id + position as u64);
                words.extend(circuit.iter().map(code));
                words.extend(self.drawn_code);
                if self.free_angles.are_stored() {
                    words.extend(circuits.angles(position).iter().map(|angle| angle.to_bits()));
                }
                let (unitary, _) = unitaries[position * size..][..size].as_chunks();
                words.extend(unitary.iter().map(|word| u64::from_le_bytes(*word)));
                content += ContentHash::of_record(bytemuck::cast_slice(&words));
            }
            return content;
        }
        for start in (0..circuits.len()).step_by(BLOCK_CIRCUITS) {
            let records = start..circuits.len().min(start + BLOCK_CIRCUITS);
            // One loop over the letters of many records: its end is predicted better than the ends
            // of short loops.
            words.clear();
            words.push(0);
            words.extend(circuits.letters(records.clone()).iter().map(code));
            let mut begin = 0;
            for record in records {
                let end = begin + circuits.get(record).len();
                // In place of the last code of the previous record, which has been hashed.
                words[begin] = first_id + record as u64;
                content += ContentHash::of_record(bytemuck::cast_slice(&words[begin..=end]));
                begin = end;
            }
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::codec::layout::{ENTRY_BYTES, copying};
    use crate::kernel::Scratch;
    use crate::recipe::Recipe;
    use crate::recipe::dtype::Dtype;
    use crate::space::Space;
    use proptest::prelude::*;

    struct Case {
        recipe: Recipe,
        codec: Codec,
        circuits: Circuits,
        unitaries: Vec<Complex64>,
        chunk: Chunk,
    }

    /// The records 5.. of a space of five more than `count`, as a chunk.
    fn chunked(alphabet: Alphabet, space: Space, count: u64, stored: Option<Dtype>) -> Case {
        let size = alphabet.dim() * alphabet.dim();
        let recipe = Recipe::new(alphabet, space, stored.unwrap_or(Dtype::Complex128), stored.is_some());
        let (codec, circuits) = (Codec::new(&recipe), recipe.space().listed(5..count + 5));
        let (mut chunk, mut unitaries) = (Chunk::default(), Vec::new());
        if stored.is_some() {
            unitaries.resize(circuits.len() * size, Complex64::ZERO);
            recipe.kernel().unitaries(&circuits, &mut Scratch::default(), &mut unitaries);
        }
        codec.encode(5, &circuits, &unitaries, &mut chunk);
        Case { recipe, codec, circuits, unitaries, chunk }
    }

    /// The records 5.. of a random space, as a chunk.
    fn case(
        gates: &str,
        qubits: usize,
        count: u64,
        (min, max): (usize, usize),
        stored: Option<Dtype>,
    ) -> Case {
        let alphabet = Alphabet::of(gates, qubits);
        let space = Space::random(&alphabet, count + 5, 3, min, max).unwrap();
        chunked(alphabet, space, count, stored)
    }

    /// Returns a case of the same records, appended, so that their angles are stored.
    fn appended(case: Case) -> Case {
        let Case { recipe, circuits, unitaries, mut chunk, .. } = case;
        let (alphabet, dtype) = (recipe.alphabet().clone(), recipe.dtype());
        let space = Space::appended(&alphabet);
        let recipe = Recipe::new(alphabet, space, dtype, recipe.stores_unitaries());
        let codec = Codec::new(&recipe);
        codec.encode(5, &circuits, &unitaries, &mut chunk);
        Case { recipe, codec, circuits, unitaries, chunk }
    }

    fn comes_back(case: &Case) {
        let chunk = case.chunk.as_ref();
        let [mut decoded, mut singles] = [(); 2].map(|()| Circuits::default());
        case.codec.decode(&chunk, &mut decoded).unwrap();
        assert_eq!(decoded, case.circuits);
        let letters = case.circuits.letters(0..case.circuits.len()).len();
        let most = case.codec.columns_bytes(case.circuits.len(), letters, case.circuits.all_angles().len());
        let bytes = chunk.circuits.len() + chunk.unitaries.map_or(0, <[u8]>::len);
        assert!((0..=case.circuits.len().div_ceil(BLOCK_CIRCUITS)).contains(&(most - bytes)));
        for position in 0..case.circuits.len() {
            case.codec.circuit(&chunk, position, &mut singles).unwrap();
            let bytes = case.codec.unitaries(&chunk, position..position + 1).unwrap();
            let dtype = case.recipe.dtype();
            let size = bytes.len() / dtype.bytes();
            let entries = &case.unitaries[position * size..][..size];
            let mut expected = Vec::new();
            dtype.encode(entries, &mut expected);
            let same = bytes == expected && (dtype == Dtype::Complex64 || dtype.decode(bytes) == entries);
            assert!(same, "unitary {position}");
        }
        assert_eq!(singles, case.circuits);
        let count = case.circuits.len();
        let positions: Vec<usize> = (0..count).step_by(3).chain((0..count).rev()).collect();
        let (span, len, buffer) = (chunk.span(), chunk.circuits.len(), &mut Vec::new());
        let mut fetch = copying(chunk.circuits);
        let mut found = Circuits::default();
        case.codec.circuits_at(span, len, &positions, buffer, &mut fetch, &mut found).unwrap();
        assert!(found.iter().eq(positions.iter().map(|&position| case.circuits.get(position))));
        let angles = positions.iter().map(|&position| case.circuits.angles(position));
        assert!((0..found.len()).map(|index| found.angles(index)).eq(angles));
        for run in [0..count, 0..1, count / 3..count, count / 2..count / 2, count / 5..count.div_ceil(2)] {
            found.clear();
            case.codec.circuits_in(span, len, run.clone(), buffer, &mut fetch, &mut found).unwrap();
            assert!(found.iter().eq(run.clone().map(|position| case.circuits.get(position))));
            let angles = run.map(|position| case.circuits.angles(position));
            assert!((0..found.len()).map(|index| found.angles(index)).eq(angles));
        }
    }

    /// The records 5.. of a space of Haar-random unitaries, as a chunk.
    fn haar_case(qubits: usize, count: u64, stored: Option<Dtype>) -> Case {
        let alphabet = Space::alphabet_of_haar(qubits).unwrap();
        let space = Space::haar(&alphabet, count + 5, 3).unwrap();
        chunked(alphabet, space, count, stored)
    }

    /// Records without circuits take no room beside their unitaries, and come back with their ids.
    #[test]
    fn records_without_circuits_come_back() {
        for (qubits, stored) in [(1, Some(Dtype::Complex128)), (2, Some(Dtype::Complex64)), (8, None)] {
            let case = haar_case(qubits, 200, stored);
            comes_back(&case);
            assert_eq!(case.chunk.circuits.len(), 4 * ENTRY_BYTES);
            let mut found = Circuits::default();
            case.codec.decode(&case.chunk.as_ref(), &mut found).unwrap();
            assert_eq!(found.all_drawn(), Some(&(5..205).collect::<Vec<u64>>()[..]));
            found.clear();
            let (span, len) = (case.chunk.as_ref().span(), case.chunk.circuits.len());
            let mut fetch = copying(&case.chunk.circuits);
            let (positions, buffer) = ([3, 199, 64, 0, 3], &mut Vec::new());
            case.codec.circuits_at(span, len, &positions, buffer, &mut fetch, &mut found).unwrap();
            assert_eq!(found.all_drawn(), Some(&[8, 204, 69, 5, 8][..]));
        }
    }

    #[test]
    fn circuits_take_the_promised_room() {
        for (gates, bits) in [("h,s,t", 2), ("h,s,sdg,t,tdg", 3)] {
            let case = case(gates, 1, 5000, (10, 10), None);
            let promised = 5000.0 * (10.0 * f64::from(bits) / 8.0) * 1.1 + 2.0 * 5000.0;
            assert!((case.chunk.circuits.len() as f64) < promised);
            assert!(case.chunk.circuits.len() < 5000 * 5);
        }
    }

    #[test]
    fn content_does_not_depend_on_the_cut() {
        let whole = appended(case("h,cx,rz(?)", 2, 300, (0, 9), Some(Dtype::Complex128)));
        let mut sum = ContentHash::default();
        for range in [200..300, 0..77, 77..200] {
            let (mut part, mut chunk) = (Circuits::default(), Chunk::default());
            for record in range.clone() {
                part.push_circuit(whole.circuits.circuit(record));
            }
            let unitaries = &whole.unitaries[range.start * 16..range.end * 16];
            whole.codec.encode(5 + range.start as u64, &part, unitaries, &mut chunk);
            sum += chunk.content;
        }
        assert_eq!(sum, whole.chunk.content);
        assert_eq!(ContentHash::from_bytes(sum.to_bytes()), sum);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for intact in [
            case("h,t", 1, 130, (2, 9), Some(Dtype::Complex64)),
            appended(case("h,rz(?)", 1, 70, (0, 3), Some(Dtype::Complex64))),
            haar_case(1, 70, Some(Dtype::Complex64)),
        ] {
            finds_every_flipped_bit(&intact);
        }
    }

    fn finds_every_flipped_bit(intact: &Case) {
        let found = |chunk: &Chunk| intact.codec.decode(&chunk.as_ref(), &mut Circuits::default()).is_err();
        assert!(!found(&intact.chunk));
        let mut chunk = intact.chunk.clone();
        let columns: [fn(&mut Chunk) -> &mut Vec<u8>; 2] =
            [|chunk| &mut chunk.circuits, |chunk| chunk.unitaries.as_mut().unwrap()];
        for (number, column) in columns.into_iter().enumerate() {
            for bit in 0..column(&mut chunk).len() * 8 {
                column(&mut chunk)[bit / 8] ^= 1 << (bit % 8);
                assert!(found(&chunk), "column {number}, bit {bit}");
                column(&mut chunk)[bit / 8] ^= 1 << (bit % 8);
            }
        }
        for bit in 0..64 {
            let flip = 1u64 << bit;
            let Chunk { first_id, count, checksum, content, .. } = intact.chunk;
            let flipped = |change: &dyn Fn(&mut Chunk)| {
                let mut chunk = intact.chunk.clone();
                change(&mut chunk);
                found(&chunk)
            };
            assert!(flipped(&|chunk| chunk.first_id = first_id ^ flip));
            assert!(flipped(&|chunk| chunk.count = count ^ flip));
            assert!(flipped(&|chunk| chunk.checksum = checksum ^ flip));
            assert!(flipped(&|chunk| {
                let mut bytes = content.to_bytes();
                bytes[0] ^= flip as u8;
                bytes[15] ^= (flip >> 8) as u8 | u8::from(flip > 0xffff);
                chunk.content = ContentHash::from_bytes(bytes);
            }));
        }
    }

    #[test]
    fn damage_elsewhere_does_not_touch_a_record() {
        let mut case = case("h,t", 1, 200, (5, 5), Some(Dtype::Complex128));
        case.chunk.circuits[0] ^= 1;
        case.chunk.unitaries.as_mut().unwrap()[0] ^= 1;
        let (chunk, mut circuits) = (case.chunk.as_ref(), Circuits::default());
        let damage = |column| Err(Damage::Block { column, block: 0 });
        assert_eq!(case.codec.circuit(&chunk, 63, &mut circuits), damage("circuits"));
        assert_eq!(case.codec.unitaries(&chunk, 15..16).map(drop), damage("unitaries"));
        case.codec.circuit(&chunk, 64, &mut circuits).unwrap();
        assert_eq!(circuits.get(0), case.circuits.get(64));
        assert!(case.codec.unitaries(&chunk, 16..200).is_ok());
        assert!(case.codec.unitaries(&chunk, 0..200).is_err());
    }

    #[test]
    fn a_chunk_belongs_to_its_recipe() {
        let mine = case("h,t", 1, 100, (5, 5), None);
        let other = case("h,s", 1, 100, (5, 5), None);
        let mut circuits = Circuits::default();
        assert_eq!(mine.codec.decode(&other.chunk.as_ref(), &mut circuits), Err(Damage::Checksum));
        assert!(mine.codec.circuit(&other.chunk.as_ref(), 0, &mut circuits).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_chunk_comes_back(
            gates in 1usize..6, qubits in 1usize..4, count in 1u64..200, min in 0usize..20, extra in 0usize..40,
            stored in prop::option::of(prop::sample::select(vec![Dtype::Complex128, Dtype::Complex64])),
        ) {
            let gates = ["h", "t", "s", "x", "rx(0.1)"][..gates].join(",");
            comes_back(&case(&gates, qubits, count, (min, min + extra), stored));
        }

        #[test]
        fn free_angles_come_back(
            gates in 1usize..4, qubits in 1usize..4, count in 1u64..200, min in 0usize..20, extra in 0usize..40,
            stored in prop::option::of(Just(Dtype::Complex128)),
        ) {
            let gates = ["rz(?)", "u3(?,?,?)", "h"][..gates].join(",");
            let drawn = case(&gates, qubits, count, (min, min + extra), stored);
            comes_back(&drawn);
            comes_back(&appended(drawn));
        }

        #[test]
        fn hostile_bytes_never_panic(count: u64, circuits: Vec<u8>, unitaries: Option<Vec<u8>>, at in 0usize..70) {
            for case in [
                case("h,t,s", 1, 3, (0, 4), None),
                case("h,t,s", 1, 3, (0, 4), Some(Dtype::Complex64)),
                appended(case("h,rz(?),s", 1, 3, (0, 4), None)),
            ] {
                // The right checks over the wrong bytes, too: a forger can compute them.
                let mut chunk = Chunk { first_id: 0, count, circuits: circuits.clone(), unitaries: unitaries.clone(), ..Chunk::default() };
                for count in [count, 1, 3, 64, 70] {
                    chunk.count = count;
                    if let Ok((blocks, _)) = case.codec.entries(&chunk.as_ref()) {
                        let (end, check) = (blocks.len(), case.codec.circuits_check(0, blocks));
                        if chunk.circuits.len() >= end + ENTRY_BYTES {
                            chunk.circuits[end..end + 4].copy_from_slice(&(end as u32).to_le_bytes());
                            chunk.circuits[end + 4..end + 12].copy_from_slice(&check.to_le_bytes());
                        }
                    }
                    chunk.checksum = case.codec.checksum(&chunk.as_ref()).unwrap_or_default();
                    let mut out = Circuits::default();
                    let _ = case.codec.decode(&chunk.as_ref(), &mut out);
                    if (at as u64) < count {
                        let _ = case.codec.circuit(&chunk.as_ref(), at, &mut out);
                        let _ = case.codec.unitaries(&chunk.as_ref(), at..at + 1);
                    }
                }
            }
        }
    }
}
