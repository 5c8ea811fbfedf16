//! Corpora of quantum circuits and their unitaries in SQLite files: generating, storing, reading.
//!
//! ```
//! use qorpus::{Corpus, GenerateOptions, Order, RecipeOptions, generate};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("demo.db");
//! let recipe = RecipeOptions { random: 1000, ..RecipeOptions::default() }.recipe()?;
//! generate(&path, &recipe, GenerateOptions::default(), &false.into(), &mut |_| {})?;
//!
//! let corpus = Corpus::open(&path)?;
//! let record = corpus.record(7, Order::Big)?;
//! assert_eq!(record.unitary.len(), 4 * 4);
//! println!("{}", recipe.alphabet().text(&record.circuit));
//! # Ok::<(), qorpus::Error>(())
//! ```
//!
//! Linux only: the writers' lock needs its open-file-description locks.

mod columns;
mod computed;
mod connection;
mod directory;
mod disk;
mod distinct;
mod error;
mod export;
mod filesystem;
mod fork;
mod gate_file;
mod generate;
mod guard;
mod holder;
mod ids;
mod layout;
mod lock;
mod lookup;
mod maker;
mod mapping;
mod merge;
mod options;
mod pairs;
mod parameters;
mod permission;
mod plan;
mod present;
mod query;
mod queue;
mod reader;
mod records;
mod rights;
mod scan;
mod schema;
mod shards;
mod still;
mod store;
mod texts;
mod tree;
mod unitary_parts;
mod verify;
mod waiting;
mod wal;
mod work;
mod workers;
mod writer;

pub use distinct::{
    Division, Elsewhere, EnumerateProgress, Found, Level, Phase, Take, Worker, circuit_unitary, enumerate,
    enumerate_elsewhere, read_npy,
};
pub use error::{ChunkDamage, Error, Result};
pub use export::export;
pub use filesystem::report_file_limits;
pub use fork::{after_fork, before_fork};
pub use generate::{Idle, Outcome, Progress, generate};
pub use ids::Ids;
pub use merge::merge;
pub use options::{
    DistinctOptions, Durability, EnumerateOptions, FindOptions, GateOption, Gates, GenerateOptions,
    PairCheck, Part, PlanOptions, RecipeOptions, WriterOptions, parse_count, parse_id, parse_length,
};
pub use parameters::Parameters;
pub use plan::{Machine, Plan, Way, plan};
pub use present::Present;
pub use qorpus_core::{
    self as core, Circuits, Complex64, Dtype, Equivalence, Label, LabelColumn, Recipe, Target,
};
pub use query::Selection;
pub use reader::{Corpus, Order, Record, Summary};
pub use records::{Reader, Rows};
pub use rusqlite::types::Value;
pub use shards::{Sealed, begin, built_in, is_sharded, receipt, seal};
pub use unitary_parts::UnitaryParts;
pub use verify::{RepairOptions, Verification, VerifyOptions, repair, verify};
pub use waiting::{Caller, set_caller};
pub use wal::missing_wal;
pub use writer::Writer;
