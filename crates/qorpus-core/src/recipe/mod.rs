//! Recipes: everything that decides the records of a corpus.

pub(crate) mod dtype;
pub(crate) mod gate_text;
mod hash;
pub(crate) mod json;

use crate::alphabet::coupling::Coupling;
use crate::alphabet::{Alphabet, MAX_UNITARY_QUBITS};
use crate::arithmetic::Equivalence;
use crate::bits;
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::grouped::grouped;
use crate::kernel::Kernel;
use crate::recipe::dtype::Dtype;
use crate::recipe::hash::CachedHash;
use crate::space::distinct::Distinct;
use crate::space::{Space, SpaceKind};
use std::ops::Range;

/// The newest version of the file format. This library reads it and all earlier ones, and writes the
/// [earliest](Recipe::format_version) that can hold a recipe.
pub const FORMAT_VERSION: u32 = 2;

/// The intended size of a chunk: a little less than a page of 65,536 bytes, so that it fits in one.
const CHUNK_BYTES: f64 = 62_000.0;

/// The most bytes of a shard's chunks: few enough to generate in minutes and copy at once, enough
/// for hundreds of billions of records in thousands of shards.
const SHARD_BYTES: u64 = 512 << 20;

/// The approximate size of the labels of an enumerated record.
const LABEL_BYTES_OF_DISTINCT: f64 = 8.0;

/// The fewest and the most records of a chunk, for any size of records.
const CHUNK_RECORDS: (u64, u64) = (4, 16_384);

/// The most bytes that the decoded letters of a chunk are meant to take: over an alphabet of one
/// letter they take no space in the file.
const CHUNK_LETTER_BYTES: f64 = (4 << 20) as f64;

/// The largest chunk in memory that is accepted from a file; libraries choose smaller ones.
const BELIEVABLE_BYTES: u64 = 64 << 20;

/// The recipe of a corpus, which determines its records: alphabet, space, columns and the division
/// into chunks.
///
/// Recipes with the same [hash](Recipe::hash) generate the same corpus, to the bit.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    alphabet: Alphabet,
    space: Space,
    dtype: Dtype,
    unitaries: bool,
    chunk_records: u64,
    hash: CachedHash,
}

impl Recipe {
    /// Creates a recipe; `space` must be over `alphabet`. Without `unitaries`, unitaries are not
    /// stored but computed on reading.
    ///
    /// With opaque gates the space must be of appended circuits and unitaries must be stored: see
    /// [`check`](Recipe::check).
    pub fn new(alphabet: Alphabet, space: Space, dtype: Dtype, unitaries: bool) -> Recipe {
        let mut recipe =
            Recipe { alphabet, space, dtype, unitaries, chunk_records: 1, hash: CachedHash::default() };
        let letter_bytes = 2.0 * recipe.space.typical_length().max(1.0);
        let fitting = (CHUNK_BYTES / recipe.typical_record_bytes()).min(CHUNK_LETTER_BYTES / letter_bytes);
        recipe.chunk_records = (fitting as u64).clamp(CHUNK_RECORDS.0, CHUNK_RECORDS.1);
        recipe
    }

    /// Returns the approximate size of a record in its chunk.
    fn typical_record_bytes(&self) -> f64 {
        let (min, max) = self.space.lengths();
        let letter_bits = f64::from(bits::width(self.alphabet.letters().len()));
        let circuit_bits = f64::from(bits::width(max - min + 1)) + letter_bits * self.space.typical_length();
        let labels = if self.space.enumerates().is_some() { LABEL_BYTES_OF_DISTINCT } else { 0.0 };
        // A free angle in each letter that may have one.
        let angles = match self.space.angles() {
            None if self.alphabet.has_free_angles() => {
                let letters = 0..self.alphabet.letters().len() as u16;
                let all: usize = letters.map(|letter| self.alphabet.free_angles(letter)).sum();
                8.0 * all as f64 / self.alphabet.letters().len() as f64 * self.space.typical_length()
            }
            _ => 0.0,
        };
        // 12 bytes for every 64 circuits, 8 for every 1024 bytes of unitaries: the lists of block
        // checks.
        circuit_bits / 8.0
            + angles
            + labels
            + 12.0 / 64.0
            + self.unitary_bytes() as f64 * (1.0 + 8.0 / 1024.0)
    }

    /// Returns the size of a stored unitary; 0 if the recipe stores none.
    pub(crate) fn unitary_bytes(&self) -> usize {
        if self.unitaries { self.unitary_entries() * self.dtype.bytes() } else { 0 }
    }

    /// Returns whether its records have unitaries, stored or computed. On more than 8 qubits they
    /// have only tableaus.
    pub fn has_unitaries(&self) -> bool {
        self.alphabet.qubits() <= MAX_UNITARY_QUBITS
    }

    /// Refuses records without unitaries where unitaries are needed.
    ///
    /// # Errors
    /// [`Error::NoUnitaries`].
    pub fn check_unitaries(&self) -> Result<()> {
        match self.alphabet.qubits() {
            qubits if !self.has_unitaries() => Err(Error::NoUnitaries { qubits }),
            _ => Ok(()),
        }
    }

    /// Returns the number of entries of a unitary, 4^n; 0 if records have none.
    pub fn unitary_entries(&self) -> usize {
        if self.has_unitaries() { self.alphabet.dim().pow(2) } else { 0 }
    }

    /// Returns the approximate size of a full chunk.
    pub fn typical_chunk_bytes(&self) -> u64 {
        (self.typical_record_bytes() * self.chunk_records as f64) as u64 + 1
    }

    /// Returns the default number of records of a shard: the largest power of two of chunks that
    /// take up to 512 MiB.
    pub fn shard_records(&self) -> u64 {
        let chunks = (SHARD_BYTES / self.typical_chunk_bytes()).max(1);
        (1 << chunks.ilog2()) * self.chunk_records
    }

    /// Returns the recipe with chunks of this many records. Refuses a number that no version of the
    /// library would choose.
    pub(crate) fn with_chunk_records(self, chunk_records: u64) -> Result<Recipe> {
        // Chunks of appended circuits of any length are cut by bytes.
        let letters = if self.space.is_appended() { 0 } else { 2 * self.space.lengths().1 };
        let record_bytes = (self.unitary_bytes() + letters) as u64;
        let (fewest, most) = CHUNK_RECORDS;
        let fits = || chunk_records <= most && chunk_records * record_bytes <= BELIEVABLE_BYTES;
        if chunk_records == fewest || chunk_records > fewest && fits() {
            return Ok(Recipe { chunk_records, hash: CachedHash::default(), ..self });
        }
        Err(Error::Recipe(format!("it has chunks of {chunk_records} records")))
    }

    /// Returns the earliest version of the file format that has all that this recipe describes. A
    /// recipe of version 1 keeps its JSON, and so its hash.
    pub fn format_version(&self) -> u32 {
        match self.space.kind() {
            _ if self.alphabet.coupling().is_none() || self.alphabet.has_free_angles() => 2,
            SpaceKind::Random { constraints, .. } if !constraints.is_empty() => 2,
            SpaceKind::Cliffords { .. } | SpaceKind::Haar { .. } => 2,
            SpaceKind::Distinct(distinct) if distinct.tableaus => 2,
            _ => 1,
        }
    }

    /// Returns the letters.
    pub fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }

    /// Returns the circuits.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Creates the kernel that computes the unitaries of its records, or draws them. Letters of
    /// opaque gates do nothing: see [`check`](Recipe::check). If records have no unitaries, neither
    /// has the kernel.
    pub fn kernel(&self) -> Kernel {
        match self.space.haar_sampler() {
            Some(haar) => Kernel::haar(haar.clone()),
            None => Kernel::new(&self.alphabet),
        }
    }

    /// Returns the type of the unitaries' entries, stored or computed on reading.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Returns whether unitaries are stored.
    pub fn stores_unitaries(&self) -> bool {
        self.unitaries
    }

    /// Returns the number of records of a chunk; the last one may hold fewer.
    pub fn chunk_records(&self) -> u64 {
        self.chunk_records
    }

    /// Returns the number of chunks. If records are appended, the largest possible number.
    pub fn chunks(&self) -> u64 {
        self.space.len().div_ceil(self.stride())
    }

    /// Returns the ids of the records of chunk `chunk`. If records are appended, the most ids that
    /// it can have.
    pub fn chunk_ids(&self, chunk: u64) -> Range<u64> {
        let first = chunk * self.stride();
        first..(first + self.chunk_records).min(self.space.len())
    }

    /// Returns the distance between the first ids of consecutive chunks. An appended chunk may have
    /// any number of records; its number is its first id, so the stride is 1.
    pub fn stride(&self) -> u64 {
        if self.space.is_appended() { 1 } else { self.chunk_records }
    }

    /// Returns the number of records; `None` if they are appended.
    pub fn expected(&self) -> Option<u64> {
        (!self.space.is_appended()).then(|| self.space.len())
    }

    /// Refuses a recipe whose unitaries would have to be computed with an opaque gate, or that needs
    /// unitaries on more than 8 qubits: only an enumeration by tableaus does without.
    ///
    /// # Errors
    /// [`Error::Opaque`] or [`Error::UnitaryQubits`].
    pub fn check(&self) -> Result<()> {
        let needs_none = self.space.enumerates().is_some_and(|distinct| distinct.tableaus);
        if self.unitaries || !needs_none {
            self.alphabet.check_unitaries()?;
        }
        match self.alphabet.gates().iter().find(|gate| gate.is_opaque()) {
            Some(gate) if !self.space.is_appended() || !self.unitaries => Err(Error::Opaque {
                gate: gate.name().into(),
                reason: "records that come with their unitaries, and a corpus that stores them",
            }),
            _ => Ok(()),
        }
    }

    /// Returns the corpus's identity: SHA-256 of [`to_json`](Recipe::to_json).
    pub fn hash(&self) -> [u8; 32] {
        self.hash.of(|| self.to_json())
    }

    /// Returns the seed of all checks in a file that is created with this recipe: the first 8 bytes
    /// of its hash. A file that grows keeps its seed.
    pub fn check_seed(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.hash();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Returns whether its records are the first ones of `larger`, which agrees with it in all but
    /// the number of random records, the longest word, or the bound of an enumeration. A recipe
    /// begins itself.
    pub fn begins(&self, larger: &Recipe) -> bool {
        let (space, chunk_records) = (larger.space.clone(), larger.chunk_records);
        self.space.begins(&larger.space)
            && Recipe { space, chunk_records, ..self.clone() }.to_json() == larger.to_json()
    }

    /// Returns the recipe as version 1 of the format has it if it enumerates unitaries that can do
    /// without tableaus; else itself.
    ///
    /// # Errors
    /// As [`Space::distinct`].
    pub fn without_tableaus(&self) -> Result<Recipe> {
        match self.space.kind() {
            SpaceKind::Distinct(distinct)
                if distinct.tableaus && distinct.up_to != Equivalence::Pauli && self.has_unitaries() =>
            {
                let distinct = Distinct { tableaus: false, ..distinct.clone() };
                let space = Space::distinct(&self.alphabet, distinct, self.space.lengths().1)?;
                Ok(Recipe { space, hash: CachedHash::default(), ..self.clone() })
            }
            _ => Ok(self.clone()),
        }
    }

    /// Returns whether chunks of both recipes have the same number of records and pack circuits in
    /// the same way.
    pub fn has_layout_of(&self, other: &Recipe) -> bool {
        let of_lengths = |recipe: &Recipe| {
            let (min, max) = recipe.space.lengths();
            (min, bits::width(max - min + 1))
        };
        self.chunk_records == other.chunk_records && of_lengths(self) == of_lengths(other)
    }

    /// Returns a summary for people, such as `h, s, cx on 2 qubits; 1,000 random circuits
    /// of 5 to 15 letters, seed 0`.
    pub fn summary(&self) -> String {
        let gates: Vec<_> = self.alphabet.gates().iter().map(Gate::name).collect();
        let (qubits, (min, max)) = (self.alphabet.qubits(), self.space.lengths());
        let plural = if qubits == 1 { "" } else { "s" };
        let coupling = match self.alphabet.coupling() {
            Some(Coupling::All) => String::new(),
            Some(other) => format!(" ({other})"),
            None => format!(" (letters {})", self.alphabet.first_letters()),
        };
        let circuits = match self.space.kind() {
            SpaceKind::Words => format!("every word of {min} to {max} letters"),
            SpaceKind::Random { seed, constraints } => {
                let plural = if self.space.len() == 1 { "" } else { "s" };
                let constraints = constraints.summary(&self.alphabet);
                let count = grouped(self.space.len());
                format!("{count} random circuit{plural} of {min} to {max} letters, seed {seed}{constraints}")
            }
            SpaceKind::Cliffords { seed } => {
                let plural = if self.space.len() == 1 { "" } else { "s" };
                format!(
                    "{} uniformly random Clifford operator{plural}, seed {seed}",
                    grouped(self.space.len())
                )
            }
            SpaceKind::Haar { seed } => return self.summary_of_haar(*seed),
            SpaceKind::Appended => "appended circuits".into(),
            SpaceKind::Distinct(distinct) => self.summary_of(distinct),
        };
        let (gates, unitaries) = (gates.join(", "), self.summary_of_unitaries());
        format!("{gates} on {qubits} qubit{plural}{coupling}; {circuits}; {unitaries}")
    }

    fn summary_of_unitaries(&self) -> String {
        if !self.has_unitaries() {
            return "without unitaries".into();
        }
        let stored = if self.unitaries { "stored" } else { "computed on reading" };
        format!("{} unitaries {stored}", self.dtype.name())
    }

    fn summary_of_haar(&self, seed: u64) -> String {
        let (count, qubits) = (grouped(self.space.len()), self.alphabet.qubits());
        let unitaries = if self.space.len() == 1 { "unitary" } else { "unitaries" };
        let plural = if qubits == 1 { "" } else { "s" };
        format!(
            "{count} Haar-random {unitaries} on {qubits} qubit{plural}, without circuits, seed {seed}; {}",
            self.summary_of_unitaries()
        )
    }

    fn summary_of(&self, Distinct { up_to, costs, most_cost, .. }: &Distinct) -> String {
        let names = self.alphabet.gates().iter().map(Gate::name);
        let of_gates = names.zip(costs).filter(|(_, cost)| **cost > 0);
        let priced: Vec<_> = of_gates.map(|(name, cost)| format!("{name}={cost}")).collect();
        let bound = if priced.is_empty() {
            format!("up to {} letters", self.space.lengths().1)
        } else {
            format!("up to a cost of {most_cost} ({})", priced.join(", "))
        };
        let same = match up_to {
            Equivalence::GlobalPhase => ", equal up to a global phase",
            Equivalence::Exact => "",
            Equivalence::Pauli => ", equal up to Pauli operators and a global phase",
        };
        format!("every distinct unitary{same}, {bound}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::Circuits;
    use crate::gate::standard::{diagonal, turn};
    use crate::kernel::Scratch;
    use num_complex::Complex64;

    fn recipe(gates: Vec<Gate>, qubits: usize, unitaries: bool) -> Recipe {
        let alphabet = Alphabet::new(gates, qubits, Coupling::Line).unwrap();
        let space = Space::random(&alphabet, 1000, 7, 5, 15).unwrap();
        Recipe::new(alphabet, space, Dtype::Complex128, unitaries)
    }

    fn custom() -> Gate {
        Gate::custom("tenth", 1, diagonal(&[turn(0.1), turn(1.0 / 3.0)])).unwrap()
    }

    #[test]
    fn json_comes_back_equal() {
        for qubits in 1..=4 {
            let recipe = recipe(vec![Gate::standard("rz(pi/8)").unwrap(), custom()], qubits, qubits % 2 == 0);
            assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
        }
    }

    /// The identity of every stored corpus: this text and its hash never change.
    #[test]
    fn json_and_hash_are_frozen() {
        let gates = ["h", "t"].map(|name| Gate::standard(name).unwrap()).to_vec();
        let recipe = recipe(gates, 1, true);
        assert_eq!(
            recipe.to_json(),
            r#"{"format_version":1,"qubits":1,"gates":["h","t"],"coupling":"all","length":[5,15],"#
                .to_owned()
                + r#""space":{"random":{"records":1000,"seed":7}},"dtype":"complex128","unitaries":true,"#
                + r#""chunk_records":933}"#
        );
        let hash: String = recipe.hash()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "92b4ccf1");
    }

    /// A hash that was asked for does not outlive a change.
    #[test]
    fn changed_recipes_have_hashes_of_their_own() {
        let random = recipe(vec![Gate::standard("h").unwrap()], 2, true);
        let enumerated = permutations(3, Equivalence::GlobalPhase, true).unwrap();
        let hashes = [random.hash(), enumerated.hash()];
        let changed = [random.with_chunk_records(8), enumerated.without_tableaus()];
        for (hash, new) in hashes.into_iter().zip(changed.map(Result::unwrap)) {
            assert_ne!(new.hash(), hash);
            assert_eq!(new.hash(), Recipe::from_json(&new.to_json()).unwrap().hash());
        }
    }

    /// The identity of every corpus of Clifford operators.
    #[test]
    fn json_of_clifford_operators_is_frozen() {
        let alphabet = Space::alphabet_of_cliffords(2).unwrap();
        let space = Space::cliffords(&alphabet, 1000, 7).unwrap();
        let recipe = Recipe::new(alphabet, space, Dtype::Complex128, true);
        let json = recipe.to_json();
        assert_eq!(
            json,
            r#"{"format_version":2,"qubits":2,"gates":["h","s","cx","x","y","z"],"coupling":"all","#
                .to_owned()
                + r#""length":[0,16],"space":{"cliffords":{"records":1000,"seed":7}},"dtype":"complex128","#
                + r#""unitaries":true,"chunk_records":236}"#
        );
        assert_eq!(Recipe::from_json(&json).unwrap(), recipe);
        for (from, to) in
            [("[0,16]", "[0,17]"), (r#""s","#, ""), (r#":2,"qubits""#, r#":1,"qubits""#), ("1000", "0")]
        {
            assert!(Recipe::from_json(&json.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }

    /// The identity of every corpus of Haar-random unitaries.
    #[test]
    fn json_of_haar_random_unitaries_is_frozen() {
        let recipe = |qubits, records, unitaries| {
            let alphabet = Space::alphabet_of_haar(qubits).unwrap();
            let space = Space::haar(&alphabet, records, 7).unwrap();
            Recipe::new(alphabet, space, Dtype::Complex128, unitaries)
        };
        let json = recipe(2, 1000, true).to_json();
        assert_eq!(
            json,
            r#"{"format_version":2,"qubits":2,"gates":[],"coupling":"all","length":[0,0],"#.to_owned()
                + r#""space":{"haar":{"records":1000,"seed":7}},"dtype":"complex128","unitaries":true,"#
                + r#""chunk_records":240}"#
        );
        for (qubits, unitaries) in [(1, true), (2, true), (8, true), (1, false), (8, false)] {
            let recipe = recipe(qubits, 1000, unitaries);
            assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
        }
        for (from, to) in [
            ("[0,0]", "[0,1]"),
            (r#""gates":[]"#, r#""gates":["h"]"#),
            (r#""coupling":"all""#, r#""coupling":"line""#),
            (r#""coupling":"all""#, r#""letters":[]"#),
            (r#":2,"qubits""#, r#":1,"qubits""#),
            (r#""qubits":2"#, r#""qubits":9"#),
            (r#""qubits":2"#, r#""qubits":0"#),
            ("1000", "0"),
            (r#""haar":{"records""#, r#""random":{"records""#),
            (r#""haar":{"records""#, r#""cliffords":{"records""#),
            (r#"{"haar":{"records":1000,"seed":7}}"#, r#""words""#),
            (r#"[0,0],"space":{"haar":{"records":1000,"seed":7}}"#, r#"[0,65535],"space":"appended""#),
        ] {
            assert_ne!(json.replacen(from, to, 1), json, "{from}");
            assert!(Recipe::from_json(&json.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
        assert!(recipe(2, 10, true).begins(&recipe(2, 11, true)));
        assert!(!recipe(2, 11, true).begins(&recipe(2, 10, true)));
        assert!(!recipe(2, 10, true).begins(&recipe(1, 11, true)));
        assert_eq!(
            recipe(1, 1, false).summary(),
            "1 Haar-random unitary on 1 qubit, without circuits, seed 7; complex128 unitaries computed on reading"
        );
    }

    /// An enumeration of the permutations of qubits, by adjacent exchanges.
    fn permutations(qubits: usize, up_to: Equivalence, tableaus: bool) -> Result<Recipe> {
        let alphabet = Alphabet::new(vec![Gate::standard("swap").unwrap()], qubits, Coupling::Line)?;
        let distinct = Distinct { up_to, costs: vec![0], most_cost: 0, tableaus };
        let space = Space::distinct(&alphabet, distinct, 20)?;
        Ok(Recipe::new(alphabet, space, Dtype::Complex128, false))
    }

    #[test]
    fn enumerations_by_tableaus_have_up_to_16_qubits() {
        for up_to in [Equivalence::GlobalPhase, Equivalence::Pauli] {
            for qubits in [2, 8, 9, 16] {
                let recipe = permutations(qubits, up_to, true).unwrap();
                assert_eq!(recipe.check(), Ok(()));
                assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
                assert_eq!(
                    (recipe.has_unitaries(), recipe.check_unitaries().is_ok()),
                    (qubits <= 8, qubits <= 8)
                );
                assert_eq!(recipe.unitary_entries(), if qubits <= 8 { 1 << (2 * qubits) } else { 0 });
                assert_eq!(recipe.unitary_bytes(), 0);
                assert_eq!(recipe.summary().ends_with("; without unitaries"), qubits > 8);
                // Nothing is computed, and nothing is refused.
                let mut out = vec![Complex64::ZERO; recipe.unitary_entries()];
                let mut circuits = Circuits::default();
                circuits.push([0]);
                recipe.kernel().unitaries(&circuits, &mut Scratch::default(), &mut out);
                assert!(recipe.without_tableaus().is_ok());
            }
            assert_eq!(permutations(17, up_to, true), Err(Error::Qubits(17)));
        }
        let wide = permutations(16, Equivalence::GlobalPhase, true).unwrap();
        assert_eq!(wide.without_tableaus().unwrap(), wide);
        let refused = permutations(9, Equivalence::Exact, true).unwrap_err().to_string();
        assert!(refused.contains("use up_to phase, which means the same"), "{refused}");
        assert!(permutations(8, Equivalence::Exact, true).is_ok());
        assert_eq!(permutations(9, Equivalence::GlobalPhase, false), Err(Error::UnitaryQubits(9)));
    }

    #[test]
    fn other_recipes_have_up_to_8_qubits() {
        let alphabet = |qubits| Alphabet::of("h,cx", qubits);
        let refused = Err(Error::UnitaryQubits(9));
        assert_eq!(Space::words(&alphabet(9), 0, 2).map(drop), refused);
        assert_eq!(Space::random(&alphabet(9), 10, 0, 0, 2).map(drop), refused);
        assert_eq!(Space::alphabet_of_cliffords(9).map(drop), refused);
        assert_eq!(Space::alphabet_of_haar(9).map(drop), refused);
        for stored in [true, false] {
            let appended = |qubits| {
                let space = Space::appended(&alphabet(qubits));
                Recipe::new(alphabet(qubits), space, Dtype::Complex128, stored)
            };
            assert_eq!((appended(8).check(), appended(9).check()), (Ok(()), refused.clone()));
        }
    }

    /// A file may claim anything.
    #[test]
    fn json_of_other_recipes_on_16_qubits_is_refused() {
        let json = permutations(16, Equivalence::GlobalPhase, true).unwrap().to_json();
        let distinct = r#"{"distinct":{"up_to":"phase","costs":[0],"most_cost":0,"tableaus":true}}"#;
        assert!(json.contains(distinct), "{json}");
        for (from, to) in [
            (distinct, r#""words""#),
            (distinct, r#"{"random":{"records":1000,"seed":7}}"#),
            (distinct, r#"{"random":{"records":1000,"seed":7,"no_cancelling":true}}"#),
            (distinct, r#"{"cliffords":{"records":1000,"seed":7}}"#),
            (
                r#"[0,20],"space":{"distinct":{"up_to":"phase","costs":[0],"most_cost":0,"tableaus":true}}"#,
                r#"[0,65535],"space":"appended""#,
            ),
            (r#","tableaus":true"#, ""),
            (r#""up_to":"phase""#, r#""up_to":"nothing""#),
            (r#""unitaries":false"#, r#""unitaries":true"#),
            (r#""qubits":16"#, r#""qubits":17"#),
            (r#""qubits":16"#, r#""qubits":64"#),
            (r#""qubits":16"#, r#""qubits":18446744073709551615"#),
        ] {
            let changed = json.replacen(from, to, 1);
            assert_ne!(changed, json, "{from}");
            for version in [1, 2] {
                let changed = changed.replacen(r#":2,"qubits""#, &format!(r#":{version},"qubits""#), 1);
                assert!(Recipe::from_json(&changed).is_err(), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn a_recipe_begins_those_that_differ_only_in_size() {
        let alphabet = |gates| Alphabet::of(gates, 2);
        let made = |gates, seed, records, (min, max), unitaries| {
            let space = Space::random(&alphabet(gates), records, seed, min, max).unwrap();
            Recipe::new(alphabet(gates), space, Dtype::Complex128, unitaries)
        };
        let small = made("h,t", 7, 1000, (5, 15), true);
        let large = made("h,t", 7, u64::MAX >> 1, (5, 15), true);
        assert!(small.begins(&small) && small.begins(&large) && small.has_layout_of(&large));
        for other in [
            made("h,t", 7, 999, (5, 15), true),
            made("h,t", 8, 2000, (5, 15), true),
            made("h,s", 7, 2000, (5, 15), true),
            made("h,t", 7, 2000, (5, 16), true),
            made("h,t", 7, 2000, (4, 15), true),
            made("h,t", 7, 2000, (5, 15), false),
            Recipe { dtype: Dtype::Complex64, hash: CachedHash::default(), ..large.clone() },
        ] {
            assert!(!small.begins(&other), "{}", other.summary());
        }
        let words = |min, max| {
            let space = Space::words(&alphabet("h,t"), min, max).unwrap();
            Recipe::new(alphabet("h,t"), space, Dtype::Complex128, false)
        };
        assert!(words(0, 5).begins(&words(0, 6)) && words(0, 5).has_layout_of(&words(0, 6)));
        assert!(words(0, 7).begins(&words(0, 8)) && !words(0, 7).has_layout_of(&words(0, 8)));
        assert!(!words(0, 6).begins(&words(0, 5)) && !words(0, 5).begins(&words(1, 6)));
        assert!(!words(0, 5).begins(&large));
        let letters = small.alphabet().clone();
        let space = Space::appended(&letters);
        let appended = Recipe::new(letters, space, Dtype::Complex128, true);
        assert!(appended.begins(&appended) && !appended.begins(&small) && !small.begins(&appended));
        let distinct = |up_to, costs: [u32; 2], most_cost, max| {
            let distinct = Distinct { up_to, costs: costs.to_vec(), most_cost, tableaus: false };
            let space = Space::distinct(&alphabet("h,t"), distinct, max).unwrap();
            Recipe::new(alphabet("h,t"), space, Dtype::Complex128, false)
        };
        let (phase, exact, any) = (Equivalence::GlobalPhase, Equivalence::Exact, crate::circuit::MAX_LENGTH);
        assert!(distinct(phase, [0, 0], 0, 5).begins(&distinct(phase, [0, 0], 0, 6)));
        assert!(!distinct(phase, [0, 0], 0, 6).begins(&distinct(phase, [0, 0], 0, 5)));
        let priced = distinct(phase, [0, 1], 3, any);
        assert!(priced.begins(&distinct(phase, [0, 1], 4, any)));
        assert!(priced.has_layout_of(&distinct(phase, [0, 1], 4, any)));
        for other in [(phase, [0, 1], 2), (phase, [0, 2], 4), (exact, [0, 1], 4)] {
            assert!(!priced.begins(&distinct(other.0, other.1, other.2, any)), "{other:?}");
        }
    }

    #[test]
    fn hostile_recipes_are_refused() {
        let json = recipe(vec![custom()], 1, true).to_json();
        for (from, to) in [
            (r#""chunk_records":9"#, r#""chunk_records":99999999"#),
            (r#""format_version":1"#, r#""format_version":2"#),
            (r#""format_version":1"#, r#""format_version":3"#),
            (r#"{"random":{"#, r#"{"cliffords":{"#),
            (r#""qubits":1,"gates""#, r#""qubits":9,"gates""#),
            (r#""length":[5"#, r#""length":[55"#),
            (r#""qubits":1,"gates""#, r#""qubits":8,"gates""#),
            ("random", "other"),
            ("{", ""),
        ] {
            assert_ne!(json.replacen(from, to, 1), json);
            assert!(Recipe::from_json(&json.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }

    fn listed(letters: &[&str]) -> Recipe {
        let gate = |name: &str| if name == "tenth" { Ok(custom()) } else { Gate::standard(name) };
        let alphabet = Alphabet::listed(letters, 3, gate).unwrap();
        let space = Space::random(&alphabet, 1000, 7, 5, 15).unwrap();
        Recipe::new(alphabet, space, Dtype::Complex128, false)
    }

    /// The identity of corpora of version 2 with letters one by one.
    #[test]
    fn json_of_letters_is_frozen() {
        let recipe = listed(&["h 0", "s 0", "cx 0 1", "cx 1 2"]);
        assert_eq!(
            recipe.to_json(),
            r#"{"format_version":2,"qubits":3,"gates":["h","s","cx"],"letters":["h 0","s 0","cx 0 1","cx 1 2"],"#
                .to_owned()
                + r#""length":[5,15],"space":{"random":{"records":1000,"seed":7}},"dtype":"complex128","#
                + r#""unitaries":false,"chunk_records":16384}"#
        );
        let hash: String = recipe.hash()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "d8519cb1");
        assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
        assert_eq!(
            recipe.summary(),
            "h, s, cx on 3 qubits (letters 'h 0', 's 0', 'cx 0 1', 'cx 1 2'); 1,000 random circuits of 5 to 15 \
             letters, seed 7; complex128 unitaries computed on reading"
        );
        let own = listed(&["tenth 2", "cz 0 1"]);
        assert_eq!(Recipe::from_json(&own.to_json()).unwrap(), own);
    }

    #[test]
    fn hostile_letters_are_refused() {
        let json = listed(&["h 0", "s 0", "cz 0 1", "cz 1 2"]).to_json();
        for (from, to) in [
            (r#""format_version":2"#, r#""format_version":1"#),
            (r#""letters":["h 0","#, r#""coupling":"all","letters":["h 0","#),
            (r#""letters":["h 0","s 0","cz 0 1","cz 1 2"],"#, ""),
            ("s 0", "h 0"),
            ("s 0", "t 0"),
            ("s 0", "S 0"),
            ("s 0", "s  0"),
            ("s 0", "s 3"),
            ("cz 0 1", "cz 1 0"),
            (r#""cz"]"#, r#""cz","t"]"#),
            (r#""h","s""#, r#""s","h""#),
            (r#"["h 0","s 0","cz 0 1","cz 1 2"]"#, "[]"),
            // They are the letters of a coupling, in its order.
            (r#""h 0","s 0","cz 0 1","#, r#""h 0","h 1","h 2","s 0","s 1","s 2","cz 0 1","#),
        ] {
            assert_ne!(json.replacen(from, to, 1), json);
            assert!(Recipe::from_json(&json.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn chunks_fill_a_page() {
        let records = |qubits, unitaries| recipe(vec![custom()], qubits, unitaries).chunk_records();
        assert_eq!([1, 2, 3, 5, 8].map(|qubits| records(qubits, true)), [951, 238, 59, 4, 4]);
        assert!(records(8, false) > 7000);
        let recipe = recipe(vec![custom()], 1, true);
        assert_eq!((recipe.chunks(), recipe.chunk_ids(1)), (2, 951..1000));
    }

    /// The default never changes: two machines that make one directory at once must choose alike.
    #[test]
    fn shards_are_some_hundred_megabytes() {
        let records = |qubits, unitaries| recipe(vec![custom()], qubits, unitaries).shard_records();
        assert_eq!([1, 2, 8].map(|qubits| records(qubits, true)), [951 * 8192, 238 * 8192, 4 * 64]);
        for (qubits, unitaries) in [(1, true), (3, true), (8, true), (1, false), (8, false)] {
            let recipe = recipe(vec![custom()], qubits, unitaries);
            let bytes = recipe.shard_records() / recipe.chunk_records() * recipe.typical_chunk_bytes();
            assert!((SHARD_BYTES / 2 + 1..=SHARD_BYTES).contains(&bytes), "{qubits}: {bytes}");
        }
    }
}
