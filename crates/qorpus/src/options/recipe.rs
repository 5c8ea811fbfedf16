//! Options of a recipe of words, random circuits, random Clifford operators or random unitaries.

use crate::error::{Error, Result};
use crate::options::alphabet::{AlphabetOptions, DEFAULT_QUBITS};
use crate::options::by_gate::{ValueKind, parse_by_gate};
use crate::options::gates::Gates;
use qorpus_core::{Alphabet, Constraints, Dtype, Recipe, Space};

/// A recipe in user input: names and texts, each with a default.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeOptions {
    /// The gate set; `None` is [`Gates::default`]. With `letters`, the gates that they may use, and
    /// `None` is every standard gate.
    pub gates: Option<Gates>,
    /// The number of qubits, 1 to 8; `None` is [`DEFAULT_QUBITS`](crate::DEFAULT_QUBITS), or as many
    /// as `letters` need.
    pub qubits: Option<usize>,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`; `None` is
    /// [`DEFAULT_COUPLING`](crate::DEFAULT_COUPLING). Excludes `letters`.
    pub coupling: Option<String>,
    /// The letters in order, such as `h 0; cx 0 1`, instead of all placements of the gates.
    pub letters: Option<String>,
    /// Whether the circuits are all words instead of random ones.
    pub words: bool,
    /// The number of random circuits.
    pub random: u64,
    /// The number of uniformly random Clifford operators, instead of random circuits. Their circuits
    /// have letters and lengths of their own.
    pub cliffords: Option<u64>,
    /// The number of Haar-random unitaries without circuits, instead of random circuits.
    pub haar: Option<u64>,
    /// The seed of the random circuits, Clifford operators or unitaries.
    pub seed: u64,
    /// Weights of gates in random circuits, such as `t=1,cx=3`; other gates weigh 1. Without
    /// weights, all letters are equally likely.
    pub weights: Option<String>,
    /// Exact numbers of letters in each random circuit, such as `cx=3,t=2`; other gates are free.
    pub exactly: Option<String>,
    /// Whether no letter of a random circuit undoes the letter before it on the same qubits.
    pub no_cancelling: bool,
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
            gates: None,
            qubits: None,
            coupling: None,
            letters: None,
            words: false,
            random: 1_000_000,
            cliffords: None,
            haar: None,
            seed: 0,
            weights: None,
            exactly: None,
            no_cancelling: false,
            length: (5, 15),
            dtype: Dtype::Complex128,
            unitaries: true,
        }
    }
}

impl RecipeOptions {
    /// Returns the recipe that these options describe.
    ///
    /// # Errors
    /// [`Error::Recipe`], [`Error::GateFile`] or [`Error::Usage`], for the first invalid option.
    pub fn recipe(&self) -> Result<Recipe> {
        if let Some(records) = self.haar {
            return self.recipe_of_haar(records);
        }
        if let Some(records) = self.cliffords {
            return self.recipe_of_cliffords(records);
        }
        let RecipeOptions { gates, qubits, coupling, letters, .. } = self;
        let alphabet = AlphabetOptions {
            gates: gates.as_ref(),
            qubits: *qubits,
            coupling: coupling.as_deref(),
            letters: letters.as_deref(),
        };
        let alphabet = alphabet.alphabet(|_, error| Err(error))?;
        let (min, max) = self.length;
        let space = if self.words {
            if self.weights.is_some() || self.exactly.is_some() || self.no_cancelling {
                let text = "weights, exact numbers and no cancelling are for random circuits, not for words; leave them \
                            out, or words";
                return Err(Error::Usage(text.into()));
            }
            Space::words(&alphabet, min, max)?
        } else {
            let constraints = self.constraints(&alphabet)?;
            Space::constrained(&alphabet, self.random, self.seed, (min, max), constraints)?
        };
        Ok(Recipe::new(alphabet, space, self.dtype, self.unitaries))
    }

    fn constraints(&self, alphabet: &Alphabet) -> Result<Constraints> {
        let weight = ValueKind {
            noun: "weight",
            form: "GATE=WEIGHT, such as t=0.5",
            rule: "a weight must be a number above 0",
        };
        let exact = ValueKind {
            noun: "exact number",
            form: "GATE=NUMBER, such as cx=3",
            rule: "it must be a whole number from 0 to 65,535",
        };
        let weights = match &self.weights {
            Some(text) => parse_by_gate(text, alphabet, &weight, |text| text.parse().ok())?,
            None => Vec::new(),
        };
        let exactly = match &self.exactly {
            Some(text) => parse_by_gate(text, alphabet, &exact, |text| text.parse().ok())?,
            None => Vec::new(),
        };
        Ok(Constraints {
            weights: weights.into_iter().map(|weight| weight.unwrap_or(1.0)).collect(),
            exactly: if exactly.iter().all(Option::is_none) { Vec::new() } else { exactly },
            no_cancelling: self.no_cancelling,
        })
    }

    /// Returns the recipe of Clifford operators. An option of other recipes must have its default.
    fn recipe_of_cliffords(&self, records: u64) -> Result<Recipe> {
        let reason = |option| match option {
            "gates" | "letters" => "their circuits consist of h, s, cx, x, y and z",
            "coupling" => "their circuits use all pairs of qubits",
            "length" | "no_cancelling" => "each has a short circuit",
            "words" => "they are drawn at random",
            "random" => "their number is the count of cliffords",
            _ => "they are uniformly random",
        };
        if let Some(option) = self.option_of_circuits() {
            let reason = reason(option);
            let text =
                format!("cliffords makes uniformly random Clifford operators: {reason}; leave out {option}");
            return Err(Error::Usage(text));
        }
        let alphabet = Space::alphabet_of_cliffords(self.qubits.unwrap_or(DEFAULT_QUBITS))?;
        let space = Space::cliffords(&alphabet, records, self.seed)?;
        Ok(Recipe::new(alphabet, space, self.dtype, self.unitaries))
    }

    /// Returns the recipe of Haar-random unitaries. An option of circuits must have its default.
    fn recipe_of_haar(&self, records: u64) -> Result<Recipe> {
        let cliffords = self.cliffords.map(|_| "cliffords");
        if let Some(option) = cliffords.or_else(|| self.option_of_circuits()) {
            let reason = match option {
                "words" | "cliffords" => "they are drawn from all unitaries",
                "random" => "their number is the count of haar",
                _ => "they have no circuits",
            };
            let text = format!("haar makes Haar-random unitaries: {reason}; leave out {option}");
            return Err(Error::Usage(text));
        }
        let alphabet = Space::alphabet_of_haar(self.qubits.unwrap_or(DEFAULT_QUBITS))?;
        let space = Space::haar(&alphabet, records, self.seed)?;
        Ok(Recipe::new(alphabet, space, self.dtype, self.unitaries))
    }

    /// Returns the first option of words or random circuits that has not its default.
    fn option_of_circuits(&self) -> Option<&'static str> {
        let defaults = RecipeOptions::default();
        let given = [
            ("gates", self.gates.is_some()),
            ("coupling", self.coupling.is_some()),
            ("letters", self.letters.is_some()),
            ("length", self.length != defaults.length),
            ("words", self.words != defaults.words),
            ("random", self.random != defaults.random),
            ("weights", self.weights.is_some()),
            ("exactly", self.exactly.is_some()),
            ("no_cancelling", self.no_cancelling),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_operators_exclude_options_of_circuits() {
        let defaults = RecipeOptions::default;
        for (begin, options) in [
            ("cliffords makes", RecipeOptions { cliffords: Some(10), seed: 3, ..defaults() }),
            ("haar makes", RecipeOptions { haar: Some(10), seed: 3, ..defaults() }),
        ] {
            exclude_options_of_circuits(begin, &options);
            let none = RecipeOptions {
                cliffords: options.cliffords.map(|_| 0),
                haar: options.haar.map(|_| 0),
                ..defaults()
            };
            assert!(none.recipe().is_err());
            assert!(RecipeOptions { qubits: Some(9), ..options }.recipe().is_err());
        }
        let both = RecipeOptions { cliffords: Some(10), haar: Some(10), ..defaults() };
        assert!(both.recipe().unwrap_err().to_string().ends_with("; leave out cliffords"));
    }

    fn exclude_options_of_circuits(begin: &str, options: &RecipeOptions) {
        let recipe = options.recipe().unwrap();
        assert_eq!((recipe.expected(), recipe.format_version()), (Some(10), 2));
        let given = |options: RecipeOptions| options.recipe().unwrap_err().to_string();
        for (name, error) in [
            ("gates", given(RecipeOptions { gates: Some("h,s,cx".into()), ..options.clone() })),
            ("coupling", given(RecipeOptions { coupling: Some("line".into()), ..options.clone() })),
            ("letters", given(RecipeOptions { letters: Some("h 0".into()), ..options.clone() })),
            ("length", given(RecipeOptions { length: (0, 9), ..options.clone() })),
            ("words", given(RecipeOptions { words: true, ..options.clone() })),
            ("random", given(RecipeOptions { random: 9, ..options.clone() })),
            ("weights", given(RecipeOptions { weights: Some("h=2".into()), ..options.clone() })),
            ("exactly", given(RecipeOptions { exactly: Some("h=2".into()), ..options.clone() })),
            ("no_cancelling", given(RecipeOptions { no_cancelling: true, ..options.clone() })),
        ] {
            assert!(error.starts_with(begin), "{error}");
            assert!(error.ends_with(&format!("; leave out {name}")), "{error}");
        }
    }
}
