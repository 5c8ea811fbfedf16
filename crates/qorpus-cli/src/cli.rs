//! The command line: flags and their help. Their meaning, and every default, is the library's.

#![expect(clippy::doc_markdown, reason = "what documents an argument is its help, not Markdown")]

use crate::names::{self, DTYPES, DURABILITIES, ORDERS, UP_TO};
use clap::{Args, Parser, Subcommand};
use qorpus::{
    DistinctOptions, Dtype, Durability, EnumerateOptions, Equivalence, FindOptions, GenerateOptions, Order,
    Part, PlanOptions, RecipeOptions, RepairOptions, Target, VerifyOptions,
};
use std::path::PathBuf;

/// Corpora of quantum circuits and their unitaries, in one SQLite file or a directory of them.
#[derive(Parser)]
#[command(
    name = "qorpus",
    version,
    after_help = "Start with:\n  qorpus generate demo.db\n  qorpus show demo.db 7\n\nExit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a corpus, or go on making it
    ///
    /// Makes the records that are missing in OUT. Several processes may work on one file at the
    /// same time: they share the work. Ctrl-C keeps what is ready; the same command goes on from
    /// there. A corpus that needs more bytes than its file system has free is not begun, unless
    /// --force is given.
    ///
    /// If OUT ends in a slash, or is a directory, the corpus is sharded: a directory of files of
    /// some hundred megabytes, which machines can make together, and which all commands read as
    /// one. Each shard is built out of sight, checked and then published; 'qorpus seal' lists what
    /// is published in the manifest, as the end of a generation without --part does.
    ///
    /// OUT may also be s3://BUCKET/PREFIX in an object store, which AWS_ENDPOINT_URL, AWS_REGION,
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the like describe. Copies of shards that are
    /// read are kept in QORPUS_CACHE (~/.cache/qorpus), up to QORPUS_CACHE_SIZE (20GiB).
    #[command(after_help = "Examples:\n  qorpus generate demo.db\n  \
        qorpus generate one.db --gates h,s,t --qubits 1 --random 100M --length 5..14 --no-unitaries\n  \
        qorpus generate words.db --gates ht --qubits 1 --words --length 0..20\n  \
        qorpus generate mine.db --gates my-gates.toml --coupling line --qubits 3\n  \
        qorpus generate part.db --part 3/16 --random 1G\n  \
        qorpus generate big/ --random 10G --no-unitaries\n  \
        qorpus generate shared/ --random 10G --no-unitaries --stage /tmp --part 3/64\n  \
        qorpus generate s3://bucket/big/ --random 10G --no-unitaries --stage /tmp")]
    Generate(Generate),
    /// Enumerate every distinct unitary, each with a provably shortest circuit
    ///
    /// Goes through all circuits level by level, exactly, and keeps the first circuit of each
    /// unitary. Ctrl-C keeps what is done; the same command goes on from there. Needs room for
    /// temporary files beside OUT.
    #[command(
        after_help = "Examples:\n  qorpus distinct two.db --gates h,t,tdg,cx --qubits 2 --max-length 8\n  \
        qorpus distinct group.db --gates clifford --qubits 2 --max-length 100\n  \
        qorpus distinct t.db --qubits 1 --cost t=1,tdg=1 --max-cost 12"
    )]
    Distinct(DistinctArguments),
    /// Find the shortest circuit of a unitary in a corpus that 'qorpus distinct' made
    ///
    /// Proves it if no circuit up to the corpus's length makes a unitary whose entries are right to
    /// 1e-9 (1e-12 if some gate is not over Z[i, 1/sqrt(2)]). Of a less precise matrix, or with
    /// --tolerance, the nearest record within the tolerance is named, and nothing is proven.
    /// Circuits up to twice as long are put together from two that are in the corpus.
    #[command(after_help = "Examples:\n  qorpus find two.db --circuit \"cx 0 1; cx 1 0; cx 0 1\"\n  \
        qorpus find two.db --unitary target.npy --json\n  \
        qorpus find two.db --unitary target.npy --tolerance 0.01")]
    #[command(group = clap::ArgGroup::new("target").required(true).args(["circuit", "unitary"]))]
    Find(Find),
    /// Show what a recipe would cost, stored or computed, here or on another machine; leaves
    /// nothing behind
    ///
    /// Computes and writes for three seconds to find out how fast this machine is.
    #[command(after_help = "Examples:\n  qorpus plan\n  \
        qorpus plan --gates h,s,t --qubits 1 --random 300G --length 5..14 --cores 32 --disk-rate 500M")]
    Plan {
        #[command(flatten)]
        recipe: Recipe,
        #[command(flatten)]
        machine: Machine,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a corpus's recipe, size and progress
    #[command(
        after_help = "Examples:\n  qorpus info demo.db\n  qorpus info big/\n  qorpus info s3://bucket/big/\n  qorpus info demo.db --json | jq .content_hash"
    )]
    Info {
        /// The corpus
        corpus: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print records: circuit, drawing, unitary, labels
    #[command(
        after_help = "Examples:\n  qorpus show demo.db 7\n  qorpus show demo.db 0 1 2 --json\n  qorpus show big/ 7_000_000_000\n  \
        qorpus show demo.db 7 --order little"
    )]
    Show {
        /// The corpus
        corpus: PathBuf,
        /// Ids of records, counted from 0
        #[arg(required = true, value_name = "ID", value_parser = qorpus::parse_id)]
        ids: Vec<u64>,
        /// Which qubit is the most significant bit: the first (big) or the last (little, as in
        /// Qiskit)
        #[arg(long, value_parser = names::parser(ORDERS), default_value = "big")]
        order: Order,
        /// Print JSON, one record a line
        #[arg(long)]
        json: bool,
    },
    /// List the shards of a directory or bucket that are published in its manifest, and say what is
    /// missing
    ///
    /// For a corpus whose parts were made with --part. Reads receipts, not records. Exit status 1
    /// if shards are missing.
    #[command(
        after_help = "Examples:\n  qorpus seal big/\n  qorpus seal big/ --json | jq .missing\n  qorpus seal s3://bucket/big/"
    )]
    Seal {
        /// The directory, or s3://BUCKET/PREFIX
        directory: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check a corpus: checksums, gaps, duplicates, recomputation
    #[command(after_help = "Examples:\n  qorpus verify demo.db\n  qorpus verify big.db --sample 0.01")]
    Verify(Verify),
    /// Compute damaged or lost chunks again; of a directory or bucket, the shards they are in
    #[command(after_help = "Examples:\n  qorpus repair demo.db\n  qorpus repair big/\n  \
        qorpus repair s3://bucket/big/ --sample 0 --stage /tmp")]
    Repair(Repair),
    /// Write records to a file of another format
    ///
    /// The ending of OUT decides: .npy (unitaries, memory-mappable, with circuits and labels in
    /// files beside it), .parquet, .csv, .qasm (OpenQASM 3, labels in comments).
    #[command(
        after_help = "Examples:\n  qorpus export demo.db demo.npy\n  qorpus export demo.db demo.parquet"
    )]
    Export {
        /// The corpus
        corpus: PathBuf,
        /// The file to write; it must not exist
        out: PathBuf,
        /// Show no progress
        #[arg(long, short)]
        quiet: bool,
    },
    /// Put corpora of one recipe together in one file
    ///
    /// Each IN is a file, a directory, or s3://BUCKET/PREFIX; of shards, all that are published are
    /// taken.
    #[command(
        after_help = "Examples:\n  qorpus merge all.db part0.db part1.db\n  qorpus merge whole.db big/\n  qorpus merge local.db s3://bucket/big/"
    )]
    Merge {
        /// The corpus to add to; it is created if need be
        out: PathBuf,
        /// The corpora to take from
        #[arg(required = true, value_name = "IN")]
        inputs: Vec<PathBuf>,
        /// Show no progress
        #[arg(long, short)]
        quiet: bool,
    },
    /// Print a shell's completions
    #[command(after_help = "Examples:\n  qorpus completions bash > /etc/bash_completion.d/qorpus")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct Find {
    /// The corpus
    pub(crate) corpus: PathBuf,
    /// A circuit that makes the unitary, of any standard gates
    #[arg(long)]
    circuit: Option<String>,
    /// The unitary, as a NumPy file
    #[arg(long, value_name = "FILE.npy")]
    unitary: Option<PathBuf>,
    /// How the qubits of the unitary are ordered
    #[arg(long, value_parser = names::parser(ORDERS), default_value = "big")]
    order: Order,
    /// Take the nearest record whose entries differ by at most this, up to phase if the corpus is;
    /// without it, the tolerance follows from the matrix's precision
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    tolerance: Option<f64>,
    /// Look in the corpus alone, not for circuits up to twice as long
    #[arg(long)]
    stored: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Find {
    pub(crate) fn target(&self, qubits: usize) -> qorpus::Result<Target> {
        if let Some(file) = &self.unitary {
            return qorpus::read_npy(file, qubits, self.order);
        }
        let circuit = self.circuit.as_deref().unwrap_or_default();
        qorpus::circuit_unitary(circuit, qubits).map(Target::of_circuit)
    }

    pub(crate) fn options(&self) -> FindOptions {
        FindOptions { extend: !self.stored, tolerance: self.tolerance }
    }
}

#[derive(Args)]
pub(crate) struct Generate {
    /// The file to make, or with a slash at its end the directory; or s3://BUCKET/PREFIX
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) recipe: Recipe,
    /// Worker threads [default: one a core]
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Make only this share: I/N, with I from 0 to N-1; of a directory the shards I, I+N, I+2N and
    /// so on
    #[arg(long, value_name = "I/N")]
    pub(crate) part: Option<Part>,
    /// Records of a shard, rounded up to whole chunks [default: those of up to 512 MiB]
    #[arg(long, value_name = "RECORDS", value_parser = qorpus::parse_count)]
    shard: Option<u64>,
    /// Build shards in this directory on a local disk, then copy them: for network file systems,
    /// where SQLite must not write, and for buckets [default for buckets: in the cache]
    #[arg(long, value_name = "LOCALDIR")]
    stage: Option<PathBuf>,
    /// Begin although the file system has fewer bytes free than the corpus needs
    #[arg(long)]
    force: bool,
    /// Commits that survive a power cut: all, all but the last ones, or perhaps none
    #[arg(long, value_parser = names::parser(DURABILITIES), default_value = "full")]
    durability: Durability,
    /// Print nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Generate {
    pub(crate) fn options(&self) -> GenerateOptions {
        GenerateOptions {
            jobs: self.jobs,
            part: self.part.unwrap_or_default(),
            durability: self.durability,
            shard: self.shard,
            stage: self.stage.clone(),
            force: self.force,
        }
    }
}

/// The machine that is planned for.
#[derive(Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct Machine {
    /// Threads on this machine [default: one a core]
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Cores of the machine that is asked about [default: as many as here]
    #[arg(long)]
    cores: Option<usize>,
    /// Bytes a second that its disk takes: 500M, 2G [default: what this one takes]
    #[arg(long, value_name = "BYTES", value_parser = qorpus::parse_count)]
    disk_rate: Option<u64>,
    /// Where this machine's disk is tried [default: the directory of temporary files]
    #[arg(long = "in", value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Machine {
    pub(crate) fn options(self) -> PlanOptions {
        let Machine { jobs, cores, disk_rate, directory } = self;
        PlanOptions { jobs, cores, disk_rate, directory }
    }
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("how far").required(true).args(["max_length", "cost"]))]
pub(crate) struct DistinctArguments {
    /// The file to make
    pub(crate) out: PathBuf,
    #[command(flatten)]
    alphabet: Alphabet,
    /// The most letters of a circuit
    #[arg(long, value_name = "L")]
    max_length: Option<usize>,
    /// Costs of gates instead of one each: t=1,tdg=1; the others cost nothing
    #[arg(long, value_name = "GATE=COST,...", requires = "max_cost")]
    cost: Option<String>,
    /// The most that a circuit costs
    #[arg(long, value_name = "COST", requires = "cost")]
    max_cost: Option<u32>,
    /// Unitaries that differ by a global phase alone are the same; or none but equal ones are
    #[arg(long, value_parser = names::parser(UP_TO), default_value = "phase")]
    up_to: Equivalence,
    /// Memory for candidates: 4GiB [default: half of what is free]
    #[arg(long, value_name = "BYTES", value_parser = qorpus::parse_count)]
    memory: Option<u64>,
    /// Worker threads [default: one a core]
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Commits that survive a power cut: all, all but the last ones, or perhaps none
    #[arg(long, value_parser = names::parser(DURABILITIES), default_value = "full")]
    durability: Durability,
    /// Print nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl DistinctArguments {
    pub(crate) fn recipe(&self) -> DistinctOptions {
        DistinctOptions {
            gates: self.alphabet.gates.clone().into(),
            qubits: self.alphabet.qubits,
            coupling: self.alphabet.coupling.clone(),
            max_length: self.max_length,
            cost: self.cost.clone(),
            max_cost: self.max_cost,
            up_to: self.up_to,
            ..DistinctOptions::default()
        }
    }

    pub(crate) fn options(&self) -> EnumerateOptions {
        EnumerateOptions { memory: self.memory, jobs: self.jobs, durability: self.durability }
    }
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The corpus
    pub(crate) corpus: PathBuf,
    /// The fraction of the records to recompute, 0 to 1; checksums are always checked
    #[arg(long, value_name = "FRACTION", default_value_t = VerifyOptions::default().sample)]
    sample: f64,
    /// Worker threads [default: one a core]
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Show no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Verify {
    pub(crate) fn options(&self) -> VerifyOptions {
        VerifyOptions { sample: self.sample, jobs: self.jobs }
    }
}

#[derive(Args)]
pub(crate) struct Repair {
    #[command(flatten)]
    pub(crate) verify: Verify,
    /// Build shards in this directory on a local disk, then copy them, as for 'qorpus generate'
    #[arg(long, value_name = "LOCALDIR")]
    stage: Option<PathBuf>,
}

impl Repair {
    pub(crate) fn options(&self) -> RepairOptions {
        RepairOptions { verify: self.verify.options(), stage: self.stage.clone() }
    }
}

/// The gates and where they may stand.
#[derive(Args)]
struct Alphabet {
    /// A preset (clifford, clifford+t, ht, nam, ibm, rigetti), a gate file (FILE.toml), or gates:
    /// "h,t,rz(pi/8),cx"
    #[arg(long, default_value_t = RecipeOptions::default().gates.to_string())]
    gates: String,
    /// Number of qubits, 1 to 8
    #[arg(long, default_value_t = RecipeOptions::default().qubits)]
    qubits: usize,
    /// Which qubits a gate may join: all, line, ring, or pairs: 0-1,1-2
    #[arg(long, default_value_t = RecipeOptions::default().coupling)]
    coupling: String,
}

/// The options that decide the records.
#[derive(Args)]
#[command(next_help_heading = "Recipe")]
pub(crate) struct Recipe {
    #[command(flatten)]
    alphabet: Alphabet,
    /// How many random circuits: 1000000, 1M
    #[arg(long, value_name = "COUNT", value_parser = qorpus::parse_count,
          default_value_t = RecipeOptions::default().random, conflicts_with = "words")]
    random: u64,
    /// Seed of the random circuits
    #[arg(long, default_value_t = RecipeOptions::default().seed, conflicts_with = "words")]
    seed: u64,
    /// Every word over the letters instead of random circuits
    #[arg(long)]
    words: bool,
    /// Shortest and longest circuit, in letters, both included: 5..15, or 10 alone
    #[arg(long, value_name = "MIN..MAX", value_parser = qorpus::parse_length,
          default_value = default_length())]
    length: (usize, usize),
    /// Type of the unitaries' entries
    #[arg(long, value_parser = names::parser(DTYPES), default_value = "complex128")]
    dtype: Dtype,
    /// Store the circuits alone; the unitaries are computed on reading
    #[arg(long)]
    no_unitaries: bool,
}

fn default_length() -> String {
    let (min, max) = RecipeOptions::default().length;
    format!("{min}..{max}")
}

impl Recipe {
    pub(crate) fn options(self) -> RecipeOptions {
        RecipeOptions {
            gates: self.alphabet.gates.into(),
            qubits: self.alphabet.qubits,
            coupling: self.alphabet.coupling,
            words: self.words,
            random: self.random,
            seed: self.seed,
            length: self.length,
            dtype: self.dtype,
            unitaries: !self.no_unitaries,
        }
    }
}
