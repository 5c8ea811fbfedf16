//! JSON for scripts, and for Python's dictionaries.

use crate::format::places;
use qorpus::core::Gate;
use qorpus::{Complex64, Corpus, Found, Machine, Plan, Recipe, Record, Sealed, Summary, Way};
use serde_json::{Map, Value, json};

/// Returns the result of looking for a unitary.
pub(crate) fn found(recipe: &Recipe, found: &Found) -> Value {
    let circuit = |circuit: &[u16]| letters(recipe, circuit);
    let whole = found.letters(recipe.alphabet());
    match found {
        Found::Record { id, .. } => json!({"id": id, "circuit": whole}),
        Found::Circuit { .. } => json!({"id": null, "circuit": whole}),
        Found::BeyondLength(length) => {
            json!({"circuit": null, "none_up_to": {"length": length}, "proven": true})
        }
        Found::BeyondCost(cost) => json!({"circuit": null, "none_up_to": {"cost": cost}, "proven": true}),
        Found::Never => json!({"circuit": null, "none_up_to": null, "proven": true}),
        Found::Near { id, distance, tolerance, .. } => json!({
            "id": id, "circuit": whole, "distance": distance, "tolerance": tolerance,
        }),
        Found::Unclear { nearest, tolerance, within } => json!({
            "circuit": null,
            "proven": false,
            "tolerance": tolerance,
            "within": within,
            "nearest": nearest.as_ref().map(|(id, letters, distance)| json!({
                "id": id, "circuit": circuit(letters), "distance": distance,
            })),
        }),
    }
}

/// Returns the state of a sharded corpus.
pub fn sealed(sealed: &Sealed) -> Value {
    let missing: Vec<_> = sealed.missing.iter().map(|ids| [ids.start, ids.end]).collect();
    json!({
        "version": sealed.version,
        "shards": sealed.shards,
        "of": sealed.of,
        "shard_records": sealed.shard_records,
        "records": sealed.records,
        "expected": sealed.expected,
        "complete": missing.is_empty(),
        "content_hash": sealed.content_hash.to_string(),
        "bytes": sealed.bytes,
        "missing": missing,
    })
}

/// Returns the cost of a recipe.
pub(crate) fn plan(recipe: &Recipe, plan: &Plan) -> Value {
    let machine = |machine: Machine| {
        let (read, compute) = plan.reading(machine);
        json!({
            "cores": machine.cores,
            "disk_bytes_per_second": machine.disk_rate,
            "file_bytes_per_second": machine.file_rate(),
            "directory_bytes_per_second": machine.directory_rate(plan.shards()),
            "seconds_to_read_stored": read,
            "seconds_to_compute_instead": compute,
            "storing_is_slower": plan.is_storing_slower(machine),
        })
    };
    let way = |(name, way): (&str, Way)| {
        let value = json!({
            "bytes": way.bytes,
            "records_per_second_per_core": way.rate,
            "core_hours": plan.core_seconds(way) / 3600.0,
            "seconds_here": plan.seconds(way, plan.here),
            "seconds_there": plan.seconds(way, plan.there),
        });
        (name.to_owned(), value)
    };
    json!({
        "recipe": recipe_value(recipe),
        "records": plan.records,
        "chunks": plan.chunks,
        "shards": plan.records.div_ceil(plan.shard_records),
        "bytes": plan.way().bytes,
        "records_per_second_per_core": plan.way().rate,
        "jobs": plan.here.cores,
        "seconds": plan.seconds(plan.way(), plan.here),
        "ways": ways(plan).map(way).into_iter().collect::<Map<_, _>>(),
        "here": machine(plan.here),
        "there": machine(plan.there),
    })
}

/// Returns the ways to store the records of a plan, by name.
pub(crate) fn ways(plan: &Plan) -> [(&'static str, Way); 3] {
    [("stored", plan.stored), ("derived", plan.derived), ("virtual", plan.computed)]
}

/// Returns the facts about a corpus.
pub fn info(corpus: &Corpus, facts: &Summary, unsealed: Option<&Sealed>) -> Value {
    let alphabet = corpus.recipe().alphabet();
    let mut value = json!({
        "path": places(corpus),
        "records": null,
        "expected": null,
        "complete": null,
        "qubits": alphabet.qubits(),
        "gates": alphabet.gates().iter().map(Gate::name).collect::<Vec<_>>(),
        "alphabet": alphabet.letters().iter().map(|letter| &letter.text).collect::<Vec<_>>(),
        "recipe": recipe_value(corpus.recipe()),
        "recipe_hash": null,
        "content_hash": null,
        "bytes": null,
        "bytes_per_record": facts.bytes as f64 / facts.records.max(1) as f64,
        "sqlite_version": null,
        "format_version": null,
        "wal_missing": null,
        "unsealed": unsealed.map(sealed),
    });
    if let (Value::Object(value), Value::Object(facts)) = (&mut value, summary(facts)) {
        // Extending keeps the order of the keys.
        value.extend(facts);
    }
    value
}

/// Returns the facts about a corpus that depend on its records and files.
pub fn summary(summary: &Summary) -> Value {
    json!({
        "records": summary.records,
        "expected": summary.expected,
        "complete": summary.complete,
        "recipe_hash": summary.recipe_hash,
        "content_hash": summary.content_hash.to_string(),
        "bytes": summary.bytes,
        "sqlite_version": summary.sqlite_version,
        "format_version": summary.format_version,
        "wal_missing": summary.wal_missing,
    })
}

/// Returns a record, its numbers with round-trip precision.
pub(crate) fn record(recipe: &Recipe, record: &Record) -> Value {
    let text = recipe.alphabet().text(&record.circuit, &record.angles);
    let letters = || text.split("; ").filter(|letter| !letter.is_empty()).collect::<Vec<_>>();
    let mut value = json!({
        "id": record.id,
        "circuit": recipe.space().has_circuits().then(letters),
        "unitary": recipe.has_unitaries().then(|| entries(&record.unitary, recipe.alphabet().dim())),
        "labels": record.labels,
    });
    if recipe.alphabet().has_free_angles() {
        value["angles"] = json!(record.angles);
    }
    value
}

/// Returns the rows of a matrix, each entry as [re, im].
pub(crate) fn entries(matrix: &[Complex64], dim: usize) -> Value {
    let entries: Vec<[f64; 2]> = matrix.iter().map(|entry| [entry.re, entry.im]).collect();
    json!(entries.chunks(dim).collect::<Vec<_>>())
}

fn recipe_value(recipe: &Recipe) -> Value {
    serde_json::from_str(&recipe.to_json()).unwrap_or_default()
}

fn letters<'a>(recipe: &'a Recipe, circuit: &[u16]) -> Vec<&'a str> {
    let letters = recipe.alphabet().letters();
    circuit.iter().map(|&letter| letters[usize::from(letter)].text.as_str()).collect()
}
