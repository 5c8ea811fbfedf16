//! What must hold whatever bytes come from outside: a function for each kind of input, which panics
//! if it does not.
//!
//! The fuzz targets and `crates/qorpus/tests/hostile.rs` run the same functions.
//!
//! There is no target for OpenQASM: Qorpus writes it and does not read it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a property fails by panicking")]

use qorpus::core::{
    Alphabet, Chunk, ChunkSpan, Codec, Coupling, Damage, Gate, Instruction, LabelColumn, Labels, Scratch,
    Space, draw, evaluate, unitarity_residual,
};
use qorpus::{
    Circuits, Corpus, Dtype, Durability, GenerateOptions, Label, Order, Recipe, RecipeOptions, generate,
    parse_count, parse_length,
};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use twox_hash::XxHash3_64;

/// Bytes of an input, taken from the front; 0 where it ends.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn number(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Recipes that differ in all that a codec depends on.
fn recipes() -> &'static [(Recipe, Codec)] {
    static RECIPES: OnceLock<Vec<(Recipe, Codec)>> = OnceLock::new();
    RECIPES.get_or_init(|| {
        let alphabet = |gates: &[&str], qubits| {
            let gates = gates.iter().map(|name| Gate::standard(name).unwrap()).collect();
            Alphabet::new(gates, qubits, Coupling::All).unwrap()
        };
        let random = |alphabet: Alphabet, min, max, dtype, stored| {
            let space = Space::random(&alphabet, 5000, 7, min, max).unwrap();
            Recipe::new(alphabet, space, dtype, stored)
        };
        let appended = |alphabet: Alphabet, stored| {
            let space = Space::appended(&alphabet);
            Recipe::new(alphabet, space, Dtype::Complex64, stored)
        };
        let haar = |qubits, stored| {
            let alphabet = Space::alphabet_of_haar(qubits).unwrap();
            let space = Space::haar(&alphabet, 5000, 7).unwrap();
            Recipe::new(alphabet, space, Dtype::Complex128, stored)
        };
        let recipes = [
            random(alphabet(&["h", "s", "t"], 1), 2, 9, Dtype::Complex128, true),
            random(alphabet(&["h", "cx"], 2), 0, 70, Dtype::Complex64, true),
            random(alphabet(&["h"], 1), 0, 65_535, Dtype::Complex128, false),
            random(alphabet(&["h", "s", "t", "x", "z"], 1), 5, 5, Dtype::Complex128, false),
            appended(alphabet(&["h", "t"], 1), false),
            appended(alphabet(&["h", "t"], 1), true),
            haar(1, true),
            haar(2, false),
        ];
        recipes.into_iter().map(|recipe| (recipe.clone(), Codec::new(&recipe))).collect()
    })
}

/// What a chunk's lists and seal would be if its bytes were meant: `docs/format.md`, "Chunk
/// columns".
struct Sealed {
    chunk: Chunk,
    circuits_list: Vec<u8>,
    unitaries_list: Vec<u8>,
    labels_check: Vec<u8>,
    seed: u64,
}

impl Sealed {
    fn new(input: &mut Input<'_>, recipe: &Recipe, codec: &Codec) -> Sealed {
        let first_id = input.number(4);
        let count = 1 + input.number(1) % 150;
        let seed = u64::from_le_bytes(recipe.hash()[..8].try_into().unwrap());
        let check = |key: u64, bytes: &[u8]| XxHash3_64::oneshot_with_seed(seed ^ key, bytes).to_le_bytes();
        let (mut circuits, mut circuits_list) = (Vec::new(), Vec::new());
        for block in 0..count.div_ceil(64) {
            let len = input.number(2) as usize % 4096;
            let bytes = input.take(len);
            circuits.extend_from_slice(bytes);
            circuits_list.extend_from_slice(&(circuits.len() as u32).to_le_bytes());
            circuits_list.extend_from_slice(&check(first_id + 64 * block, bytes));
        }
        circuits.extend_from_slice(&circuits_list);
        let (mut unitaries, mut unitaries_list) = (None, Vec::new());
        if codec.unitary_bytes() > 0 {
            let mut column = input.take(64).repeat(1 + count as usize * codec.unitary_bytes() / 64);
            column.resize(count as usize * codec.unitary_bytes(), 7);
            let in_block = (1024 / codec.unitary_bytes()).max(1);
            for (number, block) in column.chunks(in_block * codec.unitary_bytes()).enumerate() {
                unitaries_list.extend_from_slice(&check(!(first_id + (number * in_block) as u64), block));
            }
            column.extend_from_slice(&unitaries_list);
            unitaries = Some(column);
        }
        let (mut labels, mut labels_check) = (None, Vec::new());
        if recipe.space().is_appended() && !input.number(1).is_multiple_of(4) {
            let mut column = input.take(4096).to_vec();
            labels_check.extend_from_slice(&check(first_id ^ 1 << 63, &column));
            column.extend_from_slice(&labels_check);
            labels = Some(column);
        }
        let chunk = Chunk { first_id, count, circuits, unitaries, labels, ..Chunk::default() };
        let mut sealed = Sealed { chunk, circuits_list, unitaries_list, labels_check, seed };
        sealed.seal();
        sealed
    }

    fn seal(&mut self) {
        let Chunk { first_id, count, content, .. } = &self.chunk;
        let bytes = [
            &first_id.to_le_bytes()[..],
            &count.to_le_bytes(),
            &content.to_bytes(),
            &self.circuits_list,
            &self.unitaries_list,
            &self.labels_check,
        ];
        self.chunk.checksum = XxHash3_64::oneshot_with_seed(self.seed, &bytes.concat());
    }
}

/// The chunk decoder, given columns of any bytes under checks that are right: what it accepts it
/// would write so, byte for byte, and what it reads of single records is what it reads of all.
pub fn chunk(data: &[u8]) {
    let mut input = Input(data);
    let (recipe, codec) = &recipes()[input.number(1) as usize % recipes().len()];
    if input.number(1).is_multiple_of(8) {
        return unsealed(input, codec);
    }
    let mut sealed = Sealed::new(&mut input, recipe, codec);
    let count = sealed.chunk.count as usize;
    let (mut circuits, mut whole) = (Circuits::default(), Circuits::default());
    let singles =
        (0..count).try_for_each(|position| codec.circuit(&sealed.chunk.as_ref(), position, &mut circuits));
    let size = codec.unitary_bytes();
    if singles.is_err() {
        codec.decode(&sealed.chunk.as_ref(), &mut whole).unwrap_err();
        return;
    }
    let unitaries = codec.unitaries(&sealed.chunk.as_ref(), 0..count).unwrap().to_vec();
    assert_eq!(unitaries.len(), count * size);
    let mut again = Chunk::default();
    codec.encode_stored(sealed.chunk.first_id, &circuits, unitaries, &mut again);
    codec.decode(&again.as_ref(), &mut whole).unwrap();
    assert_eq!(whole, circuits, "what was encoded comes back");
    // Now that the circuits are known, so is the content hash: the chunk is as good as any but for
    // its labels.
    sealed.chunk.content = again.content;
    sealed.seal();
    let labels = read_labels(codec, &sealed.chunk);
    match codec.decode(&sealed.chunk.as_ref(), &mut whole) {
        Ok(()) => {
            assert_eq!(whole, circuits);
            assert_eq!(
                (&again.circuits, &again.unitaries),
                (&sealed.chunk.circuits, &sealed.chunk.unitaries)
            );
            labels_come_back(codec, &sealed.chunk, &labels.unwrap());
        }
        // Letters behind the last circuit, or bits in the padding.
        Err(Damage::Circuit) => assert_ne!(again.circuits, sealed.chunk.circuits),
        Err(Damage::Labels | Damage::Size("labels")) => assert!(labels.is_err()),
        Err(other) => panic!("{other}"),
    }
}

/// Columns of any bytes, without checks.
fn unsealed(mut input: Input<'_>, codec: &Codec) {
    let first_id = input.number(8);
    let count = input.number(if first_id.is_multiple_of(2) { 1 } else { 8 });
    let checksum = input.number(8);
    let [circuits, unitaries, labels] = [(); 3].map(|()| {
        let len = input.number(2) as usize;
        input.take(len).to_vec()
    });
    let column = |bytes: Vec<u8>| Some(bytes).filter(|bytes| !bytes.is_empty());
    let (unitaries, labels) = (column(unitaries), column(labels));
    let chunk = Chunk { first_id, count, checksum, circuits, unitaries, labels, ..Chunk::default() };
    codec.decode(&chunk.as_ref(), &mut Circuits::default()).unwrap_err();
    let last = count.saturating_sub(1).min(1 << 40) as usize;
    for position in [0, last / 2, last] {
        if count > 0 && chunk.circuits.len() > 100 {
            let _ = codec.circuit(&chunk.as_ref(), position, &mut Circuits::default());
        }
    }
}

type Row = BTreeMap<String, Label>;

fn read_labels(codec: &Codec, chunk: &Chunk) -> Result<Vec<Row>, Damage> {
    let place = ChunkSpan { first_id: chunk.first_id, count: chunk.count };
    let labels = codec.labels(place, chunk.labels.as_deref())?;
    (0..chunk.count as usize).map(|row| labels.get(row)).collect()
}

/// Not a number is what it is, bit for bit.
fn bits(rows: &[Row]) -> Vec<Vec<(&str, String)>> {
    let bits = |label: &Label| match label {
        Label::Real(value) => format!("{:x}", value.to_bits()),
        other => format!("{other:?}"),
    };
    rows.iter().map(|row| row.iter().map(|(name, label)| (name.as_str(), bits(label))).collect()).collect()
}

fn labels_come_back(codec: &Codec, chunk: &Chunk, rows: &[Row]) {
    let mut labels = Labels::default();
    for row in rows {
        let columns: Vec<_> =
            row.iter().map(|(name, label)| (name.as_str(), LabelColumn::from(label.clone()))).collect();
        labels.extend(1, &columns).unwrap();
    }
    let mut again = chunk.clone();
    if chunk.labels.is_some() {
        codec.encode_labels(&labels, 0..rows.len(), &mut again);
    }
    assert_eq!(bits(&read_labels(codec, &again).unwrap()), bits(rows));
    codec.decode(&again.as_ref(), &mut Circuits::default()).unwrap();
}

/// A recipe's JSON: what is accepted comes back equal and has an identity, letters that can be
/// read, and chunks of a size that can be believed.
pub fn recipe(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(recipe) = Recipe::from_json(text) else { return };
    holds(&recipe);
}

fn holds(recipe: &Recipe) {
    let json = recipe.to_json();
    let again = Recipe::from_json(&json).unwrap();
    assert_eq!(&again, recipe);
    assert_eq!((again.to_json(), again.hash()), (json, recipe.hash()));
    recipe.check().unwrap();
    assert!((4..=16_384).contains(&recipe.chunk_records()));
    assert!(recipe.typical_chunk_bytes() < 128 << 20 && !recipe.summary().is_empty());
    assert!(recipe.chunk_ids(recipe.chunks() - 1).end == recipe.space().len());
    let (alphabet, letters) = (recipe.alphabet(), recipe.alphabet().letters());
    for (number, letter) in letters.iter().enumerate().step_by(1 + letters.len() / 50) {
        assert_eq!(usize::from(alphabet.letter(&letter.text).unwrap()), number);
    }
    Codec::new(recipe);
    for gate in alphabet.gates().iter().filter(|gate| !gate.is_opaque()) {
        assert!(unitarity_residual(gate.matrix(), 1 << gate.qubits()) < 1e-9, "{}", gate.name());
    }
    // Records that can be computed, can: the first and the last of short circuits.
    if !recipe.space().is_appended() && recipe.space().lengths().1 <= 100 && alphabet.qubits() <= 3 {
        let (mut circuits, last) = (Circuits::default(), recipe.space().len() - 1);
        recipe.space().extend(0..1, &mut circuits);
        recipe.space().extend(last..last + 1, &mut circuits);
        let mut unitaries = vec![qorpus::Complex64::ZERO; 2 * alphabet.dim().pow(2)];
        recipe.kernel().unitaries(&circuits, &mut Scratch::default(), &mut unitaries);
        for unitary in unitaries.chunks(alphabet.dim().pow(2)) {
            assert!(unitarity_residual(unitary, alphabet.dim()) < 1e-6);
        }
    }
}

/// For the files of one input, in memory where there is such a place; a `static` one would never be
/// removed.
fn directory() -> tempfile::TempDir {
    match std::path::Path::new("/dev/shm") {
        memory if memory.is_dir() => tempfile::tempdir_in(memory).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    }
}

/// A gate file: what is accepted makes recipes that hold.
pub fn gates(data: &[u8]) {
    let directory = directory();
    let path = directory.path().join("gates.toml");
    std::fs::write(&path, data).unwrap();
    for qubits in [1, 3] {
        let gates = path.to_str().unwrap().into();
        let options = RecipeOptions {
            gates: Some(gates),
            qubits: Some(qubits),
            random: 100,
            ..RecipeOptions::default()
        };
        if let Ok(recipe) = options.recipe() {
            holds(&recipe);
        }
    }
}

/// The text of circuits, letters, angles, couplings and counts: what is accepted can be written and
/// read again.
pub fn circuit(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    static ALPHABETS: OnceLock<Vec<Alphabet>> = OnceLock::new();
    let alphabets = ALPHABETS.get_or_init(|| {
        let gates =
            |names: &[&str]| names.iter().map(|name| Gate::standard(name).unwrap()).collect::<Vec<_>>();
        let own = Gate::custom("Own", 1, gates(&["sx"])[0].matrix().to_vec()).unwrap();
        let mixed = [
            gates(&["h", "rz(pi/4)", "cz", "cx", "ccx", "u3(1,2,3)", "rx(?)", "u3(?,?,?)", "cp(?)"]),
            vec![own, Gate::opaque("box").unwrap()],
        ];
        [(gates(&["h", "s", "t"]), 1), (mixed.concat(), 3), (gates(&["cswap", "swap"]), 4)]
            .map(|(gates, qubits)| Alphabet::new(gates, qubits, Coupling::Ring).unwrap())
            .into()
    });
    for alphabet in alphabets {
        let mut angles = Vec::new();
        if let Ok(circuit) = alphabet.circuit_at(text, &mut angles) {
            let mut again = Vec::new();
            assert_eq!(
                alphabet.circuit_at(&alphabet.text(&circuit, &angles), &mut again).as_ref(),
                Ok(&circuit)
            );
            assert_eq!(again, angles);
            if circuit.len() < 50 {
                draw(alphabet, &circuit, &angles);
            }
        }
    }
    if let Ok(value) = evaluate(text) {
        assert!(value.is_finite());
    }
    if let Ok(placed) = Instruction::parse(text, 3, &[]) {
        let qubits: Vec<_> = placed.qubits.iter().map(ToString::to_string).collect();
        let written = format!("{} {}", placed.gate.name(), qubits.join(" "));
        assert_eq!(Instruction::parse(&written, 3, &[]), Ok(placed));
    }
    if let Ok(gate) = Gate::standard(text) {
        assert_eq!(Gate::standard(gate.name()), Ok(gate));
    }
    if let Ok(coupling) = Coupling::parse(text) {
        assert_eq!(Coupling::parse(&coupling.to_string()), Ok(coupling));
    }
    if let Ok(count) = parse_count(text) {
        assert_eq!(parse_count(&count.to_string()).ok(), Some(count));
    }
    if let Ok((min, max)) = parse_length(text) {
        assert_eq!(parse_length(&format!("{min}..{max}")).ok(), Some((min, max)));
    }
}

/// A small corpus, as a file's bytes and as rows.
struct Good {
    bytes: Vec<u8>,
    circuits: Circuits,
    unitaries: Vec<u8>,
    records: u64,
}

fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let directory = directory();
        let path = directory.path().join("good.db");
        let options = RecipeOptions {
            qubits: Some(1),
            gates: Some("h,s,t".into()),
            random: 1500,
            length: (0, 6),
            ..RecipeOptions::default()
        };
        let recipe = options.recipe().unwrap();
        let fast = GenerateOptions { durability: Durability::Off, ..GenerateOptions::default() };
        generate(&path, &recipe, fast, &false.into(), &mut |_| {}).unwrap();
        let ids: Vec<u64> = (0..1500).collect();
        let rows = Corpus::open(std::slice::from_ref(&path)).unwrap().rows(&ids, Order::Big).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        Good { bytes, circuits: rows.circuits, unitaries: rows.unitaries, records: 1500 }
    })
}

/// A whole file, changed anywhere: each record is right, or refused.
pub fn file(data: &[u8]) {
    let (good, mut input) = (good(), Input(data));
    let mut bytes = good.bytes.clone();
    while !input.0.is_empty() {
        // In the page, mostly where its header and its first cells are.
        let (page, near, value) = (input.number(1) as usize, input.number(2) as usize, input.number(1) as u8);
        let within = if near & 0x8000 == 0 { near & 0x7f } else { (near & 0x7fff) << 1 };
        let at = ((page % (bytes.len() >> 16)) << 16) + within;
        match value {
            0xa5 => bytes.truncate(at.max(1 << 16)),
            value => bytes[at] ^= value,
        }
    }
    let directory = directory();
    let path = directory.path().join("file.db");
    std::fs::write(&path, &bytes).unwrap();
    if let Ok(reader) = Corpus::open(std::slice::from_ref(&path)) {
        let reader = Arc::new(reader);
        for step in [1, 7, 333] {
            let ids: Vec<u64> = (0..good.records).rev().step_by(step).collect();
            for ids in ids.chunks(300) {
                let Ok(rows) = reader.rows(ids, Order::Big) else { continue };
                let size = rows.unitaries.len() / ids.len();
                for (place, &id) in ids.iter().enumerate() {
                    assert_eq!(rows.circuits.get(place), good.circuits.get(id as usize), "circuit {id}");
                    let right = &good.unitaries[id as usize * size..][..size];
                    assert!(&rows.unitaries[place * size..][..size] == right, "unitary {id}");
                }
            }
        }
    }
}
