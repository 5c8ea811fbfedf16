//! The pure core of Qorpus: from a gate's name to the bytes of a chunk, without I/O, threads, SQL
//! or Python.
//!
//! Data flows one way:
//!
//! ```text
//! gate -> alphabet -> space: index -> circuit -> kernel: unitary -> chunk bytes
//! ```
//!
//! Folders and files are the stages. Each imports only from its own level and from levels further
//! down this list, as `tests/python/test_layers.py` enforces:
//!
//! ```text
//! environment  episodes in which letters compile a target (feature `environments`, with tableau)
//! order        permutations and splits of ids, splits by unitary
//! codec        records to the bytes of a chunk and back
//! recipe       everything that decides the records; JSON and hash
//! space        from an index to a circuit; labels: named values beside records
//! qasm         OpenQASM; drawing: pictures of circuits; target: matrices to look up; channel:
//!              Pauli transfer matrices; tableau: Clifford operators modulo Pauli operators
//! exact        unitaries over Z[omega, 1/sqrt(2)]; approximate: in floating point
//! arithmetic   the interface of both, and which unitaries count as the same
//! kernel       from circuits to unitaries; simd: vector instructions; random: Philox and what is drawn
//!              from it, Haar-random unitaries
//! instruction  a gate on qubits; circuit: batches of circuits
//! alphabet     letters: gates placed on qubits
//! gate         names, angles, matrices
//! error        with bits, bounded_vec, grouped and splitmix
//! ```
//!
//! A record is a pure function of ([`Recipe`], index), to the bit, on every machine:
//!
//! ```
//! use qorpus_core::{Alphabet, Circuits, Coupling, Dtype, Gate, Recipe, Space};
//!
//! let gates = ["h", "t", "cx"].map(|name| Gate::standard(name).unwrap()).to_vec();
//! let alphabet = Alphabet::new(gates, 2, Coupling::All)?;
//! let space = Space::words(&alphabet, 0, 10)?;
//! let recipe = Recipe::new(alphabet, space, Dtype::Complex128, true);
//!
//! let mut circuits = Circuits::default();
//! recipe.space().circuits(123..124, &mut circuits);
//! assert_eq!(recipe.alphabet().text(circuits.get(0), &[]), "t 0; h 1; t 0");
//!
//! let mut unitary = vec![Default::default(); 16];
//! recipe.kernel().unitaries(&circuits, &mut Default::default(), &mut unitary);
//! # Ok::<(), qorpus_core::Error>(())
//! ```

mod alphabet;
mod approximate;
mod arithmetic;
mod binary;
mod bits;
mod bounded_vec;
mod channel;
mod circuit;
mod clifford;
mod codec;
mod drawing;
#[cfg(feature = "environments")]
mod environment;
mod error;
mod exact;
mod gate;
mod grouped;
mod instruction;
mod kernel;
mod labels;
mod order;
mod pauli;
mod qasm;
mod random;
mod recipe;
mod simd;
mod space;
mod splitmix;
#[cfg(feature = "environments")]
mod tableau;
mod target;

pub use alphabet::coupling::Coupling;
pub use alphabet::{Alphabet, Letter, MAX_QUBITS, MAX_UNITARY_QUBITS};
pub use approximate::{ApproximateBatch, ApproximateLetters};
pub use arithmetic::{Arithmetic, BATCH_LANES, DenseArithmetic, Equivalence, Tolerance};
pub use binary::batch::BinaryProducts;
pub use binary::letters::BinaryLetters;
pub use binary::matrix::BinaryMatrix;
pub use bounded_vec::BoundedVec;
pub use channel::{MAX_CHANNEL_QUBITS, pauli_transfer};
pub use circuit::{Circuit, Circuits, MAX_LENGTH};
pub use clifford::{Clifford, PauliProduct};
pub use codec::chunk::{Chunk, ChunkRef, ChunkSpan, Damage, Decoded};
pub use codec::column::ReadColumn;
pub use codec::content_hash::ContentHash;
pub use codec::labels::PackedLabels;
pub use codec::layout::Codec;
pub use drawing::{Drawing, PlacedLetter, draw};
#[cfg(feature = "environments")]
pub use environment::targets::Targets;
#[cfg(feature = "environments")]
pub use environment::task::{EQUALITY_TOLERANCE, Equality, Task};
#[cfg(feature = "environments")]
pub use environment::{Environments, MAX_ATTEMPTS, MAX_ENVIRONMENTS, Outcomes};
pub use error::{Error, Result};
pub use exact::batch::ExactProducts;
pub use exact::letters::ExactLetters;
pub use exact::unitary::ExactUnitary;
pub use gate::angle::evaluate;
pub use gate::rotation::MAX_GATE_ANGLES;
pub use gate::standard::{PRESETS, STANDARD};
pub use gate::synonyms::synonym;
pub use gate::{Gate, preset, unitarity_residual};
pub use grouped::grouped;
pub use instruction::Instruction;
pub use kernel::{Kernel, Scratch, naive};
pub use labels::builder::{Labels, MAX_LABELS};
pub use labels::name::letter_case_clash;
pub use labels::value::{Label, LabelColumn, TEXT_AND_NUMBER};
pub use num_complex::{Complex32, Complex64};
pub use order::permutation::{Permutation, shuffle};
pub use order::split::Split;
pub use order::unitary_split::UnitarySplit;
pub use qasm::Qasm;
pub use random::haar::{Haar, HaarScratch};
pub use recipe::dtype::Dtype;
pub use recipe::{FORMAT_VERSION, Recipe};
pub use space::constraints::Constraints;
pub use space::distinct::Distinct;
pub use space::{Space, SpaceKind};
#[cfg(feature = "environments")]
pub use tableau::{Tableau, TableauLetters};
pub use target::{Target, distance};
