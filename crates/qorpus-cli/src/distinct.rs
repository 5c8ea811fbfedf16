//! The flags of an enumeration.

use crate::names::{self, DURABILITIES, DURABILITY_MEANINGS, UP_TO, UP_TO_MEANINGS};
use crate::recipe::Alphabet;
use clap::Args;
use qorpus::{DistinctOptions, Durability, EnumerateOptions, Equivalence};
use std::path::PathBuf;

#[derive(Args)]
#[command(group = clap::ArgGroup::new("how far").required(true).args(["max_length", "cost"]))]
pub(crate) struct DistinctArguments {
    /// The corpus file to create or resume
    pub(crate) out: PathBuf,
    /// Print no progress and no summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    alphabet: Alphabet,
    #[command(flatten)]
    bound: Bound,
    #[command(flatten)]
    job: DistinctJob,
}

/// The options that bound an enumeration.
#[derive(Args)]
#[command(next_help_heading = "Enumeration")]
struct Bound {
    /// Largest length of a circuit, in letters
    #[arg(long, value_name = "LETTERS")]
    max_length: Option<usize>,
    /// Costs of gates, to enumerate by cost instead of length: t=1,tdg=1
    ///
    /// A gate without a cost costs nothing.
    #[arg(long, value_name = "GATE=COST,...", requires = "max_cost")]
    cost: Option<String>,
    /// Largest cost of a circuit
    #[arg(long, value_name = "COST", requires = "cost")]
    max_cost: Option<u32>,
    /// Difference that equal unitaries may have
    #[arg(long, value_name = "DIFFERENCE", default_value = "phase",
          value_parser = names::parser(UP_TO, UP_TO_MEANINGS))]
    up_to: Equivalence,
}

/// The options of an enumeration that leave the records unchanged.
#[derive(Args)]
#[command(next_help_heading = "Job")]
struct DistinctJob {
    /// Memory for candidates, in bytes: 4GiB [default: half of the free memory]
    #[arg(long, value_name = "BYTES", value_parser = qorpus::parse_count)]
    memory: Option<u64>,
    /// Number of worker threads [default: one per core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<usize>,
    /// Protection of committed records against a power cut
    ///
    /// A killed process loses no committed record with any of these.
    #[arg(long, value_name = "LEVEL", default_value = "full",
          value_parser = names::parser(DURABILITIES, DURABILITY_MEANINGS))]
    durability: Durability,
}

impl DistinctArguments {
    pub(crate) fn recipe(&self) -> DistinctOptions {
        DistinctOptions {
            gates: self.alphabet.gates.clone().map(Into::into),
            qubits: self.alphabet.qubits,
            coupling: self.alphabet.coupling.clone(),
            letters: self.alphabet.letters.clone(),
            max_length: self.bound.max_length,
            cost: self.bound.cost.clone(),
            max_cost: self.bound.max_cost,
            up_to: self.bound.up_to,
            ..DistinctOptions::default()
        }
    }

    pub(crate) fn options(&self) -> EnumerateOptions {
        let DistinctJob { memory, jobs, durability } = self.job;
        EnumerateOptions { memory, jobs, durability }
    }
}
