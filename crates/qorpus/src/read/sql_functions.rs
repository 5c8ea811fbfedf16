//! SQL functions over texts, in place of SQLite's, which can take superlinear time.
//!
//! SQLite checks for an interrupt between two instructions, and one `LIKE` or `instr` over
//! megabytes takes hours. These functions return the same values, as a test checks, in linear time
//! or with checks for an interrupt in between.

use crate::read::authorizer::{Interrupt, MAX_RESULT_BYTES};
use memchr::{memchr, memchr2, memmem};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use std::borrow::Cow;
use std::cell::OnceCell;

/// The names of these functions.
pub(crate) const NAMES: [&str; 7] = ["like", "glob", "instr", "replace", "trim", "ltrim", "rtrim"];

/// Steps between two checks for an interrupt, which take well under a millisecond.
const POLL_STEPS: usize = 1 << 16;

/// Replaces SQLite's functions in `connection`.
pub(crate) fn register(connection: &Connection, interrupt: &Interrupt) -> Result<()> {
    let flags =
        FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, arguments, syntax) in [("like", 2, LIKE), ("like", 3, LIKE), ("glob", 2, GLOB)] {
        let (texts, interrupt) = (NumberTexts::default(), interrupt.clone());
        connection.create_scalar_function(name, arguments, flags, move |context| {
            matches(context, &syntax, &texts, &interrupt)
        })?;
    }
    let texts = NumberTexts::default();
    connection.create_scalar_function("instr", 2, flags, move |context| instr(context, &texts))?;
    let texts = NumberTexts::default();
    connection.create_scalar_function("replace", 3, flags, move |context| replace(context, &texts))?;
    for (name, left, right) in [("trim", true, true), ("ltrim", true, false), ("rtrim", false, true)] {
        let (texts, interrupt) = (NumberTexts::default(), interrupt.clone());
        connection.create_scalar_function(name, 2, flags, move |context| {
            trim(context, (left, right), &texts, &interrupt)
        })?;
    }
    Ok(())
}

/// Numbers as texts, which SQLite itself must format.
#[derive(Default)]
struct NumberTexts(OnceCell<Connection>);

impl NumberTexts {
    /// Returns an argument as a text; `None` for NULL.
    fn text<'a>(&self, context: &'a Context<'_>, argument: usize) -> Result<Option<Cow<'a, [u8]>>> {
        Ok(match context.get_raw(argument) {
            ValueRef::Null => None,
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
            ValueRef::Integer(value) => Some(value.to_string().into_bytes().into()),
            ValueRef::Real(value) => {
                let connection = match self.0.get() {
                    Some(connection) => connection,
                    None => {
                        let opened = Connection::open_in_memory()?;
                        self.0.get_or_init(|| opened)
                    }
                };
                let mut statement = connection.prepare_cached("SELECT cast(?1 AS TEXT)")?;
                let text: String = statement.query_row([value], |row| row.get(0))?;
                Some(text.into_bytes().into())
            }
        })
    }
}

/// A counter of steps that checks for an interrupt now and then.
struct StepCounter<'a> {
    interrupt: &'a Interrupt,
    steps: usize,
}

impl StepCounter<'_> {
    fn step(&mut self, steps: usize) -> Result<()> {
        self.steps += steps;
        if self.steps < POLL_STEPS {
            return Ok(());
        }
        self.steps = 0;
        if self.interrupt.is_set() { Err(Error::UserFunctionError("interrupted".into())) } else { Ok(()) }
    }
}

/// Returns the position of a text in another, counted from 1, in characters, or in bytes if both
/// are BLOBs; 0 if it is not found.
fn instr(context: &Context<'_>, texts: &NumberTexts) -> Result<Option<i64>> {
    let (Some(text), Some(wanted)) = (texts.text(context, 0)?, texts.text(context, 1)?) else {
        return Ok(None);
    };
    let is_blob = |argument| matches!(context.get_raw(argument), ValueRef::Blob(_));
    let in_bytes = is_blob(0) && is_blob(1);
    let found = match wanted.first() {
        None => return Ok(Some(1)),
        // Only the first character can begin inside another.
        Some(&first) if !in_bytes && is_inside(first) => text.starts_with(&wanted).then_some(0),
        Some(_) => memmem::find(&text, &wanted),
    };
    Ok(Some(match found {
        None | Some(0) => found.map_or(0, |_| 1),
        Some(at) if in_bytes => at as i64 + 1,
        Some(at) => text[1..=at].iter().filter(|byte| !is_inside(**byte)).count() as i64 + 1,
    }))
}

/// Returns whether a byte of UTF-8 continues a character.
fn is_inside(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Returns a text in which every occurrence of a second one is replaced by a third.
fn replace(context: &Context<'_>, texts: &NumberTexts) -> Result<Option<String>> {
    let [text, old, new] = [0, 1, 2].map(|argument| texts.text(context, argument));
    let (Some(text), Some(old)) = (text?, old?) else { return Ok(None) };
    if old.first().is_none_or(|first| *first == 0) {
        return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    let Some(new) = new? else { return Ok(None) };
    let (mut replaced, mut next) = (Vec::with_capacity(text.len()), 0);
    for at in memmem::find_iter(&text, &old) {
        replaced.extend_from_slice(&text[next..at]);
        replaced.extend_from_slice(&new);
        next = at + old.len();
        // A result that is too long would be refused, so it is not computed.
        if replaced.len() > MAX_RESULT_BYTES {
            break;
        }
    }
    replaced.extend_from_slice(&text[next..]);
    Ok(Some(String::from_utf8_lossy(&replaced).into_owned()))
}

/// Returns a text whose ends are stripped of the characters of a second one.
fn trim(
    context: &Context<'_>,
    (left, right): (bool, bool),
    texts: &NumberTexts,
    interrupt: &Interrupt,
) -> Result<Option<String>> {
    let (Some(text), Some(set)) = (texts.text(context, 0)?, texts.text(context, 1)?) else {
        return Ok(None);
    };
    let (mut steps, mut characters, mut start, mut at) =
        (StepCounter { interrupt, steps: 0 }, Vec::new(), 0, 0);
    while read(&set, &mut at) != 0 {
        characters.push(&set[start..at]);
        start = at;
    }
    let mut rest = &text[..];
    loop {
        let left = || characters.iter().find_map(|set| rest.strip_prefix(*set)).filter(|_| left);
        let right = || characters.iter().find_map(|set| rest.strip_suffix(*set)).filter(|_| right);
        match left().or_else(right) {
            Some(shorter) if !rest.is_empty() => rest = shorter,
            _ => return Ok(Some(String::from_utf8_lossy(rest).into_owned())),
        }
        steps.step(2 * characters.len())?;
    }
}

/// The special characters of a pattern.
#[derive(Clone, Copy)]
struct Syntax {
    many: u32,
    one: u32,
    has_sets: bool,
    /// Whether the case of ASCII letters is ignored.
    folds: bool,
}

const LIKE: Syntax = Syntax { many: b'%' as u32, one: b'_' as u32, has_sets: false, folds: true };
const GLOB: Syntax = Syntax { many: b'*' as u32, one: b'?' as u32, has_sets: true, folds: false };

/// A piece of a pattern.
#[derive(Debug)]
enum PatternPiece {
    /// Any characters, or none.
    Many,
    /// Any one character.
    One,
    /// A run of ASCII characters.
    Ascii(Vec<u8>),
    /// This character.
    Character(u32),
    /// One character from these ranges, or from outside them.
    Set { ranges: Vec<(u32, u32)>, inverted: bool },
    /// No character: the pattern is incomplete.
    Never,
}

/// A pattern of `LIKE` or `GLOB`.
struct Pattern {
    pieces: Vec<PatternPiece>,
    folds: bool,
}

/// Returns whether the second argument matches the pattern in the first. The third is the escape
/// character for a literal `%` or `_`.
fn matches(
    context: &mut Context<'_>,
    syntax: &Syntax,
    texts: &NumberTexts,
    interrupt: &Interrupt,
) -> Result<Option<bool>> {
    let context = &*context;
    let pattern = match context.len() {
        // SQLite keeps the auxiliary data of a constant argument.
        2 => match context.get_aux::<Pattern>(0)? {
            Some(pattern) => pattern,
            None => {
                let Some(pattern) = texts.text(context, 0)? else { return Ok(None) };
                context.set_aux(0, Pattern::new(&pattern, syntax, None))?
            }
        },
        _ => {
            let Some(escape) = texts.text(context, 2)? else { return Ok(None) };
            let mut at = 0;
            let sign = read(&escape, &mut at);
            if sign == 0 || read(&escape, &mut at) != 0 {
                let reason = "ESCAPE expression must be a single character";
                return Err(Error::UserFunctionError(reason.into()));
            }
            let Some(pattern) = texts.text(context, 0)? else { return Ok(None) };
            Pattern::new(&pattern, syntax, Some(sign)).into()
        }
    };
    let Some(text) = texts.text(context, 1)? else { return Ok(None) };
    pattern.fits(&text, &mut StepCounter { interrupt, steps: 0 }).map(Some)
}

impl Pattern {
    fn new(text: &[u8], syntax: &Syntax, escape: Option<u32>) -> Pattern {
        let (mut pieces, mut at) = (Vec::new(), 0);
        loop {
            let piece = match read(text, &mut at) {
                0 => break,
                sign if Some(sign) == escape => match read(text, &mut at) {
                    0 => PatternPiece::Never,
                    sign => PatternPiece::Character(sign),
                },
                sign if sign == syntax.many => PatternPiece::Many,
                sign if sign == syntax.one => PatternPiece::One,
                sign if syntax.has_sets && sign == u32::from(b'[') => set(text, &mut at),
                sign => PatternPiece::Character(sign),
            };
            match (piece, pieces.last_mut()) {
                (PatternPiece::Character(sign @ ..0x80), Some(PatternPiece::Ascii(run))) => {
                    run.push(sign as u8);
                }
                (PatternPiece::Character(sign @ ..0x80), _) => {
                    pieces.push(PatternPiece::Ascii(vec![sign as u8]));
                }
                (piece, _) => pieces.push(piece),
            }
        }
        Pattern { pieces, folds: syntax.folds }
    }

    fn fits(&self, text: &[u8], steps: &mut StepCounter<'_>) -> Result<bool> {
        let (mut piece, mut at) = (0, 0);
        let text = &text[..memchr(0, text).unwrap_or(text.len())];
        // The piece after the last `Many`, and the position from which the text was matched with
        // it.
        let mut again = None;
        loop {
            let mut next = at;
            let character = read(text, &mut next);
            let fits = match self.pieces.get(piece) {
                Some(PatternPiece::Many) if piece + 1 == self.pieces.len() => return Ok(true),
                Some(PatternPiece::Many) => {
                    let Some(start) = self.begins(piece + 1, text, at) else { return Ok(false) };
                    (piece, at) = (piece + 1, start);
                    again = Some((piece, at));
                    continue;
                }
                None if character == 0 => return Ok(true),
                _ if character == 0 => return Ok(false),
                None | Some(PatternPiece::Never) => false,
                Some(PatternPiece::One) => true,
                Some(PatternPiece::Ascii(run)) => {
                    next = at + run.len();
                    steps.step(run.len())?;
                    text.get(at..next).is_some_and(|found| self.is_same(run, found))
                }
                Some(PatternPiece::Character(wanted)) => *wanted == character,
                Some(PatternPiece::Set { ranges, inverted }) => {
                    steps.step(ranges.len())?;
                    ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *inverted
                }
            };
            steps.step(1)?;
            if fits {
                (piece, at) = (piece + 1, next);
                continue;
            }
            let Some((behind, start)) = again else { return Ok(false) };
            let mut start = start;
            read(text, &mut start);
            let Some(start) = self.begins(behind, text, start) else { return Ok(false) };
            again = Some((behind, start));
            (piece, at) = (behind, start);
        }
    }

    /// Returns the first position from `at` on where this piece may fit. A byte of ASCII is never
    /// inside a character.
    fn begins(&self, piece: usize, text: &[u8], at: usize) -> Option<usize> {
        let Some(PatternPiece::Ascii(run)) = self.pieces.get(piece) else { return Some(at) };
        let wanted = run[0];
        let found = if self.folds {
            memchr2(wanted.to_ascii_lowercase(), wanted.to_ascii_uppercase(), &text[at..])
        } else {
            memchr(wanted, &text[at..])
        };
        found.map(|found| at + found)
    }

    fn is_same(&self, run: &[u8], found: &[u8]) -> bool {
        if self.folds { run.eq_ignore_ascii_case(found) } else { run == found }
    }
}

/// Parses a set of characters, from after its `[` to its `]`.
fn set(text: &[u8], at: &mut usize) -> PatternPiece {
    let (mut ranges, mut before) = (Vec::new(), 0);
    let mut character = read(text, at);
    let inverted = character == u32::from(b'^');
    if inverted {
        character = read(text, at);
    }
    if character == u32::from(b']') {
        ranges.push((character, character));
        character = read(text, at);
    }
    while character != 0 && character != u32::from(b']') {
        let is_range = character == u32::from(b'-') && before > 0;
        if is_range && text.get(*at).is_some_and(|next| *next != b']' && *next != 0) {
            ranges.push((before, read(text, at)));
            before = 0;
        } else {
            ranges.push((character, character));
            before = character;
        }
        character = read(text, at);
    }
    if character == 0 { PatternPiece::Never } else { PatternPiece::Set { ranges, inverted } }
}

/// Reads the character at a position and advances the position; 0 is the end. Bytes that are not
/// UTF-8 are decoded as SQLite decodes them.
fn read(text: &[u8], at: &mut usize) -> u32 {
    let Some(&first) = text.get(*at).filter(|first| **first != 0) else { return 0 };
    *at += 1;
    if first < 0xc0 {
        return first.into();
    }
    let bits = match first {
        0xc0..0xe0 => first & 0x1f,
        0xe0..0xf0 => first & 0x0f,
        0xf0..0xf8 => first & 0x07,
        0xf8..0xfc => first & 0x03,
        0xfc..0xfe => first & 0x01,
        _ => 0,
    };
    let mut character = u32::from(bits);
    while let Some(byte) = text.get(*at).filter(|byte| is_inside(**byte)) {
        character = (character << 6).wrapping_add(u32::from(byte & 0x3f));
        *at += 1;
    }
    if character < 0x80 || character & 0xffff_f800 == 0xd800 { 0xfffd } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::types::Value;
    use std::sync::{LazyLock, Mutex};

    /// SQLite's own functions, and these.
    static BOTH: LazyLock<Mutex<[Connection; 2]>> = LazyLock::new(|| {
        let both = [(); 2].map(|()| Connection::open_in_memory().unwrap());
        register(&both[1], &Interrupt::new(|| false)).unwrap();
        Mutex::new(both)
    });

    /// Compares both answers; a text that is not UTF-8 is compared by its bytes.
    fn agree(expression: &str, arguments: &[Value]) {
        let both = BOTH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = both.each_ref().map(|connection| {
            let sql = format!("SELECT {expression}");
            let mut statement = connection.prepare_cached(&sql).unwrap();
            let arguments = rusqlite::params_from_iter(arguments);
            statement.query_row(arguments, |row| row.get::<_, Value>(0)).map_err(|error| match error {
                Error::SqliteFailure(_, Some(text)) => text,
                other => other.to_string(),
            })
        });
        assert_eq!(found[0], found[1], "{expression} of {arguments:?}");
    }

    /// Few characters, so that they meet: signs of patterns, small and capital letters, and some of
    /// several bytes.
    fn text() -> impl Strategy<Value = String> {
        proptest::string::string_regex(r"[aAbB%_*?\[\]^é€🦀 \-]{0,9}").unwrap()
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            20 => text().prop_map(Value::Text),
            1 => Just(Value::Null),
            1 => (-20..200i64).prop_map(Value::Integer),
            1 => (-20..200i64).prop_map(|number| Value::Real(number as f64 / 7.0)),
            1 => text().prop_map(|text| Value::Blob(text.into_bytes())),
            1 => "[a\0%é]{0,4}".prop_map(Value::Text),
        ]
    }

    /// Bytes that are not UTF-8, as texts or as BLOBs.
    fn bytes() -> impl Strategy<Value = Value> {
        let byte = prop::sample::select(&b"a%_*[]\x80\xbf\xc3\xe2\xff\0"[..]);
        prop::collection::vec(byte, 0..8).prop_map(Value::Blob)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn functions_return_what_those_of_sqlite_do(a in value(), b in value(), c in value()) {
            let given = [a, b, c];
            for two in ["?1 LIKE ?2", "?1 GLOB ?2", "instr(?1, ?2)", "trim(?1, ?2)", "ltrim(?1, ?2)", "rtrim(?1, ?2)"] {
                agree(two, &given[..2]);
            }
            agree("replace(?1, ?2, ?3)", &given);
            agree("?1 LIKE ?2 ESCAPE ?3", &given);
        }

        #[test]
        fn bytes_that_are_no_text_are_taken_in_the_same_way(a in bytes(), b in bytes()) {
            for cast in ["{}", "cast({} AS TEXT)"] {
                let [first, second] = ["?1", "?2"].map(|name| cast.replace("{}", name));
                for function in ["like", "glob", "instr"] {
                    agree(&format!("{function}({first}, {second})"), &[a.clone(), b.clone()]);
                }
                agree(&format!("instr({first}, ?2)"), &[a.clone(), b.clone()]);
            }
        }
    }

    #[test]
    fn signs_that_are_escaped_by_themselves() {
        for (text, pattern, sign) in [
            ("a%", "a%%", "%"),
            ("a_", "a__", "_"),
            ("ab", "a__", "_"),
            ("a\\", "a\\", "\\"),
            ("A", "xa", "x"),
        ] {
            let given = [text, pattern, sign].map(|text| Value::Text(text.into()));
            agree("?1 LIKE ?2 ESCAPE ?3", &given);
        }
    }

    /// Each of these takes SQLite hours, or as much as it gets.
    #[test]
    fn long_functions_end_when_they_are_interrupted() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection, &Interrupt::new(|| true)).unwrap();
        let run = |query: &str| {
            let [long, half] = [4 << 20, 2 << 20].map(|bytes| "a".repeat(bytes));
            let start = std::time::Instant::now();
            let found = connection.query_row(query, [long, half], |row| row.get::<_, i64>(0));
            assert!(start.elapsed().as_secs_f64() < 5.0, "{query}");
            found
        };
        for query in [
            "SELECT ?1 LIKE '%' || ?2 || 'b%'",
            "SELECT ?1 LIKE '%' || ?2 || 'x%' ESCAPE 'x'",
            "SELECT ?1 GLOB '*' || ?2 || '[bc]*'",
            "SELECT length(trim(?1, replace(?2, 'a', 'c') || 'a'))",
            "SELECT length(ltrim(?1, replace(?2, 'a', 'c') || 'a'))",
            "SELECT length(rtrim(?1, replace(?2, 'a', 'c') || 'a'))",
        ] {
            let found = run(query);
            assert!(found.is_err_and(|error| error.to_string().contains("interrupted")), "{query}");
        }
        // These two take as long as it takes to read their arguments.
        assert_eq!(run("SELECT instr(?1, ?2 || 'b' || ?2)"), Ok(0));
        assert_eq!(run("SELECT length(replace(?1, ?2 || 'b' || ?2, 'c'))"), Ok(4 << 20));
    }
}
