//! Gates in a recipe's JSON, which is untrusted: reading it takes no more memory than the gates.

use crate::bounded_vec::BoundedVec;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// The most gates of a recipe: letters are numbered with 16 bits, and each gate has a letter.
pub(crate) const MAX_GATES: usize = 1 << 16;

/// Rows and columns of the largest gate.
const LARGEST_SIDE: usize = 1 << crate::alphabet::MAX_UNITARY_QUBITS;

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum GateText {
    Standard(String),
    Opaque { opaque: String },
    Custom { name: String, qubits: usize, matrix: Matrix },
}

/// Rows of numbers, each a real and an imaginary part.
pub(crate) type Matrix = BoundedVec<BoundedVec<[f64; 2], LARGEST_SIDE>, LARGEST_SIDE>;

// A derived implementation would first keep a copy of any value, at many times its size.
impl<'de> Deserialize<'de> for GateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GateVisitor;
        impl<'de> Visitor<'de> for GateVisitor {
            type Value = GateText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a gate: its name, or an object that defines it")
            }

            fn visit_str<E>(self, name: &str) -> Result<GateText, E> {
                Ok(GateText::Standard(name.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<GateText, A::Error> {
                let (mut opaque, mut name, mut qubits, mut matrix) = (None, None, None, None);
                while let Some(field) = fields.next_key::<String>()? {
                    let is_new = match field.as_str() {
                        "opaque" => opaque.replace(fields.next_value()?).is_none(),
                        "name" => name.replace(fields.next_value()?).is_none(),
                        "qubits" => qubits.replace(fields.next_value()?).is_none(),
                        "matrix" => matrix.replace(fields.next_value()?).is_none(),
                        _ => fields.next_value::<IgnoredAny>().map(|_| true)?,
                    };
                    if !is_new {
                        return Err(A::Error::custom("a field of a gate is given twice"));
                    }
                }
                match (opaque, name, qubits, matrix) {
                    (Some(opaque), ..) => Ok(GateText::Opaque { opaque }),
                    (None, Some(name), Some(qubits), Some(matrix)) => {
                        Ok(GateText::Custom { name, qubits, matrix })
                    }
                    _ => Err(A::Error::custom("a gate lacks its name, its qubits or its matrix")),
                }
            }
        }
        deserializer.deserialize_any(GateVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<GateText, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn gates_are_read_as_they_are_written() {
        for text in [
            r#""h""#,
            r#"{"opaque":"mystery"}"#,
            r#"{"name":"g","qubits":1,"matrix":[[[1.0,0.0],[0.0,0.0]],[[0.0,0.0],[0.0,1.0]]]}"#,
        ] {
            assert_eq!(serde_json::to_string(&parsed(text).unwrap()).unwrap(), text);
        }
        for text in ["7", "[]", "{}", r#"{"name":"g"}"#, r#"{"opaque":"a","opaque":"b"}"#, r#"{"opaque":7}"#]
        {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn long_lists_are_not_read_to_their_ends() {
        let rows =
            |rows: usize| format!(r#"{{"name":"g","qubits":8,"matrix":[{}]}}"#, vec!["[]"; rows].join(","));
        assert!(parsed(&rows(256)).is_ok());
        assert!(parsed(&rows(257)).is_err_and(|error| error.contains("more than 256 items")));
        let gates = |count: usize| {
            let text = format!("[{}]", vec![r#""h""#; count].join(","));
            serde_json::from_str::<BoundedVec<GateText, MAX_GATES>>(&text).map(|gates| gates.0.len())
        };
        assert_eq!(gates(MAX_GATES).unwrap(), MAX_GATES);
        assert!(gates(MAX_GATES + 1).is_err());
        assert!(parsed(&format!(r#"{{"x":{}{}}}"#, "[".repeat(100), "]".repeat(100))).is_err());
    }
}
