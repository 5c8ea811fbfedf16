//! Reading the targets of a search, from text or from a NumPy file.

use crate::error::{Error, Result, io};
use crate::qubit_order::{Order, reorder};
use npyz::{DType, Deserialize, NpyFile};
use qorpus_core::{Alphabet, Circuits, Complex32, Complex64, Coupling, Gate, Kernel, Scratch, Target};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

/// Returns the unitary of a circuit of any standard gates.
///
/// # Errors
/// The text is not a circuit.
pub fn circuit_unitary(text: &str, qubits: usize) -> Result<Vec<Complex64>> {
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
    let circuit = alphabet.circuit(text)?;
    let (mut circuits, mut unitary) = (Circuits::default(), vec![Complex64::ZERO; alphabet.dim().pow(2)]);
    circuits.push(circuit);
    Kernel::new(&alphabet).unitaries(&circuits, &mut Scratch::default(), &mut unitary);
    Ok(unitary)
}

/// Reads a target from a NumPy file, with its qubits in this order.
///
/// # Errors
/// The file cannot be read, or does not hold a unitary of this size.
pub fn read_npy(path: &Path, qubits: usize, order: Order) -> Result<Target> {
    let size = 1usize << qubits;
    let failed = || io(path, "read it");
    let refused = |reason: String| {
        let remedy = format!("give a matrix of {size} x {size} complex numbers");
        Error::Usage(format!("{}: {reason}; {remedy}", path.display()))
    };
    let file = NpyFile::new(BufReader::new(File::open(path).map_err(failed())?)).map_err(failed())?;
    if *file.shape() != [size as u64; 2] {
        return Err(refused(format!("its shape is {:?}", file.shape())));
    }
    let by_columns = file.order() == npyz::Order::Fortran;
    let DType::Plain(kind) = file.dtype() else { return Err(refused("it is a structured array".into())) };
    let kind = kind.to_string();
    let wide = |entry: Complex32| Complex64::new(entry.re.into(), entry.im.into());
    let entries = match &kind[1..] {
        "c16" => entries(file, |entry: Complex64| entry),
        "c8" => entries(file, wide),
        "f8" => entries(file, |entry: f64| entry.into()),
        "f4" => entries(file, |entry: f32| f64::from(entry).into()),
        "f2" => entries(file, |entry: half::f16| f64::from(entry).into()),
        "b1" => entries(file, |entry: bool| f64::from(u8::from(entry)).into()),
        "i1" => entries(file, |entry: i8| f64::from(entry).into()),
        "i2" => entries(file, |entry: i16| f64::from(entry).into()),
        "i4" => entries(file, |entry: i32| f64::from(entry).into()),
        // A unitary has integers from -1 to 1; a large one is refused, rounded or not.
        "i8" => entries(file, |entry: i64| (entry as f64).into()),
        "u1" => entries(file, |entry: u8| f64::from(entry).into()),
        "u2" => entries(file, |entry: u16| f64::from(entry).into()),
        "u4" => entries(file, |entry: u32| f64::from(entry).into()),
        "u8" => entries(file, |entry: u64| (entry as f64).into()),
        other => return Err(refused(format!("its numbers are of type {other}"))),
    };
    let mut entries = entries.map_err(failed())?;
    if by_columns {
        entries = (0..size * size).map(|k| entries[k % size * size + k / size]).collect();
    }
    reorder(bytemuck::cast_slice_mut(&mut entries), qubits, size_of::<Complex64>(), order);
    let is_single = matches!(&kind[1..], "c8" | "f4" | "f2");
    Target::new(entries, size, is_single)
        .map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
}

/// Reads the entries of a file as complex numbers.
fn entries<T: Deserialize>(
    file: NpyFile<BufReader<File>>,
    wide: impl Fn(T) -> Complex64,
) -> std::io::Result<Vec<Complex64>> {
    let data =
        file.data::<T>().map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
    data.map(|entry| entry.map(&wide)).collect()
}
