//! A new corpus: its tables, and the metadata that describe the file.

use crate::error::Result;
use crate::hex::hex;
use crate::sqlite::connection::{APPLICATION_ID, StoredRecipe};
use crate::sqlite::failure::sqlite_on;
use crate::sqlite::schema;
use crate::tables::claims;
use qorpus_core::{ContentHash, Recipe};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::json;
use std::path::Path;

/// Writes tables and metadata into an empty file, in one transaction.
pub(crate) fn create(connection: &Connection, path: &Path, stored: &StoredRecipe) -> Result<()> {
    let (failed, recipe) = (sqlite_on(connection, path, "create it"), &stored.recipe);
    let fill = |transaction: &Transaction<'_>| {
        transaction.execute_batch(schema::STATEMENTS)?;
        if recipe.space().enumerates().is_some() {
            transaction.execute_batch(schema::OF_DISTINCT)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", stored.format_version())?;
        // A shard of a corpus that has grown has the seed of the others.
        let seed = stored.check_seed_text().map(|text| ("check_seed", text));
        for (key, value) in metadata(recipe).into_iter().chain(seed) {
            transaction.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", params![key, value])?;
        }
        if recipe.expected().is_some() {
            claims::insert(transaction, &(0..recipe.chunks()), None)?;
        }
        let nothing = ContentHash::default().to_bytes();
        transaction
            .execute("INSERT INTO totals (one, records, content) VALUES (1, 0, ?1)", [nothing])
            .map(drop)
    };
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(&failed)?;
    fill(&transaction).and_then(|()| transaction.commit()).map_err(failed)
}

/// Makes the recipe of a file a larger one. The seed of its checks stays.
pub(crate) fn grow(transaction: &Transaction<'_>, grown: &StoredRecipe) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    let mut set = transaction.prepare_cached(sql)?;
    set.execute(["recipe", &grown.recipe.to_json()])?;
    set.execute(["recipe_hash", &hex(&grown.recipe.hash())])?;
    match grown.check_seed_text() {
        Some(text) => set.execute(["check_seed", &text])?,
        None => transaction.execute("DELETE FROM meta WHERE key = 'check_seed'", [])?,
    };
    transaction.pragma_update(None, "user_version", grown.format_version())
}

/// Returns the recipe's hash, as stored.
pub(crate) fn recipe_hash(connection: &Connection) -> rusqlite::Result<String> {
    let sql = "SELECT value FROM meta WHERE key = 'recipe_hash'";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Returns the recipe's text, as stored.
pub(crate) fn recipe_text(connection: &Connection) -> rusqlite::Result<String> {
    let sql = "SELECT value FROM meta WHERE key = 'recipe'";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Returns the metadata, which should still explain the file in ten years.
fn metadata(recipe: &Recipe) -> [(&'static str, String); 6] {
    let alphabet = recipe.alphabet();
    let gates = alphabet.gates().iter().map(|gate| {
        let entries: Vec<_> = gate.matrix().iter().map(|entry| [entry.re, entry.im]).collect();
        let matrix: Vec<_> = entries.chunks(1 << gate.qubits()).collect();
        json!({"name": gate.name(), "qubits": gate.qubits(), "matrix": matrix})
    });
    let letters: Vec<_> = alphabet.letters().iter().map(|letter| &letter.text).collect();
    let about = match (recipe.space().has_circuits(), recipe.has_unitaries()) {
        (true, true) => include_str!("about.txt"),
        (true, false) => include_str!("about_tableaus.txt"),
        (false, _) => include_str!("about_haar.txt"),
    };
    [
        ("about", about.into()),
        ("recipe", recipe.to_json()),
        ("recipe_hash", hex(&recipe.hash())),
        ("gates", json!(gates.collect::<Vec<_>>()).to_string()),
        ("letters", json!(letters).to_string()),
        ("created_by", format!("qorpus {}, SQLite {}", env!("CARGO_PKG_VERSION"), rusqlite::version())),
    ]
}
