//! Reading the targets of a search, from text or from a NumPy file.

use crate::error::{Error, Result, io};
use crate::npy::{Header, fill};
use crate::qubit_order::{Order, reorder};
use qorpus_core::{
    Alphabet, Circuits, Clifford, Complex64, Coupling, Distinct, Gate, Kernel, MAX_UNITARY_QUBITS, Recipe,
    Scratch, Target,
};
use std::fs::File;
use std::path::Path;

/// Returns the target that a circuit of any standard gates is for the corpus of a recipe: a Clifford
/// operator where tableaus are compared, else a unitary.
///
/// # Errors
/// The text is not a circuit, or has a gate that is not a Clifford gate on more than 8 qubits.
pub fn circuit_target(text: &str, recipe: &Recipe) -> Result<Target> {
    let qubits = recipe.alphabet().qubits();
    // A tableau has no phase.
    let is_tableau = |distinct: &Distinct| distinct.tableaus && distinct.up_to.ignores_phase();
    if recipe.space().enumerates().is_some_and(is_tableau) {
        let (alphabet, circuit) = parsed(text, qubits)?;
        match Clifford::of_circuit(&alphabet, &circuit) {
            Err(qorpus_core::Error::NotClifford { .. }) if qubits <= MAX_UNITARY_QUBITS => {}
            operator => return Ok(Target::of_clifford(operator?)),
        }
    }
    circuit_unitary(text, qubits).map(Target::of_circuit)
}

/// Returns the unitary of a circuit of any standard gates.
///
/// # Errors
/// The text is not a circuit, or there are more than 8 qubits.
pub fn circuit_unitary(text: &str, qubits: usize) -> Result<Vec<Complex64>> {
    let (alphabet, circuit) = parsed(text, qubits)?;
    alphabet.check_unitaries()?;
    let (mut circuits, mut unitary) = (Circuits::default(), vec![Complex64::ZERO; alphabet.dim().pow(2)]);
    circuits.push(circuit);
    Kernel::new(&alphabet).unitaries(&circuits, &mut Scratch::default(), &mut unitary);
    Ok(unitary)
}

/// Returns a circuit of any standard gates, and the alphabet of these gates.
fn parsed(text: &str, qubits: usize) -> Result<(Alphabet, Vec<u16>)> {
    let mut gates: Vec<Gate> = Vec::new();
    for letter in text.split(';').map(str::trim).filter(|letter| !letter.is_empty()) {
        // The qubits follow the last parenthesis, if there is one, or the name.
        let end = letter.rfind(')').map_or_else(|| letter.find(' ').unwrap_or(letter.len()), |end| end + 1);
        let gate = Gate::standard(&letter[..end])?;
        if gates.iter().all(|known| known.name() != gate.name()) {
            gates.push(gate);
        }
    }
    if gates.is_empty() {
        gates.push(Gate::standard("id")?);
    }
    let alphabet = Alphabet::new(gates, qubits, Coupling::All)?;
    alphabet.check_fixed("a unitary needs")?;
    let circuit = alphabet.circuit(text)?;
    Ok((alphabet, circuit))
}

/// Refuses a matrix as the target of a search on more qubits than unitaries have.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_matrix(qubits: usize) -> Result<()> {
    if qubits <= MAX_UNITARY_QUBITS {
        return Ok(());
    }
    let text = format!(
        "a matrix is looked up on at most {MAX_UNITARY_QUBITS} qubits, but this corpus has {qubits}; give a circuit of \
         Clifford gates"
    );
    Err(Error::Usage(text))
}

/// Reads a target from a NumPy file, with its qubits in this order.
///
/// # Errors
/// The file cannot be read, or does not hold a unitary of this size, or there are more than 8 qubits.
pub fn read_npy(path: &Path, qubits: usize, order: Order) -> Result<Target> {
    check_matrix(qubits)?;
    let size = 1usize << qubits;
    let failed = || io(path, "read it");
    let refused = |reason: String| {
        let remedy = format!("give a matrix of {size} x {size} complex numbers");
        Error::Usage(format!("{}: {reason}; {remedy}", path.display()))
    };
    let mut file = File::open(path).map_err(failed())?;
    let header = Header::read(&mut file).map_err(failed())?;
    let Some(bytes) = header.entry_bytes() else {
        return Err(refused(match header.dtype.as_str() {
            "" => "it is a structured array".into(),
            dtype => format!("its numbers are of type '{dtype}'"),
        }));
    };
    if header.shape != [size as u64; 2] {
        return Err(refused(format!("its shape is {:?}", header.shape)));
    }
    let mut data = vec![0; size * size * bytes];
    fill(&mut file, &mut data).map_err(failed())?;
    // A unitary has integers from -1 to 1; a large one is refused, rounded or not.
    let mut entries = header.entries(&data).unwrap_or_default();
    if header.is_by_columns {
        entries = (0..size * size).map(|k| entries[k % size * size + k / size]).collect();
    }
    reorder(bytemuck::cast_slice_mut(&mut entries), qubits, size_of::<Complex64>(), order);
    let is_single = ["c8", "f4", "f2"].iter().any(|kind| header.dtype.ends_with(kind));
    Target::new(entries, size, is_single)
        .map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
}
