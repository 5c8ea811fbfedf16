//! NumPy's file format of one array: its header, and complex numbers from any type of entries.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use qorpus_core::Complex64;
use std::io::{Error, ErrorKind, Read};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is read. NumPy refuses longer ones than 10,000 bytes, too.
const MAX_HEADER_BYTES: usize = 10_000;

/// Returns the header of an array in C order, version 1.0 of the format. `shape` is a Python tuple.
pub(crate) fn header(dtype: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    // Magic, version, length and text, blanks and a line feed: the numbers start at a multiple of 64
    // bytes.
    let before = MAGIC.len() + 2 + 2;
    let width = (before + text.len() + 1).next_multiple_of(64) - before;
    // A few dozen characters, so that 16 bits hold the length.
    let line = format!("{text:<blank$}\n", blank = width - 1);
    [MAGIC, &[1, 0], &(width as u16).to_le_bytes(), line.as_bytes()].concat()
}

/// An array without its entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// The type of an entry as NumPy spells it, such as `<c16`; empty for a structured array.
    pub(crate) dtype: String,
    /// Whether the first index runs fastest.
    pub(crate) is_by_columns: bool,
    pub(crate) shape: Vec<u64>,
}

impl Header {
    /// Reads the header of an array. The entries follow.
    pub(crate) fn read(file: &mut impl Read) -> std::io::Result<Header> {
        let mut start = [0; 8];
        fill(file, &mut start)?;
        if &start[..6] != MAGIC {
            return Err(invalid("it is not a NumPy file (.npy)"));
        }
        // Version 1 has 16 bits for the length, versions 2 and 3 have 32.
        let mut length = [0; 4];
        fill(file, &mut length[..if start[6] == 1 { 2 } else { 4 }])?;
        let length = u32::from_le_bytes(length) as usize;
        if !(1..=3).contains(&start[6]) || start[7] != 0 {
            return Err(invalid("its version of the NumPy format is unknown"));
        }
        if length > MAX_HEADER_BYTES {
            return Err(invalid("its NumPy header is too long"));
        }
        let mut text = vec![0; length];
        fill(file, &mut text)?;
        let text = std::str::from_utf8(&text).ok();
        text.and_then(|text| Literal(text).header()).ok_or_else(|| invalid("its NumPy header is damaged"))
    }

    /// Returns the bytes of an entry, if it is a number.
    pub(crate) fn entry_bytes(&self) -> Option<usize> {
        let kind = self.dtype.strip_prefix(['<', '>', '|', '='])?;
        let numbers = ["c16", "c8", "f8", "f4", "f2", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"];
        numbers.contains(&kind).then(|| kind[1..].parse().ok())?
    }

    /// Returns the entries as complex numbers, in the order of the file. Integers of more than 53
    /// bits are rounded. None if an entry is not a number.
    pub(crate) fn entries(&self, data: &[u8]) -> Option<Vec<Complex64>> {
        let (bytes, class) = (self.entry_bytes()?, self.dtype.as_bytes()[1]);
        let width = if class == b'c' { bytes / 2 } else { bytes };
        let number = |data: &[u8]| {
            let mut raw = [0; 8];
            raw[..width].copy_from_slice(data);
            if self.dtype.starts_with('>') {
                raw[..width].reverse();
            }
            let (bits, unused) = (u64::from_le_bytes(raw), 64 - 8 * width);
            match (class, width) {
                (b'c' | b'f', 8) => f64::from_bits(bits),
                (b'c' | b'f', 4) => f32::from_bits(bits as u32).into(),
                (b'f', _) => from_half(bits as u16),
                (b'i', _) => (((bits << unused) as i64) >> unused) as f64,
                _ => bits as f64,
            }
        };
        let entry = |data: &[u8]| {
            Complex64::new(number(&data[..width]), data[width..].chunks(width).map(number).sum())
        };
        Some(data.chunks_exact(bytes).map(entry).collect())
    }
}

fn invalid(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

/// Reads as many bytes as there is room for.
pub(crate) fn fill(file: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<()> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => invalid("it is not a NumPy file (.npy), or it is truncated"),
        _ => error,
    })
}

/// Returns the value of a number in IEEE 754's binary16.
fn from_half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The rest of a Python literal: the dictionary of a header.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn header(mut self) -> Option<Header> {
        let (mut header, mut keys) = (Header::default(), Vec::new());
        self.sign('{').then_some(())?;
        while !self.sign('}') {
            let key = self.string()?;
            self.sign(':').then_some(())?;
            match key {
                // A structured array has a list here.
                "descr" if self.0.trim_start().starts_with('[') => return Some(header),
                "descr" => header.dtype = self.string()?.to_owned(),
                "fortran_order" => {
                    header.is_by_columns = match self.word() {
                        "True" => true,
                        "False" => false,
                        _ => return None,
                    }
                }
                "shape" => header.shape = self.numbers()?,
                _ => return None,
            }
            keys.push(key);
            if !self.sign(',') && !self.0.trim_start().starts_with('}') {
                return None;
            }
        }
        keys.sort_unstable();
        (keys == ["descr", "fortran_order", "shape"] && self.0.trim().is_empty()).then_some(header)
    }

    /// Takes a character, behind blanks; returns whether it was there.
    fn sign(&mut self, sign: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn string(&mut self) -> Option<&'a str> {
        let quote = ['\'', '"'].into_iter().find(|&quote| self.sign(quote))?;
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    fn word(&mut self) -> &'a str {
        let text = self.0.trim_start();
        let (word, rest) = text.split_at(text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len()));
        self.0 = rest;
        word
    }

    /// Takes a tuple of numbers.
    fn numbers(&mut self) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        self.sign('(').then_some(())?;
        while !self.sign(')') {
            // Python 2 wrote an L behind a long integer.
            numbers.push(self.word().trim_end_matches('L').parse().ok()?);
            if !self.sign(',') && !self.0.trim_start().starts_with(')') {
                return None;
            }
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> std::io::Result<Header> {
        Header::read(&mut &*bytes)
    }

    fn of(text: &str) -> Option<Header> {
        Literal(text).header()
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in ["()", "(5,)", "(2, 3)", "(1000000, 4, 4)"] {
            let bytes = header("<c16", shape);
            assert_eq!((&bytes[..8], bytes.len() % 64), (&b"\x93NUMPY\x01\x00"[..], 0));
            assert!(bytes.ends_with(b"\n"));
            let found = read(&bytes).unwrap();
            let numbers: Vec<String> = found.shape.iter().map(u64::to_string).collect();
            let tuple = numbers.join(", ") + if numbers.len() == 1 { "," } else { "" };
            assert_eq!((format!("({tuple})").as_str(), found.dtype.as_str()), (shape, "<c16"));
        }
        for width in 1..200 {
            let bytes = header("<u2", &"9".repeat(width));
            assert_eq!((&bytes[..8], bytes.len() % 64), (&b"\x93NUMPY\x01\x00"[..], 0));
            let length = u16::from_le_bytes([bytes[8], bytes[9]]);
            assert!(bytes.ends_with(b"\n") && bytes.len() == 10 + usize::from(length));
        }
    }

    #[test]
    fn headers_of_others() {
        let expected = Header { dtype: ">f4".into(), is_by_columns: true, shape: vec![4, 4] };
        for text in [
            "{'descr': '>f4', 'fortran_order': True, 'shape': (4, 4), }   \n",
            "{\"shape\":(4L,4L),\"fortran_order\":True,\"descr\":\">f4\"}",
        ] {
            assert_eq!(of(text).as_ref(), Some(&expected), "{text}");
            let length = (text.len() as u32).to_le_bytes();
            let bytes = [MAGIC, &[2, 0], &length, text.as_bytes(), b"entries"].concat();
            assert_eq!(read(&bytes).unwrap(), expected);
        }
        let structured = of("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (4,)}").unwrap();
        assert_eq!(structured.entry_bytes(), None);
        for text in [
            "",
            "{}",
            "{'descr': '<f8', 'shape': (4, 4)}",
            "{'descr': '<f8', 'fortran_order': 1, 'shape': (4, 4)}",
            "{'descr': '<f8', 'fortran_order': True, 'shape': (4 4)}",
            "{'descr': '<f8', 'fortran_order': True, 'shape': (-4, 4)}",
            "{'descr': '<f8', 'fortran_order': True, 'shape': (4, 4)",
            "{'descr': '<f8', 'fortran_order': True, 'shape': (4, 4), 'more': 1}",
            "{'descr': '<f8', 'fortran_order': True, 'shape': (4, 4)} more",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = header("<f8", "(4, 4)");
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err());
        }
        for at in 0..10 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            assert!(read(&bytes).is_err(), "{at}");
        }
        assert!(
            read(b"PK\x03\x04 an archive of arrays").unwrap_err().to_string().contains("not a NumPy file")
        );
    }

    #[test]
    fn entries_of_every_type() {
        let entries =
            |dtype: &str, data: &[u8]| Header { dtype: dtype.into(), ..Header::default() }.entries(data);
        let one = |re: f64, im: f64| Some(vec![Complex64::new(re, im)]);
        let pair = |re: f64, im: f64| [re.to_le_bytes(), im.to_le_bytes()].concat();
        assert_eq!(entries("<c16", &pair(0.5, -0.25)), one(0.5, -0.25));
        assert_eq!(entries(">c8", &[0x3f, 0, 0, 0, 0xbe, 0x80, 0, 0]), one(0.5, -0.25));
        assert_eq!(entries(">i2", &[0xff, 0xfe]), one(-2.0, 0.0));
        assert_eq!(entries("|i1", &[0x80]), one(-128.0, 0.0));
        assert_eq!(entries("<i8", &i64::MIN.to_le_bytes()), one(-(2f64.powi(63)), 0.0));
        assert_eq!(entries("<u8", &u64::MAX.to_le_bytes()), one(2f64.powi(64), 0.0));
        assert_eq!(entries("|b1", &[1]), one(1.0, 0.0));
        for dtype in ["<c32", "<f16", "|S4", "<M8[ns]", "O", "", "é"] {
            assert_eq!(entries(dtype, &[0; 64]), None, "{dtype}");
        }
        // The table of examples of binary16 in IEEE 754's Wikipedia article.
        for (bits, value) in [
            (0x0001, 2f64.powi(-24)),
            (0x03ff, 1023.0 * 2f64.powi(-24)),
            (0x0400, 2f64.powi(-14)),
            (0x3555, 0.333_251_953_125),
            (0x3bff, 0.999_511_718_75),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(entries("<f2", &u16::to_le_bytes(bits)), one(value, 0.0), "{bits:x}");
        }
        assert!(from_half(0x7c01).is_nan());
    }
}
