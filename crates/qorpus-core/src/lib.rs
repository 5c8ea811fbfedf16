//! The pure core of Qorpus: from a gate's name to the bytes of a chunk, without I/O, threads, SQL or Python.
//!
//! Data flows one way:
//!
//! ```text
//! gate -> alphabet -> space: index -> circuit -> kernel: unitary -> chunk bytes
//! ```
//!
//! A record is a pure function of ([`Recipe`], index), to the bit, on every machine:
//!
//! ```
//! use qorpus_core::{Alphabet, Circuits, Coupling, Dtype, Gate, Kernel, Recipe, Space};
//!
//! let gates = ["h", "t", "cx"].map(|name| Gate::standard(name).unwrap()).to_vec();
//! let alphabet = Alphabet::new(gates, 2, Coupling::All)?;
//! let space = Space::words(&alphabet, 0, 10)?;
//! let recipe = Recipe::new(alphabet, space, Dtype::Complex128, true);
//!
//! let mut circuits = Circuits::default();
//! recipe.space().circuits(123..124, &mut circuits);
//! assert_eq!(recipe.alphabet().text(circuits.get(0)), "t 0; h 1; t 0");
//!
//! let mut unitary = vec![Default::default(); 16];
//! Kernel::new(recipe.alphabet()).unitaries(&circuits, &mut Default::default(), &mut unitary);
//! # Ok::<(), qorpus_core::Error>(())
//! ```

mod alphabet;
mod angle;
mod arithmetic;
mod at_most;
mod bits;
mod chunk;
mod circuit;
mod codec;
mod drawing;
mod error;
mod exact;
mod floating;
mod gate;
mod gate_text;
mod kernel;
mod labels;
mod level;
mod permutation;
mod placed;
mod qasm;
mod random;
mod recipe;
mod space;
mod split;
mod synonyms;
mod target;
mod unitary_split;

pub use alphabet::{Alphabet, Coupling, Letter, MAX_QUBITS};
pub use angle::evaluate;
pub use arithmetic::{Arithmetic, Bands};
pub use at_most::AtMost;
pub use chunk::{Chunk, ChunkRef, ContentHash, Damage};
pub use circuit::Circuits;
pub use codec::{Codec, Place};
pub use drawing::draw;
pub use error::{Error, Result};
pub use exact::{Exact, ExactLetters, ExactProducts, LANES, UpTo};
pub use floating::{FloatingBatch, FloatingLetters};
pub use gate::{Gate, PRESETS, STANDARD, preset, unitarity_residual};
pub use kernel::{Kernel, Scratch, naive};
pub use labels::{Label, LabelColumn, Labels, MOST_LABELS, PackedLabels, TEXT_AND_NUMBER, clash};
pub use num_complex::{Complex32, Complex64};
pub use permutation::{Permutation, shuffle};
pub use placed::Placed;
pub use qasm::Qasm;
pub use recipe::{Dtype, FORMAT_VERSION, Recipe};
pub use space::{Distinct, MAX_LENGTH, Space};
pub use split::Split;
pub use synonyms::synonym;
pub use target::{Target, distance};
pub use unitary_split::UnitarySplit;
