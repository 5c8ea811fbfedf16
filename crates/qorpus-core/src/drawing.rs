//! Circuits drawn: the columns in which letters stand, and a picture of characters.

use crate::alphabet::Alphabet;
use crate::gate::name::push_with_angles;
use crate::gate::standard::parts;
use std::borrow::Cow;
use std::fmt;

/// The most bytes of an angle whose text is drawn; longer ones are drawn as numbers.
const LONGEST_ANGLE: usize = 7;

/// A drawing of a circuit: a line for each qubit, with time running to the right.
///
/// Its letters have places that any picture may use. Displaying it draws them with characters, as
/// [`draw`] does.
///
/// ```
/// use qorpus_core::Drawing;
///
/// let letters: [(&str, &[usize]); 3] = [("h", &[0]), ("tdg", &[2]), ("cx", &[2, 0])];
/// let drawing = Drawing::new(3, letters);
/// let columns: Vec<usize> = drawing.letters.iter().map(|letter| letter.column).collect();
/// assert_eq!(columns, [0, 0, 1]);
/// let symbols = [Some("⊕".to_owned()), None, Some("●".to_owned())];
/// assert_eq!(drawing.letters[2].symbols, symbols);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    /// The number of qubits.
    pub qubits: usize,
    /// The letters, in the order of the circuit.
    pub letters: Vec<PlacedLetter>,
}

/// A letter placed in a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLetter {
    /// The column, counted from 0.
    pub column: usize,
    /// The first qubit that the letter covers.
    pub top: usize,
    /// A symbol for each qubit from the first to the last: `●` for a control, `⊕` for the target
    /// of a controlled NOT, `×` for a swapped qubit, otherwise the label of a box; `None` where
    /// the letter crosses a qubit on which it does not act.
    pub symbols: Vec<Option<String>>,
}

impl Drawing {
    /// Places letters, each a gate's name with its angles, and its qubits. A gate without qubits
    /// covers all of them.
    ///
    /// # Panics
    /// If a qubit is not one of `qubits`.
    pub fn new<'a>(qubits: usize, letters: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Drawing {
        // A letter stands in the first column in which all wires from its first to its last qubit
        // are free.
        let mut free = vec![0; qubits];
        let all: Vec<usize> = (0..qubits).collect();
        let place = |(name, places): (&str, &'a [usize])| {
            // An opaque gate that does not say where it stands may stand anywhere.
            let places = if places.is_empty() { &all[..] } else { places };
            let (top, bottom) = span(places);
            let column = free[top..=bottom].iter().copied().max().unwrap_or(0);
            free[top..=bottom].fill(column + 1);
            let mut on_wires = vec![None; bottom - top + 1];
            for (symbol, &qubit) in symbols(name, places.len()).into_iter().zip(places) {
                on_wires[qubit - top] = Some(symbol);
            }
            PlacedLetter { column, top, symbols: on_wires }
        };
        Drawing { qubits, letters: letters.into_iter().map(place).collect() }
    }
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = (2 * self.qubits).saturating_sub(1);
        let columns = self.letters.iter().map(|letter| letter.column + 1).max().unwrap_or(0);
        let mut cells = vec![vec![""; height]; columns];
        for letter in &self.letters {
            for (below, symbol) in letter.symbols.iter().enumerate() {
                let line = 2 * (letter.top + below);
                cells[letter.column][line] = symbol.as_deref().unwrap_or("┼");
                if below > 0 {
                    cells[letter.column][line - 1] = "│";
                }
            }
        }
        let begin = |line| if line % 2 == 0 { format!("q{} ─", line / 2) } else { "    ".into() };
        let mut lines: Vec<String> = (0..height).map(begin).collect();
        for column in cells {
            let width = column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0) + 1;
            for (number, (line, cell)) in lines.iter_mut().zip(column).enumerate() {
                let blank = if number % 2 == 0 { '─' } else { ' ' };
                line.push_str(cell);
                line.extend(std::iter::repeat_n(blank, width - cell.chars().count()));
            }
        }
        lines.iter().try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

/// Draws a circuit with characters: a line for each qubit with time running to the right, and lines
/// between them that join the qubits of a gate. `angles` are those of its letters with free angles,
/// in order. An angle of many digits is drawn with three decimals.
///
/// ```
/// # use qorpus_core::*;
/// let gates = ["h", "tdg", "cx"].map(|name| Gate::standard(name).unwrap()).to_vec();
/// let alphabet = Alphabet::new(gates, 2, Coupling::All)?;
/// let circuit = alphabet.circuit("h 0; cx 0 1; tdg 1")?;
/// assert_eq!(draw(&alphabet, &circuit, &[]), "\
/// q0 ─H─●────
///       │
/// q1 ───⊕─T†─
/// ");
/// # Ok::<(), Error>(())
/// ```
///
/// # Panics
/// If a number in `circuit` is not a letter of the alphabet.
pub fn draw(alphabet: &Alphabet, circuit: &[u16], angles: &[f64]) -> String {
    let mut angles = angles.iter().copied();
    let letters = circuit.iter().map(|&number| {
        let letter = &alphabet.letters()[usize::from(number)];
        let mut name = String::new();
        push_with_angles(&mut name, alphabet.gates()[letter.gate].name(), &mut angles, |angle| {
            format!("{angle:?}")
        });
        (name, letter.qubits.as_slice())
    });
    let letters: Vec<_> = letters.collect();
    let letters = letters.iter().map(|(name, qubits)| (name.as_str(), *qubits));
    Drawing::new(alphabet.qubits(), letters).to_string()
}

/// Returns the name of a gate with angles of many digits rounded to three decimals.
fn shortened(name: &str) -> Cow<'_, str> {
    let (base, angles) = parts(name);
    let rounded = |angle: &str| match angle.parse::<f64>() {
        Ok(value) if angle.len() > LONGEST_ANGLE => format!("{value:.3}"),
        _ => angle.into(),
    };
    match angles.iter().any(|angle| angle.len() > LONGEST_ANGLE) {
        true => {
            format!("{base}({})", angles.iter().map(|angle| rounded(angle)).collect::<Vec<_>>().join(","))
                .into()
        }
        false => name.into(),
    }
}

fn span(qubits: &[usize]) -> (usize, usize) {
    qubits.iter().fold((usize::MAX, 0), |(top, bottom), &q| (top.min(q), bottom.max(q)))
}

/// Returns the symbol on each of the gate's qubits.
fn symbols(name: &str, qubits: usize) -> Vec<String> {
    let name = &*shortened(name);
    let symbols: &[&str] = match name {
        "cx" => &["●", "⊕"],
        "cz" => &["●", "●"],
        "swap" => &["×", "×"],
        "ccx" => &["●", "●", "⊕"],
        "cswap" => &["●", "×", "×"],
        "csx" => &["●", "√X"],
        _ => &[],
    };
    if !symbols.is_empty() {
        return symbols.iter().map(ToString::to_string).collect();
    }
    let label = |name: &str| {
        let dagger = ["sdg", "tdg", "sxdg"].contains(&name);
        let name = if dagger { name.trim_end_matches("dg") } else { name };
        let root = name.strip_prefix("sx").map_or_else(|| name.to_uppercase(), |rest| format!("√X{rest}"));
        root.replace("PI", "π").replace('*', "") + if dagger { "†" } else { "" }
    };
    match (name.strip_prefix('c'), qubits) {
        (_, 1) => vec![label(name)],
        (Some(target), 2) if ["y", "h"].contains(&target) || target.contains('(') => {
            vec!["●".into(), label(target)]
        }
        _ => (0..qubits).map(|k| format!("{name}.{k}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_crossings_and_labels() {
        let alphabet = Alphabet::of("h,sxdg,rz(3*pi/4),crx(pi/2),iswap,ccx", 3);
        let circuit = "h 0; sxdg 1; crx(pi/2) 2 0; rz(3*pi/4) 1; iswap 0 1; ccx 0 2 1";
        let drawing = draw(&alphabet, &alphabet.circuit(circuit).unwrap(), &[]);
        assert_eq!(drawing.lines().count(), 5);
        let widths: Vec<_> = drawing.lines().step_by(2).map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "\n{drawing}");
        assert!(["√X†", "RZ(3π/4)", "┼"].iter().all(|symbol| drawing.contains(symbol)), "\n{drawing}");
        let free = Alphabet::of("h,rz(?),cp(?)", 2);
        let drawing = draw(&free, &[2, 0, 4], &[0.123_456_789, -0.5]);
        assert!(["RZ(0.123)", "●", "P(-0.5)"].iter().all(|part| drawing.contains(part)), "\n{drawing}");
        assert_eq!(draw(&alphabet, &[], &[]), "q0 ─\n\nq1 ─\n\nq2 ─\n");
    }
}
