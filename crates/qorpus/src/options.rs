//! Every option and its default, once, for all faces.

use crate::reader::Order;
use crate::{Error, Result, gate_file};
use qorpus_core::{
    Alphabet, Complex64, Coupling, Distinct, Dtype, Equivalence, Gate, MAX_LENGTH, Recipe, Space, preset,
};
use std::path::{Path, PathBuf};

/// A gate set as people write it.
#[derive(Debug, Clone, PartialEq)]
pub enum Gates {
    /// A preset, a gate file (`*.toml`), or standard gates and presets separated by commas.
    Text(String),
    /// One gate after the other.
    List(Vec<GateOption>),
}

/// A gate as people write it.
#[derive(Debug, Clone, PartialEq)]
pub enum GateOption {
    /// A standard gate, or a preset.
    Name(String),
    /// A gate with a matrix of its own: name and entries, row-major, the first qubit most significant.
    Matrix(String, Vec<Complex64>),
}

impl Default for Gates {
    fn default() -> Gates {
        "clifford+t".into()
    }
}

impl std::fmt::Display for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Gates::Text(text) => f.write_str(text),
            Gates::List(gates) => {
                let name = |gate: &GateOption| match gate {
                    GateOption::Name(name) | GateOption::Matrix(name, _) => name.clone(),
                };
                f.write_str(&gates.iter().map(name).collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl From<&str> for Gates {
    fn from(text: &str) -> Gates {
        Gates::Text(text.into())
    }
}

impl From<String> for Gates {
    fn from(text: String) -> Gates {
        Gates::Text(text)
    }
}

impl Gates {
    /// The gates, of which presets leave out those wider than `qubits`. `unknown` makes a gate of a name that is
    /// neither standard nor a preset, or passes the error on.
    fn gates(
        &self,
        qubits: usize,
        unknown: fn(&str, qorpus_core::Error) -> qorpus_core::Result<Gate>,
    ) -> Result<Vec<Gate>> {
        let named = |name: &str| match preset(name.trim(), qubits) {
            Some(gates) => Ok(gates),
            None => Gate::standard(name).or_else(|error| unknown(name.trim(), error)).map(|gate| vec![gate]),
        };
        let gates = match self {
            Gates::Text(text) if text.trim().ends_with(".toml") => {
                return gate_file::read(Path::new(text.trim()), qubits);
            }
            Gates::Text(text) => split_list(text.trim()).into_iter().map(named).collect(),
            Gates::List(gates) => gates
                .iter()
                .map(|gate| match gate {
                    GateOption::Name(name) => named(name),
                    GateOption::Matrix(name, entries) => {
                        let width = entries.len().checked_ilog2().unwrap_or(0) as usize / 2;
                        Gate::custom(name, width, entries.clone()).map(|gate| vec![gate])
                    }
                })
                .collect::<qorpus_core::Result<Vec<_>>>(),
        };
        Ok(gates?.concat())
    }
}

/// A recipe as people write it: names and texts, each with the default that holds when it is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeOptions {
    /// The gate set.
    pub gates: Gates,
    /// The number of qubits, 1 to 8.
    pub qubits: usize,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`.
    pub coupling: String,
    /// Every word instead of random circuits.
    pub words: bool,
    /// How many random circuits.
    pub random: u64,
    /// What decides the random circuits.
    pub seed: u64,
    /// The shortest and longest length, in letters.
    pub length: (usize, usize),
    /// The type of the unitaries' entries.
    pub dtype: Dtype,
    /// Whether unitaries are stored; if not, they are computed on reading.
    pub unitaries: bool,
}

impl Default for RecipeOptions {
    fn default() -> RecipeOptions {
        RecipeOptions {
            gates: Gates::default(),
            qubits: 2,
            coupling: "all".into(),
            words: false,
            random: 1_000_000,
            seed: 0,
            length: (5, 15),
            dtype: Dtype::Complex128,
            unitaries: true,
        }
    }
}

impl RecipeOptions {
    /// The recipe these options mean.
    ///
    /// # Errors
    /// [`Error::Recipe`] or [`Error::GateFile`], with the first option that cannot be.
    pub fn recipe(&self) -> Result<Recipe> {
        let gates = self.gates.gates(self.qubits, |_, error| Err(error))?;
        let alphabet = alphabet(gates, self.qubits, &self.coupling)?;
        let (min, max) = self.length;
        let space = match self.words {
            true => Space::words(&alphabet, min, max)?,
            false => Space::random(&alphabet, self.random, self.seed, min, max)?,
        };
        Ok(Recipe::new(alphabet, space, self.dtype, self.unitaries))
    }
}

/// Which distinct unitaries are enumerated, as people write it.
#[derive(Debug, Clone, PartialEq)]
pub struct DistinctOptions {
    /// The gate set.
    pub gates: Gates,
    /// The number of qubits, 1 to 8.
    pub qubits: usize,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`.
    pub coupling: String,
    /// The most letters of a circuit.
    pub max_length: Option<usize>,
    /// What gates cost, such as `t=1,tdg=1`; the others cost nothing.
    pub cost: Option<String>,
    /// The most that a circuit costs.
    pub max_cost: Option<u32>,
    /// Which unitaries count as the same.
    pub up_to: Equivalence,
    /// The type of the unitaries' entries; they are computed on reading.
    pub dtype: Dtype,
}

impl Default for DistinctOptions {
    fn default() -> DistinctOptions {
        let RecipeOptions { gates, qubits, coupling, dtype, .. } = RecipeOptions::default();
        let (max_length, cost, max_cost, up_to) = (None, None, None, Equivalence::GlobalPhase);
        DistinctOptions { gates, qubits, coupling, max_length, cost, max_cost, up_to, dtype }
    }
}

impl DistinctOptions {
    /// The recipe these options mean.
    ///
    /// # Errors
    /// [`Error::Recipe`], [`Error::GateFile`] or [`Error::Usage`], with the first option that cannot be.
    pub fn recipe(&self) -> Result<Recipe> {
        let gates = self.gates.gates(self.qubits, |_, error| Err(error))?;
        let alphabet = alphabet(gates, self.qubits, &self.coupling)?;
        let (costs, most_cost, max) = match (&self.cost, self.max_cost, self.max_length) {
            (None, None, Some(max)) => (vec![0; alphabet.gates().len()], 0, max),
            (Some(costs), Some(most), None) => (parse_costs(costs, &alphabet)?, most, MAX_LENGTH),
            _ => {
                let text = "say how far to go: either the most letters of a circuit (max length), or what gates cost and the most \
                            that a circuit costs (cost and max cost)";
                return Err(Error::Usage(text.into()));
            }
        };
        let distinct = Distinct { up_to: self.up_to, costs, most_cost };
        let space = Space::distinct(&alphabet, distinct, max)?;
        Ok(Recipe::new(alphabet, space, self.dtype, false))
    }
}

/// The alphabet of a recipe that someone asks for, who names each gate once.
fn alphabet(gates: Vec<Gate>, qubits: usize, coupling: &str) -> Result<Alphabet> {
    let alphabet = Alphabet::new(gates, qubits, Coupling::parse(coupling)?)?;
    alphabet.check_spellings()?;
    Ok(alphabet)
}

/// Reads costs such as `t=1,tdg=1` of the gates of `alphabet`.
fn parse_costs(text: &str, alphabet: &Alphabet) -> Result<Vec<u32>> {
    let mut costs = vec![0; alphabet.gates().len()];
    for item in split_list(text.trim()) {
        let refused = |reason: String| Error::Usage(format!("cost '{}': {reason}", item.trim()));
        let (name, cost) = item.rsplit_once('=').ok_or_else(|| refused("write it as t=1".into()))?;
        let place = alphabet.gate_number(name).ok_or_else(|| {
            let names: Vec<_> = alphabet.gates().iter().map(Gate::name).collect();
            refused(format!("there is no such gate; the gates are {}", names.join(", ")))
        })?;
        costs[place] = cost.trim().parse().map_err(|_| refused("a cost is a whole number".into()))?;
    }
    Ok(costs)
}

/// How a unitary is looked for among those that were enumerated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FindOptions {
    /// Whether circuits up to twice as long as those of the corpus are looked for, put together from two of them.
    pub further: bool,
    /// The largest difference of entries, up to phase if the corpus is, of the nearest record that is taken. `None`: what the
    /// target's precision implies.
    pub tolerance: Option<f64>,
}

impl Default for FindOptions {
    fn default() -> FindOptions {
        FindOptions { further: true, tolerance: None }
    }
}

/// How a unitary that is given with a circuit is held against that circuit, where all of its gates are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PairCheck {
    /// It is the circuit's unitary up to a global phase.
    #[default]
    Phase,
    /// It is the circuit's unitary.
    Exact,
    /// They are not compared.
    None,
}

impl std::str::FromStr for PairCheck {
    type Err = Error;

    fn from_str(text: &str) -> Result<PairCheck> {
        match text {
            "phase" => Ok(PairCheck::Phase),
            "exact" => Ok(PairCheck::Exact),
            "none" => Ok(PairCheck::None),
            other => Err(Error::Usage(format!("check '{other}' is none of 'phase', 'exact', 'none'"))),
        }
    }
}

/// What is appended to a corpus, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterOptions {
    /// The gate set; names that the library does not know are opaque gates. `None`: that of the corpus, which must
    /// exist.
    pub gates: Option<Gates>,
    /// The number of qubits, 1 to 8.
    pub qubits: usize,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`.
    pub coupling: String,
    /// The type of the unitaries' entries.
    pub dtype: Dtype,
    /// Whether unitaries are stored; if not, they are computed on reading, and none can be given.
    pub unitaries: bool,
    /// How far a unitary that is given may be from unitary, as the largest entry of U†U - 1; `None`: anything finite.
    pub tolerance: Option<f64>,
    /// The order of qubits in the unitaries that are given; they are stored with qubit 0 most significant.
    pub order: Order,
    /// How a unitary that is given is compared with its circuit's. Entries may differ by 1e-6, in a corpus of complex64 by
    /// 1e-5. A circuit with a gate of which only the name is known is not compared. Of the records of one
    /// [`extend`](crate::Writer::extend) on one or two qubits the first 256 and then every eighth are compared, of all
    /// others every record; [`verify`](crate::verify()) compares all.
    pub check: PairCheck,
    /// How a commit is made to last.
    pub durability: Durability,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        let RecipeOptions { qubits, coupling, dtype, unitaries, .. } = RecipeOptions::default();
        let (tolerance, order, check) = (Some(1e-6), Order::Big, PairCheck::default());
        let durability = Durability::default();
        WriterOptions { gates: None, qubits, coupling, dtype, unitaries, tolerance, order, check, durability }
    }
}

impl WriterOptions {
    /// The recipe of appended circuits that these options mean, if they name gates.
    ///
    /// # Errors
    /// [`Error::Recipe`] or [`Error::GateFile`], with the first option that cannot be.
    pub fn recipe(&self) -> Result<Option<Recipe>> {
        let Some(gates) = &self.gates else { return Ok(None) };
        // A name with angles is not an opaque gate's: whoever writes one means a gate that the library may have.
        let opaque = |name: &str, error| match error {
            qorpus_core::Error::UnknownGate { .. } if !name.contains('(') => Gate::opaque(name),
            error => Err(error),
        };
        let gates = gates.gates(self.qubits, opaque)?;
        let alphabet = alphabet(gates, self.qubits, &self.coupling)?;
        let space = Space::appended(&alphabet);
        let recipe = Recipe::new(alphabet, space, self.dtype, self.unitaries);
        recipe.check()?;
        Ok(Some(recipe))
    }
}

/// Splits at the commas outside parentheses; blank text is an empty list.
fn split_list(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    if text.is_empty() { Vec::new() } else { text.split(outside).collect() }
}

/// How a commit is made to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing acknowledged is lost, even by a power cut.
    #[default]
    Full,
    /// A power cut may lose the last commits, nothing before; of a writer that is alone nothing at all.
    Normal,
    /// A power cut may ruin the file; a killed process does no harm.
    Off,
}

impl Durability {
    /// The value of SQLite's `PRAGMA synchronous` with a write-ahead log, or without.
    pub(crate) fn pragma(self, log: bool) -> &'static str {
        match self {
            Durability::Normal if log => "NORMAL",
            // NORMAL syncs a rollback journal only once, and what a power cut then leaves of it may be rolled back
            // into the file. EXTRA is FULL, and the directory is synced when a journal is removed.
            Durability::Full | Durability::Normal => "EXTRA",
            Durability::Off => "OFF",
        }
    }
}

/// One of several equal shares of the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: u64,
    of: u64,
}

impl Part {
    /// Part `index`, counted from 0, of `of`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such part.
    pub fn new(index: u64, of: u64) -> Result<Part> {
        match index < of {
            true => Ok(Part { index, of }),
            false => Err(Error::Usage(format!(
                "part {index}/{of}: parts are counted from 0/{of} to {}/{of}",
                of.max(1) - 1
            ))),
        }
    }

    /// Into how many parts it is divided.
    pub(crate) fn of(self) -> u64 {
        self.of
    }

    /// Whether it is everything.
    pub(crate) fn is_all(self) -> bool {
        self.of == 1
    }

    /// This part of `0..shards`: every one whose number leaves the rest `index`.
    pub(crate) fn shards(self, shards: u64) -> impl Iterator<Item = u64> {
        (self.index..shards).step_by(self.of.try_into().unwrap_or(usize::MAX))
    }

    /// This part of `0..chunks`.
    pub(crate) fn chunks(self, chunks: u64) -> std::ops::Range<u64> {
        let cut = |at: u64| (u128::from(chunks) * u128::from(at) / u128::from(self.of)) as u64;
        cut(self.index)..cut(self.index + 1)
    }
}

impl Default for Part {
    fn default() -> Part {
        Part { index: 0, of: 1 }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl std::str::FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Part> {
        let parts =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) =
            parts.ok_or_else(|| Error::Usage(format!("'{text}' is not a part; write it as 0/4")))?;
        Part::new(index, of)
    }
}

/// How a corpus is generated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GenerateOptions {
    /// Worker threads; `None` is one a core.
    pub jobs: Option<usize>,
    /// The share of the chunks to make, or of the shards.
    pub part: Part,
    /// How a commit is made to last.
    pub durability: Durability,
    /// Records of a shard, which are rounded up to whole chunks; `None` is what the directory has, or
    /// [`Recipe::shard_records`].
    pub shard: Option<u64>,
    /// A directory on a local disk where shards are built before they are copied to their place; `None` builds them there, and
    /// those of buckets in the cache.
    pub stage: Option<PathBuf>,
    /// Whether to begin although the file system has fewer bytes free than the corpus needs.
    pub force: bool,
}

/// For which machine is planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// Threads on this machine; `None` is one a core.
    pub jobs: Option<usize>,
    /// Cores of the machine that is asked about; `None` is as many as here.
    pub cores: Option<usize>,
    /// Bytes a second that its disk takes; `None` is what this one takes.
    pub disk_rate: Option<u64>,
    /// Where this machine's disk is tried; `None` is the directory of temporary files.
    pub directory: Option<PathBuf>,
}

/// How distinct unitaries are enumerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnumerateOptions {
    /// Bytes that candidates may take in memory; `None` is half of what is free.
    pub memory: Option<u64>,
    /// Worker threads; `None` is one a core.
    pub jobs: Option<usize>,
    /// How a commit is made to last.
    pub durability: Durability,
}

/// The number of worker threads: `jobs`, or one a core.
///
/// # Errors
/// [`Error::Usage`] for none, or more than any machine has.
pub(crate) fn threads(jobs: Option<usize>) -> Result<usize> {
    match jobs {
        None => Ok(std::thread::available_parallelism().map_or(1, Into::into)),
        Some(jobs @ 1..=MOST_JOBS) => Ok(jobs),
        Some(jobs) => Err(Error::Usage(format!("{jobs} worker threads; use 1 to {MOST_JOBS}"))),
    }
}

/// The most worker threads.
const MOST_JOBS: usize = 1024;

/// Reads a count or size: `1000000`, `1_000_000`, `1M`, `4GiB`.
///
/// `K`, `M`, `G`, `T` are powers of 1000, `KiB`, `MiB`, `GiB`, `TiB` powers of 1024; a trailing `B` is allowed.
///
/// # Errors
/// [`Error::Usage`] for anything else, or what does not fit in 64 bits.
///
/// ```
/// assert_eq!(qorpus::parse_count("1_000_000")?, qorpus::parse_count("1M")?);
/// assert_eq!(qorpus::parse_count("4GiB")?, 4 << 30);
/// # Ok::<(), qorpus::Error>(())
/// ```
pub fn parse_count(text: &str) -> Result<u64> {
    let refused =
        || Error::Usage(format!("'{text}' is not a count; write it as 1000000, 1_000_000, 1M or 4GiB"));
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u64 = digits.replace('_', "").parse().map_err(|_| refused())?;
    let unit = unit.trim().to_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (prefix, base) = unit.strip_suffix('i').map_or((unit, 1000u64), |prefix| (prefix, 1024));
    let power = match (prefix, base) {
        ("", 1000) => 0,
        ("k", _) => 1,
        ("m", _) => 2,
        ("g", _) => 3,
        ("t", _) => 4,
        _ => return Err(refused()),
    };
    number.checked_mul(base.pow(power)).ok_or_else(refused)
}

/// Reads the id of a record: `7_000_000`.
///
/// # Errors
/// [`Error::Usage`] for anything else, or what does not fit in 64 bits.
///
/// ```
/// assert_eq!(qorpus::parse_id("1_000")?, 1000);
/// # Ok::<(), qorpus::Error>(())
/// ```
pub fn parse_id(text: &str) -> Result<u64> {
    let is_id = text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let id = text.replace('_', "").parse().ok().filter(|_| is_id);
    id.ok_or_else(|| Error::Usage(format!("'{text}' is not the id of a record, such as 7 or 7_000_000")))
}

/// Reads a length range: `5..15`, both included, or `10` alone.
///
/// # Errors
/// [`Error::Usage`] for anything else.
pub fn parse_length(text: &str) -> Result<(usize, usize)> {
    let number = |text: &str| text.trim().parse().ok();
    let range = match text.split_once("..") {
        Some((min, max)) => number(min).zip(number(max.strip_prefix('=').unwrap_or(max))),
        None => number(text).zip(number(text)),
    };
    range.ok_or_else(|| {
        Error::Usage(format!("'{text}' is not a length range; write it as 5..15, or 10 alone"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_gates(gates: &str, qubits: usize) -> Result<Recipe> {
        RecipeOptions { gates: gates.into(), qubits, ..RecipeOptions::default() }.recipe()
    }

    #[test]
    fn gates_by_preset_and_list() {
        let names = |text, qubits| {
            let recipe = with_gates(text, qubits).unwrap();
            recipe.alphabet().gates().iter().map(|gate| gate.name().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("clifford+t", 2), "h s sdg t tdg cx");
        assert_eq!(names("clifford+t", 1), "h s sdg t tdg");
        assert_eq!(names("H, u3(pi/2, 0, pi),ccx", 3), "h u3(pi/2,0,pi) ccx");
        assert_eq!(names("ht,cx", 2), "h t cx");
    }

    #[test]
    fn costs_and_lists_take_angles_by_value() {
        let recipe = with_gates("rz(tau/8),rz(1.1780972450961724),h", 1).unwrap();
        let costs = |text| parse_costs(text, recipe.alphabet());
        assert_eq!(costs("rz(0.7853981633974483)=2, RZ(3*pi/8)=3,H=1").unwrap(), [2, 3, 1]);
        assert!(costs("rz(0.785)=1").unwrap_err().to_string().contains("the gates are rz(pi/4)"));
        for gates in ["rz(pi/4),rz(0.7853981633974483)", "nam,rz(0.5*pi)", "h,cp(0.5),cp(1/2)"] {
            let said = with_gates(gates, 2).unwrap_err();
            assert!(said.is_usage() && said.to_string().contains("are the same gate"), "{said}");
            let list = gates.split(',').map(|name| GateOption::Name(name.into())).collect();
            let options = WriterOptions { gates: Some(Gates::List(list)), ..WriterOptions::default() };
            assert_eq!(options.recipe().unwrap_err().to_string(), said.to_string());
        }
    }

    #[test]
    fn other_names_of_gates_are_not_opaque_with_angles() {
        let options = |gates: &str| WriterOptions { gates: Some(gates.into()), ..WriterOptions::default() };
        assert!(options("mine,cnot").recipe().is_ok());
        let said = options("u1(pi/4)").recipe().unwrap_err().to_string();
        assert!(said.contains("did you mean 'p'?"), "{said}");
    }

    #[test]
    fn refusals_are_usage() {
        for (gates, qubits) in
            [("", 1), ("hh", 1), ("h,,t", 1), ("ccx", 2), ("h", 0), ("h", 9), ("no.toml", 1)]
        {
            let error = with_gates(gates, qubits).unwrap_err();
            assert!(error.is_usage() || matches!(error, Error::Missing(_)), "{gates}: {error}");
        }
    }

    #[test]
    fn counts_lengths_and_parts() {
        for (text, value) in
            [("0", 0), ("12", 12), ("1k", 1000), ("2 MB", 2_000_000), ("1KiB", 1024), ("3Gib", 3 << 30)]
        {
            assert_eq!(parse_count(text).unwrap(), value, "{text}");
        }
        for text in ["", "x", "-1", "1.5", "1ib", "1Q", "99999999999T", "1M2"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        assert_eq!(parse_length("5..15").unwrap(), (5, 15));
        assert_eq!(parse_length("10").unwrap(), (10, 10));
        for text in ["", "..", "5..", "a..b", "-1..2"] {
            assert!(parse_length(text).is_err(), "{text}");
        }
        let part = |text: &str| text.parse::<Part>();
        assert!(["", "1", "2/2", "0/0", "-1/2", "a/b"].iter().all(|text| part(text).is_err()));
        let cuts: Vec<_> = (0..3).map(|i| Part::new(i, 3).unwrap().chunks(10)).collect();
        assert_eq!(cuts, [0..3, 3..6, 6..10]);
        assert_eq!(Part::default().chunks(u64::MAX), 0..u64::MAX);
        let numbers = |i, n, shards| Part::new(i, n).unwrap().shards(shards).collect::<Vec<_>>();
        assert_eq!(
            [numbers(1, 3, 8), numbers(2, 3, 2), numbers(0, 1, 2)],
            [vec![1, 4, 7], vec![], vec![0, 1]]
        );
    }
}
