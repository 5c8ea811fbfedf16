//! The flags of a recipe.

#![expect(clippy::doc_markdown, reason = "the doc comment of an argument is its help, not Markdown")]

use crate::names::{self, DTYPE_MEANINGS, DTYPES};
use clap::Args;
use qorpus::core::{PRESETS, STANDARD, grouped};
use qorpus::{DEFAULT_COUPLING, DEFAULT_QUBITS, Dtype, Gates, RecipeOptions};

/// The options that decide the alphabet.
#[derive(Args)]
#[command(next_help_heading = "Recipe")]
pub(crate) struct Alphabet {
    // Without letters these have defaults, which clap cannot tell from what the user gave.
    #[arg(long, help = format!("{GATES_HELP} [default: {}]", Gates::default()), long_help = gates_help())]
    pub(crate) gates: Option<String>,
    #[arg(long, value_name = "N", help = format!(
        "Number of qubits, 1 to 8; distinct has up to 16 by tableaus \
         [default: {DEFAULT_QUBITS}, or as many as --letters needs]"))]
    pub(crate) qubits: Option<usize>,
    #[arg(long, value_name = "PAIRS", help = format!("{COUPLING_HELP} [default: {DEFAULT_COUPLING}]"),
          long_help = format!("{COUPLING_HELP}\n\n[default: {DEFAULT_COUPLING}]"))]
    pub(crate) coupling: Option<String>,
    /// Letters one by one, such as "h 0; cx 0 1; cx 1 2", instead of every gate on all its qubits
    ///
    /// For couplings with a direction, and gates on some qubits only. Excludes --coupling. With
    /// --gates, letters use only these gates; without it, any standard gates.
    #[arg(long)]
    pub(crate) letters: Option<String>,
}

const GATES_HELP: &str =
    "Gate set: a preset, a list of gates such as \"h,t,rz(pi/8),cx\", or a gate file (FILE.toml)";

const COUPLING_HELP: &str = "Pairs of qubits that a gate may act on: all, line, ring, or a list: 0-1,1-2";

/// Returns the help of `--gates`, with the presets and the standard gates.
fn gates_help() -> String {
    let gates = |gates: &[&'static str]| {
        let mut names: Vec<_> =
            gates.iter().map(|gate| if gate.starts_with("rz(") { "rz(k*pi/4)" } else { gate }).collect();
        names.dedup();
        names.join(" ")
    };
    let presets: Vec<_> = PRESETS.iter().map(|(name, set)| format!("{name} ({})", gates(set))).collect();
    format!(
        "{GATES_HELP}\n\n\
         Presets: {}, with k from -3 to 4 except 0.\n\n\
         Standard gates, with the matrices that Qiskit has: {}. An angle written ? is free: each letter of \
         random circuits draws its own.\n\n\
         [default: {}]",
        presets.join(", "),
        STANDARD.join(" "),
        Gates::default()
    )
}

/// The options that decide the records.
#[derive(Args)]
#[command(next_help_heading = "Recipe")]
pub(crate) struct Recipe {
    #[command(flatten)]
    alphabet: Alphabet,
    /// Number of random circuits: 1000000, 1_000_000, 1M
    #[arg(long, value_name = "COUNT", value_parser = qorpus::parse_count,
          default_value = default_random(), conflicts_with = "words")]
    random: u64,
    /// Number of uniformly random Clifford operators, each with a short circuit of h, s, cx, x, y and z,
    /// instead of random circuits
    #[arg(long, value_name = "COUNT", value_parser = qorpus::parse_count,
          conflicts_with_all = [
              "gates", "coupling", "letters", "words", "random", "length", "weights", "exactly", "no_cancelling",
          ])]
    cliffords: Option<u64>,
    /// Number of Haar-random unitaries, which have no circuits, instead of random circuits
    #[arg(long, value_name = "COUNT", value_parser = qorpus::parse_count,
          conflicts_with_all = [
              "gates", "coupling", "letters", "words", "random", "cliffords", "length", "weights", "exactly",
              "no_cancelling",
          ])]
    haar: Option<u64>,
    /// Seed of the random circuits, Clifford operators or unitaries
    #[arg(long, default_value_t = RecipeOptions::default().seed, conflicts_with = "words")]
    seed: u64,
    /// Generate every circuit within --length exactly once, instead of random circuits
    #[arg(long)]
    words: bool,
    /// Weights of gates in random circuits: t=1,cx=3
    ///
    /// A letter is drawn by the weight of its gate, then uniformly among the gate's letters. A gate
    /// without a weight has weight 1. Without --weights, all letters are equally likely.
    #[arg(long, value_name = "GATE=WEIGHT,...", conflicts_with = "words")]
    weights: Option<String>,
    /// Exact numbers of letters in every random circuit: cx=3,t=2
    ///
    /// All circuits of a length that have them are equally likely, or as likely as the weights of
    /// the other gates say.
    #[arg(long, value_name = "GATE=NUMBER,...", conflicts_with = "words")]
    exactly: Option<String>,
    /// No letter undoes the letter before it on the same qubits, up to a global phase
    ///
    /// Letters on other qubits may lie in between. All such circuits of a length are equally
    /// likely, or as likely as --weights and --exactly say.
    #[arg(long, conflicts_with = "words")]
    no_cancelling: bool,
    /// Smallest and largest length of a circuit, in letters, both included: 5..15, or 10 alone
    #[arg(long, value_name = "MIN..MAX", value_parser = qorpus::parse_length,
          default_value = default_length())]
    length: (usize, usize),
    /// Type of the entries of unitaries
    #[arg(long, value_parser = names::parser(DTYPES, DTYPE_MEANINGS), default_value = "complex128")]
    dtype: Dtype,
    /// Do not store unitaries: compute them when they are read
    #[arg(long)]
    no_unitaries: bool,
}

fn default_random() -> String {
    grouped(RecipeOptions::default().random).replace(',', "_")
}

fn default_length() -> String {
    let (min, max) = RecipeOptions::default().length;
    format!("{min}..{max}")
}

impl Recipe {
    pub(crate) fn options(self) -> RecipeOptions {
        RecipeOptions {
            gates: self.alphabet.gates.map(Into::into),
            qubits: self.alphabet.qubits,
            coupling: self.alphabet.coupling,
            letters: self.alphabet.letters,
            words: self.words,
            random: self.random,
            cliffords: self.cliffords,
            haar: self.haar,
            seed: self.seed,
            weights: self.weights,
            exactly: self.exactly,
            no_cancelling: self.no_cancelling,
            length: self.length,
            dtype: self.dtype,
            unitaries: !self.no_unitaries,
        }
    }
}
