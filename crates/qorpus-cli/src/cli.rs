//! The command line: flags and their help. The library owns their meaning and every default.

#![expect(clippy::doc_markdown, reason = "the doc comment of an argument is its help, not Markdown")]

use crate::distinct::DistinctArguments;
use crate::names::{self, DURABILITIES, DURABILITY_MEANINGS, ORDER_MEANINGS, ORDERS};
use crate::recipe::Recipe;
use crate::verify::{Repair, Verify};
use clap::{Args, Parser, Subcommand};
use qorpus::{Durability, FindOptions, GenerateOptions, Order, Part, PlanOptions, Target};
use std::path::PathBuf;

/// The examples at the end of a command's help: a line of explanation and a command, for each.
///
/// No line is longer than 80 columns, since clap would break it where a shell would not join it.
macro_rules! examples {
    ($($explanation:literal: $command:literal),+ $(,)?) => {
        concat!("\x1b[1m\x1b[4mExamples:\x1b[0m", $("\n  # ", $explanation, "\n  ", $command),+)
    };
}

const QUICK_START: &str = "\
\x1b[1m\x1b[4mQuick start:\x1b[0m
  qorpus generate demo.db
  qorpus show demo.db 7

Run 'qorpus COMMAND --help' for the flags of a command, with examples.";

const ABOUT_ALL_COMMANDS: &str = "\
\x1b[1m\x1b[4mCorpora:\x1b[0m
  demo.db             A file
  big/                A directory of shards, which machines can generate together
  s3://bucket/prefix  Shards in an object store

\x1b[1m\x1b[4mEnvironment:\x1b[0m
  QORPUS_CACHE        Directory on a local disk for shards from an object store
                      [default: ~/.cache/qorpus]
  QORPUS_CACHE_SIZE   Size limit of that directory [default: 20GiB]
  QORPUS_CHECK        'always' checks every block on every read, 'once' lets
                      reads of many records trust earlier ones [default: once]
  AWS_*               Object store and credentials: AWS_ENDPOINT_URL, AWS_REGION,
                      AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN

\x1b[1m\x1b[4mExit status:\x1b[0m
  0                   Success
  1                   Failure, or a corpus that is damaged or lacks shards
  2                   Wrong usage
  130                 Interrupted by Ctrl-C";

/// Generate, store and read corpora of (quantum circuit, unitary) pairs
#[derive(Parser)]
#[command(name = "qorpus", version, after_help = QUICK_START,
          after_long_help = format!("{QUICK_START}\n\n{ABOUT_ALL_COMMANDS}"))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Generate a corpus, or resume it
    ///
    /// Generates the records that are missing in OUT on all cores. Any number of processes may run
    /// this on one corpus at the same time; they share the work. Ctrl-C keeps the committed
    /// records. Run the same command again to resume, or with a larger --random, --cliffords or
    /// --haar to add records. Words grow by --length.
    ///
    /// If OUT ends in a slash or is a directory, the corpus is split into shards: files of up to
    /// 512 MiB, which several machines can generate together. Every command reads the directory as
    /// one corpus. Without --part, the last process adds the shards to the manifest. With --part,
    /// run 'qorpus seal' when all parts are done.
    #[command(after_help = examples!(
        "A million random Clifford+T circuits on two qubits, with their unitaries":
            "qorpus generate demo.db",
        "Circuits of 5 to 14 gates on one qubit, without unitaries":
            "qorpus generate one.db --gates h,s,t --qubits 1 --length 5..14 --no-unitaries",
        "Every circuit of up to 20 H and T gates, exactly once":
            "qorpus generate words.db --gates ht --qubits 1 --words --length 0..20",
        "Rotations, each by a random angle of its own":
            "qorpus generate rotations.db --gates \"rz(?),sx,cx\" --random 100k",
        "Uniformly random Clifford operators on three qubits":
            "qorpus generate cliffords.db --cliffords 100k --qubits 3",
        "Haar-random unitaries on three qubits, without circuits":
            "qorpus generate haar.db --haar 100k --qubits 3",
        "Gates of your own, on a line of three qubits":
            "qorpus generate mine.db --gates my-gates.toml --qubits 3 --coupling line",
        "CX in one direction only, and H on qubit 0 alone":
            "qorpus generate device.db --letters \"h 0; s 0; cx 0 1\"",
        "Share 3 of 64 of a directory of shards":
            "qorpus generate big/ --random 10G --no-unitaries --part 3/64",
        "Shards in an object store, built in /tmp":
            "qorpus generate s3://bucket/big/ --random 10G --no-unitaries --stage /tmp",
    ))]
    Generate(Generate),
    /// Enumerate every distinct unitary, each with a provably shortest circuit
    ///
    /// Searches all circuits breadth-first with exact arithmetic and keeps the first circuit of
    /// each unitary. Gates that are not over Z[i, 1/sqrt(2)], such as rz(0.3), are compared in
    /// floating point.
    ///
    /// Sets larger than --memory spill to temporary files beside OUT. Ctrl-C keeps the committed
    /// records. Run the same command again to resume, or with a larger --max-length or
    /// --max-cost to add records.
    #[command(after_help = examples!(
        "Every two-qubit unitary of up to 8 gates":
            "qorpus distinct two.db --gates h,t,tdg,cx --max-length 8",
        "The two-qubit Clifford group":
            "qorpus distinct group.db --gates clifford --max-length 100",
        "Every one-qubit unitary with a T-count of up to 12":
            "qorpus distinct t.db --qubits 1 --cost t=1,tdg=1 --max-cost 12",
    ))]
    Distinct(DistinctArguments),
    /// Predict the size and the duration of a corpus, on this machine or another
    ///
    /// Measures the processors and the disk of this machine for about three seconds. Compares a
    /// corpus with stored unitaries, one with circuits only, and records that are computed when
    /// they are read. Leaves no files behind.
    #[command(after_help = examples!(
        "The default recipe on this machine":
            "qorpus plan",
        "300 billion circuits on 32 cores, with a disk that writes 500 MB/s":
            "qorpus plan --gates h,s,t --qubits 1 --random 300G --cores 32 --disk-rate 500M",
    ))]
    Plan {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        recipe: Recipe,
        #[command(flatten)]
        machine: Machine,
    },
    /// Show a corpus's recipe, size and progress
    #[command(after_help = examples!(
        "A file": "qorpus info demo.db",
        "Shards in an object store": "qorpus info s3://bucket/big/",
        "The content hash alone": "qorpus info demo.db --json | jq .content_hash",
    ))]
    Info {
        /// A corpus file, a directory of shards, or s3://BUCKET/PREFIX
        corpus: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print records: circuit, drawing, unitary and labels
    #[command(after_help = examples!(
        "One record, with its circuit as a drawing": "qorpus show demo.db 7",
        "Three records as JSON, one per line": "qorpus show demo.db 0 1 2 --json",
        "A unitary in Qiskit's order of qubits": "qorpus show demo.db 7 --order little",
    ))]
    Show {
        /// A corpus file, a directory of shards, or s3://BUCKET/PREFIX
        corpus: PathBuf,
        /// Ids of records, counted from 0: 7, 7_000_000
        #[arg(required = true, value_name = "ID", value_parser = qorpus::parse_id)]
        ids: Vec<u64>,
        /// Order of the qubits in the unitary's indices
        #[arg(long, value_parser = names::parser(ORDERS, ORDER_MEANINGS), default_value = "big")]
        order: Order,
        /// Print JSON, one record per line
        #[arg(long)]
        json: bool,
    },
    /// Run a SELECT over the table of all records
    ///
    /// The table records has the columns id, circuit, length, unitary, a count_GATE for each gate,
    /// and the labels. The functions distance(a, b) and fidelity(a, b) compare two unitaries up to
    /// a global phase. Rows are printed when they are found.
    ///
    /// In JSON, a unitary has the form of 'qorpus show --json', and another BLOB is a string of
    /// hexadecimal digits. In CSV, every BLOB has hexadecimal digits, and NULL is an empty field.
    /// Ctrl-C ends the query with exit status 130.
    #[command(after_help = examples!(
        "The mean length of the circuits, as a table":
            "qorpus sql demo.db \"select avg(length) from records\"",
        "Three records as JSON, one per line":
            "qorpus sql demo.db \"select * from records limit 3\" --json",
        "A table of lengths as CSV":
            "qorpus sql big/ \"select id, length from records\" --csv",
    ))]
    Sql(Sql),
    /// Find the shortest circuit of a unitary in a corpus made by 'qorpus distinct'
    ///
    /// Proves the answer if the entries of the unitary are accurate to 1e-9 (1e-12 if a gate is not
    /// over Z[i, 1/sqrt(2)]). The proof is a shortest circuit, or that no circuit up to the
    /// corpus's length or cost implements the unitary. For a less accurate unitary, or with
    /// --tolerance, prints the nearest record within the tolerance, without a proof.
    ///
    /// In a corpus enumerated by length, two records are combined to find circuits up to twice as
    /// long.
    #[command(after_help = examples!(
        "The shortest circuit of a swap": "qorpus find two.db --circuit \"swap 0 1\"",
        "The shortest circuit of a NumPy array": "qorpus find two.db --unitary target.npy",
        "The nearest record within 0.01 of a noisy unitary":
            "qorpus find two.db --unitary target.npy --tolerance 0.01",
    ))]
    #[command(group = clap::ArgGroup::new("target").required(true).args(["circuit", "unitary"]))]
    Find(Find),
    /// Check a corpus for damaged, missing and duplicate records
    ///
    /// Checks the checksums of every chunk and recomputes the records of a sample. Other processes
    /// may write to the corpus meanwhile. Exit status 1 if something is wrong.
    #[command(after_help = examples!(
        "Recompute every record": "qorpus verify demo.db",
        "Recompute one record in a hundred": "qorpus verify big/ --sample 0.01",
    ))]
    Verify(Verify),
    /// Recompute damaged chunks of a file, or damaged and lost shards
    ///
    /// Checks the corpus as 'qorpus verify' does, recomputes the damaged parts, and checks it
    /// again. An intact corpus is left unchanged. Records that a program appended cannot be
    /// recomputed; restore them from a copy.
    #[command(after_help = examples!(
        "Recompute the damaged chunks of a file": "qorpus repair demo.db",
        "Rebuild damaged and lost shards, looking for damage by checksums only":
            "qorpus repair big/ --sample 0",
    ))]
    Repair(Repair),
    /// Add the published shards of a directory or bucket to its manifest
    ///
    /// Run it when all parts of 'qorpus generate --part' are done. Prints the ranges of missing
    /// records. Reads the receipts of shards, not their records. Exit status 1 if shards are
    /// missing.
    #[command(after_help = examples!(
        "After the last part": "qorpus seal big/",
        "The missing ranges as JSON": "qorpus seal big/ --json | jq .missing",
    ))]
    Seal {
        /// A directory of shards, or s3://BUCKET/PREFIX
        directory: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Merge corpora of one recipe into one file
    ///
    /// Checks every chunk before it is copied. Records that OUT already has are left unchanged.
    /// Ctrl-C keeps the committed records. Run the same command again to resume.
    #[command(after_help = examples!(
        "Two files": "qorpus merge all.db part0.db part1.db",
        "A directory of shards, into one file": "qorpus merge whole.db big/",
    ))]
    Merge {
        /// The corpus file to merge into; created if it does not exist
        out: PathBuf,
        /// Corpora to merge: files, directories, or s3://BUCKET/PREFIX with every published shard
        #[arg(required = true, value_name = "IN")]
        inputs: Vec<PathBuf>,
        /// Print no progress and no summary
        #[arg(long, short)]
        quiet: bool,
    },
    /// Export records as NumPy, Parquet, CSV or OpenQASM 3
    ///
    /// The extension of OUT selects the format: .npy (unitaries, memory-mappable, with circuits and
    /// labels in files beside it), .parquet, .csv, or .qasm (OpenQASM 3, with labels in comments).
    #[command(after_help = examples!(
        "Unitaries for numpy.load": "qorpus export demo.db demo.npy",
        "One table with circuits, unitaries and labels": "qorpus export demo.db demo.parquet",
    ))]
    Export {
        /// A corpus file, a directory of shards, or s3://BUCKET/PREFIX
        corpus: PathBuf,
        /// The file to write; it must not exist
        out: PathBuf,
        /// Print no progress and no summary
        #[arg(long, short)]
        quiet: bool,
    },
    /// Print the path of the SQLite extension
    ///
    /// Programs with their own SQLite, such as sqlite3, Python and Datasette, load the extension to
    /// read records. It adds the table qorpus and the functions distance(a, b) and fidelity(a, b).
    /// The extension is part of the Python package.
    #[command(after_help = examples!(
        "Query a corpus with Datasette":
            "qorpus sqlite-extension | xargs -I X datasette demo.db --load-extension X",
    ))]
    SqliteExtension,
    /// Look at a corpus in a browser
    ///
    /// Serves pages about the corpus on this machine alone, until Ctrl-C: its records with their
    /// circuits and unitaries drawn, search, and SQL. Changes nothing. Needs the Python package with
    /// its extra 'view': pip install 'qorpus[view]'.
    #[command(after_help = examples!(
        "On a free port, which is printed": "qorpus view demo.db",
        "On port 8001, and open the browser": "qorpus view demo.db --port 8001 --open",
        "A recipe, whose records are computed": "qorpus view recipe.json",
    ))]
    View(View),
    /// Print a shell completion script
    #[command(after_help = examples!(
        "Bash": "qorpus completions bash >> ~/.bash_completion",
        "Zsh, with ~/.zfunc in fpath": "qorpus completions zsh > ~/.zfunc/_qorpus",
    ))]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The corpus that `qorpus view` serves, and how.
#[derive(Args)]
pub struct View {
    /// A corpus file, a directory of shards, s3://BUCKET/PREFIX, or the JSON file of a recipe
    pub corpus: PathBuf,
    /// Port of 127.0.0.1 [default: a free one]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Open the page in the browser
    #[arg(long)]
    pub open: bool,
}

#[derive(Args)]
pub(crate) struct Sql {
    /// A corpus file, a directory of shards, or s3://BUCKET/PREFIX
    pub(crate) corpus: PathBuf,
    /// A single SELECT over the table records
    pub(crate) query: String,
    /// Order of the qubits in the indices of unitaries
    #[arg(long, value_parser = names::parser(ORDERS, ORDER_MEANINGS), default_value = "big")]
    pub(crate) order: Order,
    /// Print JSON, one row per line
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print CSV, with the names of the columns in the first line
    #[arg(long)]
    pub(crate) csv: bool,
}

#[derive(Args)]
pub(crate) struct Find {
    /// A corpus file made by 'qorpus distinct'
    pub(crate) corpus: PathBuf,
    /// Circuit with the unitary to find, in any standard gates: "h 0; cx 0 1"
    #[arg(long)]
    circuit: Option<String>,
    /// NumPy file with the unitary to find
    #[arg(long, value_name = "FILE.npy")]
    unitary: Option<PathBuf>,
    /// Order of the qubits in the indices of --unitary
    #[arg(long, value_parser = names::parser(ORDERS, ORDER_MEANINGS), default_value = "big")]
    order: Order,
    /// Largest difference of an entry at which a record is accepted, up to 2 [default: derived from
    /// the precision of the unitary]
    ///
    /// Differences are taken up to a global phase, unless the corpus distinguishes phases. The
    /// nearest record within the tolerance is printed, without a proof.
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    tolerance: Option<f64>,
    /// Search only the records, not circuits up to twice as long
    #[arg(long)]
    stored: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Find {
    pub(crate) fn target(&self, recipe: &qorpus::Recipe) -> qorpus::Result<Target> {
        if let Some(file) = &self.unitary {
            return qorpus::read_npy(file, recipe.alphabet().qubits(), self.order);
        }
        qorpus::circuit_target(self.circuit.as_deref().unwrap_or_default(), recipe)
    }

    pub(crate) fn options(&self) -> FindOptions {
        FindOptions { extend: !self.stored, tolerance: self.tolerance }
    }
}

#[derive(Args)]
pub(crate) struct Generate {
    /// The corpus to create or resume: a file, a directory with a slash at its end, or
    /// s3://BUCKET/PREFIX
    pub(crate) out: PathBuf,
    /// Print no progress and no summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) recipe: Recipe,
    #[command(flatten)]
    pub(crate) job: GenerateJob,
}

/// The options of a generation that leave the records unchanged.
#[derive(Args)]
#[command(next_help_heading = "Job")]
pub(crate) struct GenerateJob {
    /// Number of worker threads [default: one per core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<usize>,
    /// Generate only share I of N, with I from 0 to N-1
    ///
    /// In a directory or a bucket, a share is every N-th shard: I, I+N, I+2N, and so on. In a file,
    /// it is a range of chunks.
    #[arg(long, value_name = "I/N")]
    pub(crate) part: Option<Part>,
    /// Records per shard, rounded up to whole chunks [default: as many as fit in 512 MiB]
    #[arg(long, value_name = "RECORDS", value_parser = qorpus::parse_count)]
    shard: Option<u64>,
    /// Directory on a local disk in which shards are built before they are copied to OUT [default:
    /// OUT, or the cache for a bucket]
    ///
    /// Required on network file systems, where SQLite cannot lock files. It needs space for
    /// a shard for every two threads.
    #[arg(long, value_name = "LOCALDIR")]
    stage: Option<PathBuf>,
    /// Start even if the corpus needs more space than the file system has free
    #[arg(long)]
    force: bool,
    /// Protection of committed records against a power cut
    ///
    /// A killed process loses no committed record with any of these.
    #[arg(long, value_name = "LEVEL", default_value = "full",
          value_parser = names::parser(DURABILITIES, DURABILITY_MEANINGS))]
    durability: Durability,
}

impl Generate {
    pub(crate) fn options(&self) -> GenerateOptions {
        let GenerateJob { jobs, part, shard, stage, force, durability } = &self.job;
        GenerateOptions {
            jobs: *jobs,
            part: part.unwrap_or_default(),
            durability: *durability,
            shard: *shard,
            stage: stage.clone(),
            force: *force,
        }
    }
}

/// The machine that is planned for.
#[derive(Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct Machine {
    /// Number of worker threads on this machine [default: one per core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<usize>,
    /// Number of cores of the other machine [default: as many as on this machine]
    #[arg(long, value_name = "N")]
    cores: Option<usize>,
    /// Sequential write rate of the other machine's disk, in bytes per second: 500M, 2G [default:
    /// measured on this machine]
    ///
    /// Without --cores, it also replaces the measured rate of this machine.
    #[arg(long, value_name = "BYTES", value_parser = qorpus::parse_count)]
    disk_rate: Option<u64>,
    /// Directory in which this machine's disk is measured [default: the directory for temporary
    /// files]
    #[arg(long = "in", value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Machine {
    pub(crate) fn options(self) -> PlanOptions {
        let Machine { jobs, cores, disk_rate, directory } = self;
        PlanOptions { jobs, cores, disk_rate, directory }
    }
}
