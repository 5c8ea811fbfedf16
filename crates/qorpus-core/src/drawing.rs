//! Circuits drawn for a terminal.

use crate::alphabet::Alphabet;

/// Draws a circuit: a line for each qubit with time running to the right, and lines between them
/// that join the qubits of a gate.
///
/// ```
/// # use qorpus_core::*;
/// let gates = ["h", "tdg", "cx"].map(|name| Gate::standard(name).unwrap()).to_vec();
/// let alphabet = Alphabet::new(gates, 2, Coupling::All)?;
/// let circuit = alphabet.circuit("h 0; cx 0 1; tdg 1")?;
/// assert_eq!(draw(&alphabet, &circuit), "\
/// q0 ─H─●────
///       │
/// q1 ───⊕─T†─
/// ");
/// # Ok::<(), Error>(())
/// ```
///
/// # Panics
/// If a number in `circuit` is not a letter of the alphabet.
pub fn draw(alphabet: &Alphabet, circuit: &[u16]) -> String {
    let qubits = alphabet.qubits();
    // A letter is drawn in the first column in which all wires from its first to its last qubit are
    // free.
    let mut free = vec![0; qubits];
    let mut columns: Vec<Vec<(usize, Vec<String>)>> = Vec::new();
    for &letter in circuit {
        let letter = &alphabet.letters()[usize::from(letter)];
        // An opaque gate without qubits may act on any of them.
        let places = if letter.qubits.is_empty() { (0..qubits).collect() } else { letter.qubits.clone() };
        let (top, bottom) = span(&places);
        let column = free[top..=bottom].iter().copied().max().unwrap_or(0);
        free[top..=bottom].fill(column + 1);
        columns.resize_with(columns.len().max(column + 1), Vec::new);
        let symbols = symbols(alphabet.gates()[letter.gate].name(), places.len());
        let mut wires = vec!["┼".to_string(); bottom - top + 1];
        for (symbol, &qubit) in symbols.into_iter().zip(&places) {
            wires[qubit - top] = symbol;
        }
        columns[column].push((top, wires));
    }
    let begin = |line| if line % 2 == 0 { format!("q{} ─", line / 2) } else { "    ".into() };
    let mut lines: Vec<String> = (0..2 * qubits - 1).map(begin).collect();
    for column in columns {
        let mut cells = vec![String::new(); 2 * qubits - 1];
        for (top, wires) in column {
            for (below, symbol) in wires.into_iter().enumerate() {
                cells[2 * (top + below)] = symbol;
                if below > 0 {
                    cells[2 * (top + below) - 1] = "│".into();
                }
            }
        }
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0) + 1;
        for (number, (line, cell)) in lines.iter_mut().zip(cells).enumerate() {
            let blank = if number % 2 == 0 { '─' } else { ' ' };
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(blank, width - cell.chars().count()));
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn span(qubits: &[usize]) -> (usize, usize) {
    qubits.iter().fold((usize::MAX, 0), |(top, bottom), &q| (top.min(q), bottom.max(q)))
}

/// Returns the symbol on each of the gate's qubits.
fn symbols(name: &str, qubits: usize) -> Vec<String> {
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
        let drawing = draw(&alphabet, &alphabet.circuit(circuit).unwrap());
        assert_eq!(drawing.lines().count(), 5);
        let widths: Vec<_> = drawing.lines().step_by(2).map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "\n{drawing}");
        assert!(["√X†", "RZ(3π/4)", "┼"].iter().all(|symbol| drawing.contains(symbol)), "\n{drawing}");
        assert_eq!(draw(&alphabet, &[]), "q0 ─\n\nq1 ─\n\nq2 ─\n");
    }
}
