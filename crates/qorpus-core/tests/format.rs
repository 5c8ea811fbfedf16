//! The example of docs/format.md, decoded as it stands there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use qorpus_core::{ChunkRef, Circuits, Codec, ContentHash, Recipe};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_example_of_the_specification_decodes() {
    let document = include_str!("../../../docs/format.md").split_once("## Example").unwrap().1;
    let value = |key: &str| {
        let line = document.lines().find_map(|line| line.strip_prefix("    ")?.strip_prefix(key));
        line.unwrap_or_else(|| panic!("the example has no {key}")).trim().to_string()
    };
    let recipe = Recipe::from_json(&format!("{{{}", value("{"))).unwrap();
    let circuits = bytes(&value("circuits"));
    let chunk = ChunkRef {
        first_id: value("first_id").parse().unwrap(),
        count: value("count").parse().unwrap(),
        checksum: u64::from_str_radix(&value("checksum"), 16).unwrap(),
        content: ContentHash::from_bytes(bytes(&value("content")).try_into().unwrap()),
        circuits: &circuits,
        unitaries: None,
        labels: None,
    };
    let mut decoded = Circuits::default();
    Codec::new(&recipe).decode(&chunk, &mut decoded).unwrap();
    let words: Vec<_> = decoded.iter().map(|word| recipe.alphabet().text(word, &[])).collect();
    assert_eq!(words, ["", "h 0", "t 0", "h 0; h 0", "h 0; t 0", "t 0; h 0", "t 0; t 0"]);
    assert!(document.contains(&format!("`{}`", chunk.content)), "the content hash as it is printed");
    assert!(recipe.hash().starts_with(&[0xe5, 0xaa, 0x27, 0x63]));
}
