//! The table of other programs' connections, here in one of our own SQLite.

#![allow(clippy::unwrap_used, clippy::panic)]

use qorpus::{
    Corpus, GenerateOptions, Order, RecipeOptions, Value, Writer, WriterOptions, add_to_connection, generate,
};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

fn connect(file: Option<&Path>) -> Connection {
    let connection = match file {
        Some(file) => Connection::open(file).unwrap(),
        None => Connection::open_in_memory().unwrap(),
    };
    add_to_connection(&connection).unwrap();
    connection
}

fn rows(connection: &Connection, query: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut statement = connection.prepare(query)?;
    let width = statement.column_count();
    statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect())?.collect()
}

fn made(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("c.db");
    let options = RecipeOptions { gates: Some("h,t,cx".into()), random: 5_000, ..RecipeOptions::default() };
    generate(&path, &options.recipe().unwrap(), GenerateOptions::default(), &false.into(), &mut |_| {})
        .unwrap();
    path
}

#[test]
fn a_created_table_and_the_function_agree_with_select() {
    let directory = tempfile::tempdir().unwrap();
    let path = made(directory.path());
    let connection = connect(None);
    let create = format!("create virtual table temp.records using qorpus('{}', 'little')", path.display());
    connection.execute_batch(&create).unwrap();
    let corpus = Arc::new(Corpus::open(std::slice::from_ref(&path)).unwrap());
    for query in [
        "select * from records",
        "select id from records where id between 17 and 21 order by id",
        "select max(id), sum(count_cx) from records where id < 4000",
    ] {
        let expected = corpus.select(Order::Little, query, &[], || false).unwrap().rows;
        assert_eq!(rows(&connection, query).unwrap(), expected, "{query}");
    }
    let query = format!(
        "select id, unitary, counts ->> 'cx' from qorpus('{}', 'little') where id > 4990",
        path.display()
    );
    let expected = "select id, unitary, count_cx from records where id > 4990";
    let expected = corpus.select(Order::Little, expected, &[], || false).unwrap().rows;
    assert_eq!(rows(&connection, &query).unwrap(), expected);
    assert_eq!(rows(&connect(Some(&path)), "select id from qorpus where id > 4997").unwrap().len(), 2);
}

#[test]
fn arguments_of_joins_come_from_other_tables() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["a.db", "b.db"].map(|name| directory.path().join(name));
    for (records, path) in (2..).zip(&paths) {
        let options =
            WriterOptions { gates: Some("h,t".into()), qubits: Some(1), ..WriterOptions::default() };
        let writer = Writer::open(path, &options).unwrap();
        for _ in 0..records {
            writer.append(&[0], None, &[]).unwrap();
        }
        writer.close().unwrap();
    }
    let connection = connect(None);
    let names = paths.map(|path| format!("('{}')", path.display())).join(", ");
    let query = format!(
        "with files(path) as (values {names}) select count(*) from files, qorpus(files.path) group by path"
    );
    assert_eq!(rows(&connection, &query).unwrap(), [[Value::Integer(2)], [Value::Integer(3)]]);
    // Also where the table is named first: it cannot be read before its argument is known.
    let query = format!(
        "with files(path) as (values {names}) select count(*) from qorpus join files on corpus = path"
    );
    assert_eq!(rows(&connection, &query).unwrap(), [[Value::Integer(5)]]);
}

#[test]
fn unitaries_of_other_dimensions_are_not_compared() {
    let connection = connect(None);
    let value = |query: &str| rows(&connection, query);
    // The zero matrix is far from itself.
    assert_eq!(value("select fidelity(zeroblob(64), zeroblob(32))").unwrap(), [[Value::Real(0.0)]]);
    assert_eq!(value("select distance(zeroblob(256), null)").unwrap(), [[Value::Null]]);
    for (arguments, words) in [
        ("zeroblob(64), zeroblob(256)", "2 x 2, the other 4 x 4"),
        ("zeroblob(48), zeroblob(48)", "not of 48"),
        ("'text', 5", "not Text"),
        ("zeroblob(0), zeroblob(0)", "not of 0"),
    ] {
        let message = value(&format!("select distance({arguments})")).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}
