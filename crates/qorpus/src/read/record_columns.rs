//! The columns of a table of records.

use crate::read::corpus::Corpus;
use crate::read::rows::Rows;
use qorpus_core::Label;
use rusqlite::Result;
use rusqlite::types::Null;
use rusqlite::vtab::{Context, escape_double_quote};
use std::ffi::{CString, c_int};
use std::fmt::Write;

/// The name of the column of unitaries.
pub(crate) const UNITARY_COLUMN: &str = "unitary";

/// The parts of a record that a query needs, as bits of the number that SQLite passes from plan to
/// cursor.
pub(super) const CIRCUITS: c_int = 1;
pub(super) const UNITARIES: c_int = 2;
pub(super) const LABELS: c_int = 4;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    Circuit,
    Length,
    Unitary,
    /// The free angles: a JSON array of numbers, in the order of the letters.
    Angles,
    /// The number of letters of one gate.
    Count(usize),
    /// The number of letters of every gate: a JSON object.
    Counts,
    /// A label that came with the records.
    Label(String),
    /// All labels that came with the record: a JSON object.
    Labels,
    /// An argument of the table, which is hidden: the corpus, or the order of qubits.
    Corpus,
    QubitOrder,
}

impl Column {
    /// Returns the part of a record that it needs.
    fn part(&self) -> c_int {
        match self {
            Column::Id | Column::Corpus | Column::QubitOrder => 0,
            Column::Unitary => UNITARIES,
            Column::Label(_) | Column::Labels => LABELS,
            Column::Circuit | Column::Length | Column::Angles | Column::Count(_) | Column::Counts => CIRCUITS,
        }
    }

    pub(super) fn is_argument(&self) -> bool {
        matches!(self, Column::Corpus | Column::QubitOrder)
    }
}

/// Named columns, in order.
#[derive(Debug, Clone)]
pub(super) struct Columns(Vec<(String, Column)>);

impl Columns {
    /// Returns the columns of one corpus, whose labels have these names.
    ///
    /// SQL ignores letter case in names. If labels of several files differ only in letter case,
    /// numbers are appended to all their names, so that a query cannot confuse them.
    pub(super) fn of(corpus: &Corpus, labels: &[String]) -> Columns {
        let alphabet = corpus.recipe().alphabet();
        let mut columns = fixed();
        columns.extend(alphabet.has_free_angles().then(|| ("angles".to_owned(), Column::Angles)));
        let gates = alphabet.gates().iter().enumerate();
        columns.extend(gates.map(|(gate, named)| (format!("count_{}", named.name()), Column::Count(gate))));
        let given = columns.len();
        for (number, label) in labels.iter().enumerate() {
            let names = columns[..given].iter().map(|(name, _)| name);
            let others = names.chain(labels.iter().filter(|other| *other != label));
            let is_taken = { others }.any(|other| other.eq_ignore_ascii_case(label));
            let name = if is_taken { format!("{label} ({})", given + number) } else { label.clone() };
            columns.push((name, Column::Label(label.clone())));
        }
        Columns(columns)
    }

    /// Returns the columns that any corpus has, followed by the arguments.
    pub(super) fn of_any() -> Columns {
        let more = [
            ("angles", Column::Angles),
            ("counts", Column::Counts),
            ("labels", Column::Labels),
            ("corpus", Column::Corpus),
            ("qubit_order", Column::QubitOrder),
        ];
        Columns(fixed().into_iter().chain(more.map(|(name, column)| (name.to_owned(), column))).collect())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Returns the column with this number.
    pub(super) fn get(&self, number: c_int) -> Option<&Column> {
        self.0.get(usize::try_from(number).ok()?).map(|(_, column)| column)
    }

    /// Returns the parts of a record that a query needs, where `used` has a bit for each column, and
    /// the last bit stands for all that follow.
    pub(super) fn parts(&self, used: u64) -> c_int {
        let is_used = |place: usize| used >> place.min(63) & 1 == 1;
        let parts = self.0.iter().enumerate().filter(|(place, _)| is_used(*place));
        parts.fold(0, |parts, (_, (_, column))| parts | column.part())
    }

    /// Returns the statement that declares the table to SQLite.
    pub(super) fn declaration(&self) -> Result<CString> {
        let columns = self.0.iter().map(|(name, column)| {
            let hidden = if column.is_argument() { " HIDDEN" } else { "" };
            format!("\"{}\"{hidden}", escape_double_quote(name))
        });
        Ok(CString::new(format!("CREATE TABLE records({})", columns.collect::<Vec<_>>().join(", ")))?)
    }
}

fn fixed() -> Vec<(String, Column)> {
    [
        ("id", Column::Id),
        ("circuit", Column::Circuit),
        ("length", Column::Length),
        (UNITARY_COLUMN, Column::Unitary),
    ]
    .map(|(name, column)| (name.to_owned(), column))
    .into()
}

/// A record among those that were read.
pub(super) struct Cell<'r> {
    pub(super) corpus: &'r Corpus,
    pub(super) rows: &'r Rows,
    pub(super) at: usize,
    pub(super) id: u64,
}

impl Cell<'_> {
    /// Passes its value in `column` to SQLite.
    pub(super) fn show(&self, column: &Column, context: &mut Context) -> Result<()> {
        let (recipe, rows, at) = (self.corpus.recipe(), self.rows, self.at);
        let (alphabet, has_circuits) = (recipe.alphabet(), recipe.space().has_circuits());
        match column {
            Column::Id => context.set_result(self.id as i64),
            Column::Circuit | Column::Length if !has_circuits => context.set_result(Null),
            Column::Unitary if !recipe.has_unitaries() => context.set_result(Null),
            Column::Angles if !alphabet.has_free_angles() => context.set_result(Null),
            Column::Circuit => {
                context.set_result(alphabet.text(rows.circuits.get(at), rows.circuits.angles(at)))
            }
            Column::Length => context.set_result(rows.circuits.get(at).len() as i64),
            Column::Unitary => {
                let size = self.corpus.unitary_bytes();
                context.set_result(&rows.unitaries[at * size..(at + 1) * size])
            }
            // Angles are finite, so each has a JSON text.
            Column::Angles => {
                context.set_result(serde_json::to_string(rows.circuits.angles(at)).unwrap_or_default())
            }
            Column::Count(gate) => context.set_result(self.count(*gate)),
            Column::Counts => {
                let gates = alphabet.gates().iter().enumerate();
                context.set_result(object(
                    gates.map(|(gate, named)| (named.name(), self.count(gate).to_string())),
                ))
            }
            Column::Label(name) => match rows.given.get(at).and_then(|labels| labels.get(name)) {
                None => context.set_result(Null),
                Some(Label::Integer(value)) => context.set_result(value),
                Some(Label::Real(value)) => context.set_result(value),
                Some(Label::Text(value)) => context.set_result(value),
            },
            Column::Labels => {
                // A corpus without labels has no list of them.
                let labels = rows.given.get(at).into_iter().flatten();
                context.set_result(object(labels.map(|(name, label)| (name.as_str(), json(label)))))
            }
            Column::Corpus | Column::QubitOrder => context.set_result(Null),
        }
    }

    fn count(&self, gate: usize) -> i64 {
        let letters = self.corpus.recipe().alphabet().letters();
        let is = |letter: &&u16| letters[usize::from(**letter)].gate == gate;
        self.rows.circuits.get(self.at).iter().filter(is).count() as i64
    }
}

fn object<'n>(members: impl Iterator<Item = (&'n str, String)>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        let comma = if text.len() > 1 { "," } else { "" };
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}{}:{value}", serde_json::Value::from(name));
    }
    text + "}"
}

/// Returns a label as JSON. JSON has no infinity; SQLite rounds the number written here to it.
fn json(label: &Label) -> String {
    match label {
        Label::Integer(value) => value.to_string(),
        Label::Real(value) if value.is_infinite() => if *value > 0.0 { "9e999" } else { "-9e999" }.into(),
        Label::Real(value) => serde_json::Value::from(*value).to_string(),
        Label::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
    }
}
