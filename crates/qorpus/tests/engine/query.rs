//! SQL over records, through the public interface.

#![allow(clippy::unwrap_used, clippy::panic)]

use qorpus::{
    Corpus, Dtype, Error, GenerateOptions, Label, Order, Part, Recipe, RecipeOptions, Value, Writer,
    WriterOptions, generate,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn recipe(options: RecipeOptions) -> Recipe {
    RecipeOptions { gates: Some("h,t,cx".into()), random: 5_000, ..options }.recipe().unwrap()
}

fn computed() -> Arc<Corpus> {
    Arc::new(Corpus::computed(recipe(RecipeOptions::default())).unwrap())
}

fn select(reader: &Arc<Corpus>, query: &str, parameters: &[Value]) -> Vec<Vec<Value>> {
    reader.select(Order::Big, query, parameters, || false).unwrap().rows
}

fn number(rows: &[Vec<Value>]) -> f64 {
    match rows {
        [row] => match row[..] {
            [Value::Integer(value)] => value as f64,
            [Value::Real(value)] => value,
            ref other => panic!("{other:?}"),
        },
        other => panic!("{} rows", other.len()),
    }
}

#[test]
fn every_column_is_that_of_the_record() {
    let reader = computed();
    let selection = reader
        .select(Order::Little, "select * from records where id in (0, 17, 4999)", &[], || false)
        .unwrap();
    assert_eq!(selection.columns, ["id", "circuit", "length", "unitary", "count_h", "count_t", "count_cx"]);
    assert_eq!(selection.rows.len(), 3);
    for row in selection.rows {
        let Value::Integer(id) = row[0] else { panic!() };
        let record = reader.record(id as u64, Order::Little).unwrap();
        assert_eq!(row[1], Value::Text(reader.recipe().alphabet().text(&record.circuit, &record.angles)));
        let mut bytes = Vec::new();
        Dtype::Complex128.encode(&record.unitary, &mut bytes);
        assert_eq!(row[3], Value::Blob(bytes));
        for (column, name) in [(2, "length"), (4, "count_h"), (5, "count_t"), (6, "count_cx")] {
            let Label::Integer(count) = record.labels[name] else { panic!() };
            assert_eq!(row[column], Value::Integer(count));
        }
    }
}

#[test]
fn bounds_on_the_id_are_used_and_kept() {
    let reader = computed();
    let ids = |condition: &str| {
        let rows = select(&reader, &format!("select id from records where {condition} order by id"), &[]);
        rows.into_iter()
            .map(|row| if let [Value::Integer(id)] = row[..] { id } else { panic!() })
            .collect::<Vec<_>>()
    };
    let all = || 0..5_000i64;
    for (condition, expected) in [
        ("id >= 4998", vec![4998, 4999]),
        ("id > 4998", vec![4999]),
        ("id < 2", vec![0, 1]),
        ("id <= 2 and id >= 2", vec![2]),
        ("id = 7", vec![7]),
        ("id = 7.5", vec![]),
        ("id > 4997.5", vec![4998, 4999]),
        ("id < 0", vec![]),
        ("id = -1", vec![]),
        ("id = 5000", vec![]),
        ("id between 10 and 12 and id != 11", vec![10, 12]),
        ("id > 100 and id < 50", vec![]),
        ("id = null", vec![]),
        ("rowid = 3", vec![3]),
        ("id % 1000 = 1", all().filter(|id| id % 1000 == 1).collect()),
        ("true", all().collect()),
    ] {
        assert_eq!(ids(condition), expected, "{condition}");
    }
    assert_eq!(
        number(&select(&reader, "select count(*) from records where id > ?", &[Value::Integer(3000)])),
        1999.0
    );
    let rows = select(&reader, "select id from records order by id desc limit 1", &[]);
    assert_eq!(rows, [[Value::Integer(4999)]]);
    let joined = "select count(*) from records a join records b on b.id = a.id + 1 where a.id < 10";
    assert_eq!(number(&select(&reader, joined, &[])), 10.0);
}

#[test]
fn distances_and_fidelities() {
    let reader = computed();
    let unitary = |id: u64| {
        let mut bytes = Vec::new();
        Dtype::Complex128.encode(&reader.record(id, Order::Big).unwrap().unitary, &mut bytes);
        bytes
    };
    let (a, b) =
        (reader.record(1, Order::Big).unwrap().unitary, reader.record(2, Order::Big).unwrap().unitary);
    let trace: qorpus::Complex64 = a.iter().zip(&b).map(|(a, b)| a.conj() * b).sum();
    let overlap = trace.re.hypot(trace.im) / 4.0;
    let given = [Value::Blob(unitary(1)), Value::Blob(unitary(2))];
    assert!((number(&select(&reader, "select fidelity(?, ?)", &given)) - overlap * overlap).abs() < 1e-15);
    assert!(
        (number(&select(&reader, "select distance(?, ?)", &given)) - (1.0 - overlap).sqrt()).abs() < 1e-15
    );
    let nearest = "select id from records order by distance(unitary, ?), id limit 1";
    let [row] = &select(&reader, nearest, &given[..1])[..] else { panic!() };
    let Value::Integer(id) = row[0] else { panic!() };
    assert!(id <= 1);
    assert_eq!(select(&reader, "select fidelity(null, null)", &[]), [[Value::Null]]);
    // A global phase is not seen.
    let turned: Vec<_> = a.iter().map(|entry| entry * qorpus::Complex64::new(0.6, 0.8)).collect();
    let mut bytes = Vec::new();
    Dtype::Complex64.encode(&turned, &mut bytes);
    assert!(
        number(&select(&reader, "select distance(?, ?)", &[given[0].clone(), Value::Blob(bytes)])) < 1e-3
    );
    let error = reader.select(Order::Big, "select fidelity(x'00', x'00')", &[], || false).unwrap_err();
    assert!(error.to_string().contains("a BLOB of 256 or 128 bytes, not of 1"), "{error}");
}

#[test]
fn labels_have_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let options = WriterOptions { gates: Some("h,s".into()), qubits: Some(1), ..WriterOptions::default() };
    let writer = Writer::open(&path, &options).unwrap();
    for n in 0..100 {
        let by = ("by", Label::Text(format!("process {}", n % 3)));
        let reward = ("re\"ward", Label::Real(f64::from(n) / 2.0));
        writer.append(&[0, 1], None, &if n == 50 { vec![by] } else { vec![by, reward] }).unwrap();
    }
    writer.flush().unwrap();
    let reader = Arc::new(Corpus::open(&[path]).unwrap());
    let query = r#"select by, count("re""ward"), max("re""ward") from records group by by order by by"#;
    let rows = select(&reader, query, &[]);
    assert_eq!(rows[0], [Value::Text("process 0".into()), Value::Integer(34), Value::Real(49.5)]);
    assert_eq!(rows[2], [Value::Text("process 2".into()), Value::Integer(32), Value::Real(49.0)]);
}

#[test]
fn records_that_are_not_made_have_no_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let recipe = recipe(RecipeOptions { random: 5_000, ..RecipeOptions::default() });
    let options = GenerateOptions { part: Part::new(1, 3).unwrap(), ..GenerateOptions::default() };
    generate(&path, &recipe, options, &false.into(), &mut |_| {}).unwrap();
    let reader = Arc::new(Corpus::open(&[path]).unwrap());
    let records = reader.summary().unwrap().records;
    assert!(records > 0 && records < 5_000);
    assert_eq!(number(&select(&reader, "select count(*) from records", &[])), records as f64);
    assert_eq!(number(&select(&reader, "select count(unitary) from records", &[])), records as f64);
}

#[test]
fn only_single_selects_and_only_as_long_as_wanted() {
    let reader = computed();
    for query in [
        "",
        "select",
        "select 1; select 2",
        "create table t(a)",
        "attach 'x.db' as x",
        "select nothing from records",
        "insert into records values (1)",
        "delete from records",
        "select ?",
        "pragma user_version = 3",
    ] {
        let error = reader.select(Order::Big, query, &[], || false).unwrap_err();
        assert!(error.is_usage() || matches!(error, Error::Query(_)), "{query}: {error}");
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    let stop = move || counter.fetch_add(1, Ordering::Relaxed) >= 2;
    let error = reader.select(Order::Big, endless, &[], stop).unwrap_err();
    assert!(error.to_string().contains("interrupted") && asked.load(Ordering::Relaxed) == 3, "{error}");
}

#[test]
fn unknown_names_in_double_quotes_are_unknown_columns() {
    let reader = computed();
    for (query, sentence) in [
        ("select count(*) from records where \"cnt_t\" > 3", "did you mean count_t?"),
        ("select sum(\"count_rz(pi/8)\") from records", "the columns are id, circuit, length"),
        ("select id from records order by \"lenght\"", "did you mean length?"),
        ("select \"unitry\" from records", "did you mean unitary?"),
        ("select count(*) from records group by \"circiut\"", "did you mean circuit?"),
        ("select r.\"ids\" from records r", "did you mean id?"),
    ] {
        let error = reader.select(Order::Big, query, &[], || false).unwrap_err();
        let text = error.to_string();
        assert!(error.is_usage() && text.starts_with("no such column") && text.contains(sentence), "{text}");
    }
    let quoted = "select count(*) from records where \"length\" >= 0 and circuit != 'x'";
    assert_eq!(number(&select(&reader, quoted, &[])), reader.len().unwrap() as f64);
}

/// Statements that do something, or read what is not a record, and functions with effects. A PRAGMA
/// takes effect while it is prepared, and a heap limit is that of the whole process.
#[test]
fn a_query_reads_records_and_does_nothing_else() {
    let reader = computed();
    let tokenizer = [Value::Text("simple".into()), Value::Blob(vec![0x41; 8])];
    for (query, given, words) in [
        ("pragma hard_heap_limit = 1000", &[][..], "single SELECT"),
        ("pragma soft_heap_limit = 1000", &[], "single SELECT"),
        ("pragma temp_store_directory = '/nowhere'", &[], "single SELECT"),
        ("explain pragma hard_heap_limit = 1000", &[], "single SELECT"),
        ("select * from pragma_hard_heap_limit(1000)", &[], "not pragma_hard_heap_limit"),
        ("select * from pragma_hard_heap_limit where arg = 1000", &[], "not pragma_hard_heap_limit"),
        ("select count(*) from pragma_hard_heap_limit(1000)", &[], ""),
        ("select 1 where exists (select 1 from pragma_hard_heap_limit(1000))", &[], ""),
        ("select * from pragma_database_list", &[], "not pragma_database_list"),
        ("select name from sqlite_schema", &[], "not sqlite_master"),
        ("select * from dbstat", &[], "not dbstat"),
        ("select * from fts3tokenize('simple', 'a b')", &[], "not fts3tokenize"),
        ("select load_extension('x')", &[], "function load_extension"),
        ("select LOAD_EXTENSION('x', 'y')", &[], "function load_extension"),
        ("select fts3_tokenizer(?)", &tokenizer[..1], "function fts3_tokenizer"),
        ("select fts3_tokenizer(?, ?)", &tokenizer, "function fts3_tokenizer"),
        ("select sqlite_log(1, 'x')", &[], "function sqlite_log"),
        ("select rtreecheck('main', 't')", &[], "function rtreecheck"),
        ("select json_patch('{}', '{}')", &[], "function json_patch"),
        ("attach ':memory:' as m", &[], "single SELECT"),
        ("vacuum into '/nowhere/x.db'", &[], "single SELECT"),
        ("create temp table t(x)", &[], "single SELECT"),
        ("create virtual table t using fts5(x)", &[], "single SELECT"),
        ("begin", &[], "single SELECT"),
        ("savepoint s", &[], "single SELECT"),
    ] {
        let error = reader.select(Order::Big, query, given, || false).unwrap_err();
        assert!(matches!(error, Error::Usage(_) | Error::Query(_)), "{query}: {error:?}");
        assert!(error.to_string().contains(words), "{query}: {error}");
        // A heap of 1,000 bytes would be too small for the next query.
        let rows = select(&reader, "select max(length) from records where id < 2000", &[]);
        assert!(number(&rows) > 0.0, "{query}");
    }
    let found = select(
        &reader,
        "with few as (select id from records where id in (select value from json_each(?))),
              n(i) as (select 1 union all select i + 1 from n limit 3)
         select (select count(*) from few) + (select count(*) from n) + (select count(*) from (select 1))",
        &[Value::Text("[3, 5, 7]".into())],
    );
    assert_eq!(number(&found), 7.0);
}

#[test]
fn texts_and_queries_have_a_longest() {
    let reader = computed();
    let calls = |count: usize| format!("select {}", vec!["abs(1)"; count].join(" + "));
    for query in [
        "select zeroblob(1000000000)",
        "select length(randomblob(1000000000))",
        "select length(printf('%.*c', 1000000000, 'x'))",
        "select replace(hex(zeroblob(3000000)), '0', 'abc')",
        "select group_concat(hex(zeroblob(1000000))) from records where id < 10",
        &format!("select 1 -- {}", "x".repeat(2 << 20)),
    ] {
        let error = reader.select(Order::Big, query, &[], || false).unwrap_err();
        let query = &query[..40.min(query.len())];
        assert!(error.to_string().contains("at most 8 MiB"), "{query}: {error}");
    }
    let longest = Value::Text("x".repeat((8 << 20) + 1));
    let error = reader.select(Order::Big, "select length(?)", &[longest], || false).unwrap_err();
    assert!(error.to_string().contains("at most 8 MiB"), "{error}");
    assert_eq!(number(&select(&reader, &calls(250), &[])), 250.0);
    let error = reader.select(Order::Big, &calls(251), &[], || false).unwrap_err();
    assert!(error.to_string().contains("at most 250 functions"), "{error}");
}

/// Each takes hours or for ever.
#[test]
fn long_queries_end_soon_after_an_interrupt() {
    let reader = computed();
    let upper = vec!["length(upper(?1))"; 120].join(" + ");
    for query in [
        "select ?1 like '%' || substr(?1, 500000) || 'b%'".to_owned(),
        "select trim(?1, substr(replace(?1, 'a', 'b'), 9) || 'a')".to_owned(),
        "with recursive n(i) as (select 1 union all select i + 1 from n)
         select sum(instr(?1 || i, ?1 || 'b') + length(upper(?1)) + length(hex(substr(?1, 9)))) from n"
            .to_owned(),
        format!("with recursive n(i) as (select 1 union all select i + 1 from n) select sum({upper}) from n"),
        "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n".to_owned(),
        "select count(*) from records a, records b, records c where a.length + b.length > c.id + 90"
            .to_owned(),
    ] {
        let start = std::time::Instant::now();
        let stop = move || start.elapsed().as_secs_f64() > 0.2;
        let given = vec![Value::Text("a".repeat(4_000_000 / 4)); usize::from(query.contains("?1"))];
        let error = reader.select(Order::Big, &query, &given[..], stop).unwrap_err();
        let query = &query[..60.min(query.len())];
        assert!(
            matches!(error, Error::Query(_)) && error.to_string().contains("interrupted"),
            "{query}: {error}"
        );
        // Long on a busy machine, but not what they take.
        assert!(start.elapsed().as_secs_f64() < 60.0, "{query} took {:?}", start.elapsed());
    }
}
