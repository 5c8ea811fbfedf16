//! Corpora of quantum circuits and their unitaries in SQLite files: generating, storing, reading.
//!
//! ```
//! use qorpus::{CorpusFile, GenerateOptions, Order, RecipeOptions, generate};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("demo.db");
//! let recipe = RecipeOptions { random: 1000, ..RecipeOptions::default() }.recipe()?;
//! generate(&path, &recipe, GenerateOptions::default(), &false.into(), &mut |_| {})?;
//!
//! let corpus = CorpusFile::open(&path)?;
//! let record = corpus.record(7, Order::Big)?;
//! assert_eq!(record.unitary.len(), 4 * 4);
//! println!("{}", recipe.alphabet().text(&record.circuit, &record.angles));
//! # Ok::<(), qorpus::Error>(())
//! ```
//!
//! Three features are off by default, because they lengthen a first build. `parquet` exports to
//! `.parquet`, and `buckets` reads and writes sharded corpora in S3-compatible stores. Without them
//! such paths are an [`Error::MissingFeature`]. `environments` adds `ParallelEnvironments`, batches
//! of environments in which letters compile targets, and `DistanceTable`.
//!
//! Linux only: the writers' lock is an open-file-description lock.

mod corpus;
mod distinct;
#[cfg(feature = "environments")]
mod environments;
mod error;
mod export;
mod extension_file;
mod hex;
mod npy;
mod ops;
mod options;
mod os;
mod paths;
mod produce;
mod qubit_order;
mod read;
mod remedy;
mod shards;
mod sqlite;
mod tables;
mod verify;

pub use corpus::corpus_file::{CorpusFile, Summary};
pub use corpus::ids::Ids;
pub use corpus::record::Record;
#[cfg(feature = "environments")]
pub use distinct::distance_table::{Distance, DistanceTable};
pub use distinct::enumerate::{enumerate, enumerate_remote};
pub use distinct::found::Found;
pub use distinct::partition::Partition;
pub use distinct::progress::{EnumerateProgress, Phase};
pub use distinct::remote::{Remote, TakeRows};
pub use distinct::target::{check_matrix, circuit_target, circuit_unitary, read_npy};
pub use distinct::worker::RemoteWorker;
#[cfg(feature = "environments")]
pub use environments::ParallelEnvironments;
pub use error::{ChunkDamage, Error, Result};
pub use export::file::export;
pub use extension_file::sqlite_extension;
pub use ops::generate::generate;
pub use ops::merge::merge;
pub use ops::plan::{Machine, Plan, Way, plan};
pub use ops::verify::{repair, verify};
pub use options::alphabet::{DEFAULT_COUPLING, DEFAULT_QUBITS};
pub use options::distinct::{DistinctOptions, EnumerateOptions, FindOptions};
#[cfg(feature = "environments")]
pub use options::environment::{EnvironmentOptions, Observation};
pub use options::gates::{GateOption, Gates};
pub use options::job::{Durability, GenerateOptions, Part, PlanOptions};
pub use options::numbers::{parse_count, parse_id, parse_length};
pub use options::recipe::RecipeOptions;
pub use options::writer::{PairCheck, WriterOptions};
pub use os::filesystem::report_file_limits;
pub use os::fork::{after_fork, before_fork};
pub use os::waiting::{WaitHooks, set_wait_hooks};
pub use paths::is_sharded;
pub use produce::append::Writer;
pub use produce::progress::{Idle, Outcome, Progress};
pub use qorpus_core::{
    self as core, Circuits, Complex64, Dtype, Equivalence, Label, LabelColumn, Recipe, Target,
};
pub use qubit_order::Order;
pub use read::corpus::Corpus;
pub use read::host_table::add_to_connection;
pub use read::parameters::Parameters;
pub use read::present::Present;
pub use read::rows::Rows;
pub use read::sql::{RowReceiver, SelectedColumn, Selection};
pub use read::unitary_parts::UnitaryParts;
pub use rusqlite::types::Value;
pub use shards::commit::{Sealed, begin, receipt, seal};
pub use shards::stage::built_in;
pub use sqlite::read_only::open_read_only;
pub use sqlite::wal::missing_wal;
pub use tables::levels::Level;
pub use verify::report::{RepairOptions, Verification, VerifyOptions};
