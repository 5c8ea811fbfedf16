//! The schema: the tables of a corpus, and the check of a file's own schema.
//!
//! SQLite runs code in a schema: expressions of generated columns when a row is read, and of
//! indexes and CHECK constraints when one is written. So a table is read only if its definition is
//! the known one, word for word.

use crate::error::{Result, not_a_corpus};
use crate::sqlite::failure::sqlite;
use rusqlite::Connection;
use std::path::Path;
use std::sync::LazyLock;

/// The statements that create the tables.
pub(crate) const STATEMENTS: &str = include_str!("schema.sql");

/// The statements that create the additional tables of an enumeration.
pub(crate) const OF_DISTINCT: &str = include_str!("schema_distinct.sql");

/// Tables that are not in every corpus: the first files of version 1, whose records follow from a
/// recipe, have no table of labels.
const OPTIONAL: [&str; 3] = ["labels", "levels", "keys"];

/// Refuses a file whose tables are defined differently, or have foreign indexes. Other tables are
/// ignored, and triggers and views are disabled.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<()> {
    let failed = sqlite(path, "read its schema");
    let sql = "SELECT type, lower(name), lower(tbl_name), coalesce(sql, '') FROM sqlite_schema
               WHERE type IN ('table', 'view', 'index')";
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    let mut believed = vec![None; TABLES.len()];
    while let Some(row) = rows.next().map_err(&failed)? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let [kind, name, of_table, sql] = [text(0), text(1), text(2), text(3)];
        let of_table = of_table.map_err(&failed)?;
        let Some(place) = TABLES.iter().position(|known| known.name == of_table) else { continue };
        let is_known = kind.map_err(&failed)? == "table"
            && name.map_err(&failed)? == of_table
            && TABLES[place].is(sql.map_err(&failed)?);
        // A second object of the table is an index or a table with a name in other letters.
        believed[place] = Some(is_known && believed[place].is_none());
    }
    for (KnownTable { name, .. }, believed) in TABLES.iter().zip(believed) {
        if believed != Some(true) && !(believed.is_none() && OPTIONAL.contains(&name.as_str())) {
            return Err(not_a_corpus(path, format!("its table '{name}' is not as Qorpus defines it")));
        }
    }
    Ok(())
}

/// A table of a corpus.
struct KnownTable {
    name: String,
    sql: &'static str,
    words: Vec<String>,
}

impl KnownTable {
    /// Returns whether this SQL defines it. Most files have the statement letter by letter.
    fn is(&self, sql: &str) -> bool {
        sql == self.sql || words(sql) == self.words
    }
}

static TABLES: LazyLock<Vec<KnownTable>> = LazyLock::new(|| {
    let statements = STATEMENTS.split(';').chain(OF_DISTINCT.split(';'));
    // SQLite keeps a statement without what stands before and after it.
    let kept = statements.filter_map(|text| Some(text[text.find("CREATE")?..].trim()));
    let table = |sql| {
        let words = words(sql);
        KnownTable { name: words[2].clone(), sql, words }
    };
    kept.map(table).collect()
});

/// Splits SQL, in lower case and without comments, into words.
fn words(sql: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for line in sql.lines().map(|line| line.split("--").next().unwrap_or_default()) {
        for c in line.chars().chain([' ']) {
            match c {
                c if c.is_whitespace() => words.push(String::new()),
                '(' | ')' | ',' => words.extend([c.to_string(), String::new()]),
                c => words.iter_mut().last().into_iter().for_each(|word| word.extend(c.to_lowercase())),
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    /// The tables after `change`.
    fn checked(change: &str) -> Result<()> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STATEMENTS).unwrap();
        connection.execute_batch(change).unwrap();
        check(&connection, Path::new("c.db"))
    }

    #[test]
    fn the_tables_are_believed_and_nothing_else_is() {
        checked("").unwrap();
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&[STATEMENTS, OF_DISTINCT].concat()).unwrap();
        for known in &*TABLES {
            let sql = "SELECT sql FROM sqlite_schema WHERE name = ?1";
            let kept: String = connection.query_row(sql, [&known.name], |row| row.get(0)).unwrap();
            assert_eq!(kept, known.sql);
        }
        checked("DROP TABLE labels").unwrap();
        checked("CREATE TABLE mine (chunks); CREATE INDEX of_mine ON mine (chunks)").unwrap();
        let small = STATEMENTS
            .to_lowercase()
            .replace('\n', " \n ")
            .replace("create table chunks (", "create table\tchunks(");
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&small).unwrap();
        check(&connection, Path::new("c.db")).unwrap();
        for change in [
            "DROP TABLE totals",
            "DROP TABLE labels; CREATE VIEW labels AS SELECT 1 AS name, 1 AS is_text",
            "ALTER TABLE chunks ADD COLUMN more TEXT AS (hex(circuits))",
            "ALTER TABLE work ADD COLUMN more INTEGER DEFAULT (abs(1))",
            "CREATE INDEX i ON totals (records, abs(one))",
            "CREATE INDEX CHUNKS_i ON chunks (count)",
            "DROP TABLE work; CREATE TABLE work (first_chunk INTEGER PRIMARY KEY, end_chunk, owner, CHECK (abs(1)))",
        ] {
            assert!(matches!(checked(change), Err(Error::NotACorpus { .. })), "{change}");
        }
    }

    #[test]
    fn the_specification_has_the_same_tables() {
        let specification = include_str!("../../../../docs/format.md");
        let blocks: Vec<_> =
            specification.split("```sql").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(
            blocks.into_iter().map(words).collect::<Vec<_>>(),
            [words(STATEMENTS), words(OF_DISTINCT)]
        );
    }
}
