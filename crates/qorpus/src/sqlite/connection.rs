//! Opening a corpus with SQLite: the settings of every connection, and the checks of a file.

use crate::error::{Error, LOOK_FOR, Result, io, not_a_corpus};
use crate::hex::hex;
use crate::paths::{COMPANIONS, beside, wal_path};
use crate::remedy::brief;
use crate::sqlite::failure::{sqlite, sqlite_on};
use crate::sqlite::{guard, read_only, schema};
use qorpus_core::{Codec, FORMAT_VERSION, Recipe};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// `PRAGMA application_id` of a corpus: "Qrps".
pub(crate) const APPLICATION_ID: i64 = 0x5172_7073;

/// `PRAGMA page_size`, the largest of SQLite: a chunk fits in one page, and a file can reach 281
/// TB.
pub(crate) const PAGE_SIZE: u32 = 65_536;

/// The size limit of a connection's page cache, in KiB.
const CACHE_KIB: u32 = 32 << 10;

/// The most bytes of a file that readers map instead of copying pages; SQLite limits it to
/// `SQLITE_MAX_MMAP_SIZE`.
const MMAP_BYTES: i64 = 1 << 40;

/// The most bytes of a row of `chunks`, since a writer refuses larger labels. SQLite refuses larger
/// values before it reads them.
pub(crate) const MAX_VALUE_BYTES: i32 = 64 << 20;

/// The timeout for SQLite's own locks, in milliseconds: a backstop for the sidecar lock.
const BUSY_TIMEOUT_MS: u64 = 300_000;

/// That timeout in a process that only reads. There the program's own connection, on this very thread,
/// may hold the lock.
const READ_ONLY_TIMEOUT_MS: u32 = 5_000;

/// The timeout of a connection for SQLite's own locks, shared with its busy handler.
#[derive(Debug, Clone)]
pub(crate) struct BusyTimeout(Arc<AtomicU64>);

impl BusyTimeout {
    /// Runs `action` while waiting for locks no longer than `limit`.
    pub(crate) fn limited<T>(&self, limit: Duration, action: impl FnOnce() -> T) -> T {
        self.0.store(limit.as_millis() as u64, Ordering::Relaxed);
        let result = action();
        self.0.store(BUSY_TIMEOUT_MS, Ordering::Relaxed);
        result
    }
}

/// The smallest size of an SQLite page, and so of a database.
const HEADER_BYTES: u64 = 512;

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Create,
}

/// Opens an untrusted SQLite file: no triggers, views or functions in it ever run.
pub(crate) fn open(path: &Path, access: Access) -> Result<(Connection, BusyTimeout)> {
    check_version(path, access)?;
    guard::install();
    if access != Access::Create {
        path.metadata().map_err(io(path, LOOK_FOR))?;
    }
    check_plain(path)?;
    let failed = sqlite(path, "open it");
    // Also for reading, since the journal of a killed writer must be rolled back first.
    let mode = match read_only::is_on() {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let mut flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, access == Access::Create);
    let mut connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    let busy_timeout = wait_for_locks(&mut connection).map_err(&failed)?;
    let failed = |error| sqlite_on(&connection, path, "open it")(error);
    restrict(&connection).map_err(failed)?;
    if access == Access::Read {
        connection.pragma_update(None, "query_only", true).map_err(failed)?;
        map(&connection).map_err(failed)?;
    }
    Ok((connection, busy_timeout))
}

/// Lets a connection wait for SQLite's own locks.
fn wait_for_locks(connection: &mut Connection) -> rusqlite::Result<BusyTimeout> {
    let busy_timeout = BusyTimeout(Arc::new(AtomicU64::new(BUSY_TIMEOUT_MS)));
    if read_only::is_on() {
        // The program's SQLite may be older than 3.44, which rusqlite needs to keep a handler.
        connection.pragma_update(None, "busy_timeout", READ_ONLY_TIMEOUT_MS)?;
        return Ok(busy_timeout);
    }
    let limit = busy_timeout.clone();
    let mut waited = 0;
    let handler = move |attempt: i32| {
        let pause = u64::from(attempt.unsigned_abs().min(50)) + 1;
        waited = if attempt == 0 { 0 } else { waited + pause };
        std::thread::sleep(Duration::from_millis(pause));
        waited < limit.0.load(Ordering::Relaxed)
    };
    connection.busy_handler(Some(handler))?;
    Ok(busy_timeout)
}

/// Refuses anything but regular files, at the path or beside it: SQLite would wait for ever for the
/// other end of a pipe.
fn check_plain(path: &Path) -> Result<()> {
    let strange = |path: &Path| path.symlink_metadata().is_ok_and(|found| !found.is_file());
    let names = std::iter::once(path.into()).chain(COMPANIONS.map(|ending| beside(path, ending)));
    match { names }.find(|name| strange(name)) {
        Some(name) => Err(Error::NoPlainFile(name)),
        None => Ok(()),
    }
}

/// Disables code in the file, and enables checks against hostile sizes.
fn restrict(connection: &Connection) -> rusqlite::Result<()> {
    for (option, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(option, on)?;
    }
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES).map(drop)
}

/// Maps pages instead of copying them.
fn map(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "mmap_size", MMAP_BYTES)
}

/// Opens a corpus without writers as immutable, without any locks.
///
/// This is sound for committed records only, which never change, and only because every byte is
/// checked after it was read: if a writer starts after all, a torn read fails the check.
pub(crate) fn open_immutable(path: &Path) -> Result<Connection> {
    guard::install();
    let failed = sqlite(path, "open it");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let escaped = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    let uri = format!("file:{}?immutable=1", escaped.collect::<String>());
    let connection = Connection::open_with_flags(uri, flags).map_err(&failed)?;
    restrict(&connection).and_then(|()| map(&connection)).map_err(failed)?;
    bound_cache(&connection, path)?;
    Ok(connection)
}

/// Bounds the memory of a connection's page cache.
///
/// Call once the file is known to have pages of 65,536 bytes: SQLite converts a size into a number
/// of pages with the page size it knows at that moment, 4096 before the first read, and would keep
/// sixteen times as much.
pub(crate) fn bound_cache(connection: &Connection, path: &Path) -> Result<()> {
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB)).map_err(sqlite(path, "set it up"))
}

/// Refuses a version of SQLite that can lose committed pages when several connections write and
/// checkpoint one WAL. A process that only reads does neither.
fn check_version(path: &Path, access: Access) -> Result<()> {
    if read_only::is_on() {
        let text = "this process only reads corpora; write with the qorpus command or package";
        let refused = Err(Error::Unsupported(path.into(), text.into()));
        return if access == Access::Read { Ok(()) } else { refused };
    }
    match rusqlite::version_number() {
        3_052_000 | ..3_051_003 => Err(Error::UnsafeSqlite(rusqlite::version().into())),
        _ => Ok(()),
    }
}

/// Refuses a file that ends before its last page.
pub(crate) fn check_size(connection: &Connection, path: &Path) -> Result<()> {
    let failed = sqlite_on(connection, path, "read it");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let found = size(path);
    // SQLite treats a file shorter than its header as new, and would overwrite it.
    if (1..HEADER_BYTES).contains(&found) {
        return Err(not_a_corpus(path, "it is not an SQLite file".into()));
    }
    let refused = match begin_read(connection) {
        Ok(transaction) => {
            let expected = bytes(&transaction).map_err(&failed)?;
            // Missing pages may still be in the WAL; neither loses pages during the transaction.
            let found = size(path);
            return if found < expected && size(&wal_path(path)) == 0 {
                Err(Error::Truncated(path.into(), found))
            } else {
                Ok(())
            };
        }
        Err(refused) if refused.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => refused,
        Err(other) => return Err(failed(other)),
    };
    // SQLite has refused the file before reading any table. A connection that may repair schemas
    // accepts it for only one reason: the first page counts more pages than the file has.
    let lenient = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&failed)?;
    restrict(&lenient).map_err(&failed)?;
    lenient.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).map_err(&failed)?;
    lenient.pragma_update(None, "writable_schema", true).map_err(&failed)?;
    match pages(&lenient) {
        Ok(_) => Err(Error::Truncated(path.into(), found)),
        Err(_) => Err(failed(refused)),
    }
}

/// The pause before a retry that SQLite asks for.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Returns whether SQLite lost a race for the WAL against another process and asks to try again.
pub(crate) fn is_wal_race(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::FileLockingProtocolFailed)
}

/// Begins a transaction that sees the file's present state until it ends.
pub(crate) fn begin_read(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    loop {
        let transaction = connection.unchecked_transaction()?;
        // A transaction fixes its state with its first read.
        let look = |connection: &Connection| {
            connection.prepare_cached("SELECT 1 FROM sqlite_schema")?.query([])?.next().map(drop)
        };
        match look(&transaction) {
            Err(error) if is_wal_race(&error) => std::thread::sleep(RETRY_PAUSE),
            Err(error) => return Err(error),
            Ok(()) => return Ok(transaction),
        }
    }
}

/// Returns the size of the file with all pages that SQLite counts.
pub(crate) fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let page_size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(pages(connection)? * page_size)
}

fn pages(connection: &Connection) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, "page_count", |row| row.get(0))
}

/// The kind of an SQLite file.
#[derive(Debug)]
pub(crate) enum FileKind {
    /// A new, empty file.
    Empty,
    /// A corpus.
    Corpus(Box<StoredRecipe>),
}

/// The recipe of a file, and the seed of its checks.
#[derive(Debug, Clone)]
pub(crate) struct StoredRecipe {
    pub(crate) recipe: Recipe,
    pub(crate) check_seed: u64,
}

impl StoredRecipe {
    /// Returns the recipe of a new file.
    pub(crate) fn new(recipe: Recipe) -> StoredRecipe {
        StoredRecipe { check_seed: recipe.check_seed(), recipe }
    }

    /// Returns the value of `check_seed` in the file's metadata: the first digits of the hash of the
    /// recipe with which the file was created. `None` if that is still its recipe.
    pub(crate) fn check_seed_text(&self) -> Option<String> {
        (self.check_seed != self.recipe.check_seed()).then(|| hex(&self.check_seed.to_le_bytes()))
    }

    /// Returns the version of the format that the file needs.
    pub(crate) fn format_version(&self) -> u32 {
        let with_seed = if self.check_seed_text().is_some() { CHECK_SEED_VERSION } else { 1 };
        self.recipe.format_version().max(with_seed)
    }

    /// Returns the codec of its chunks.
    pub(crate) fn codec(&self) -> Codec {
        Codec::with_check_seed(&self.recipe, self.check_seed)
    }
}

/// The first version of the format with `check_seed` in the metadata.
const CHECK_SEED_VERSION: u32 = 2;

/// Checks the file's application id, version, recipe, its hash and the seed of its checks.
pub(crate) fn identify(connection: &Connection, path: &Path) -> Result<FileKind> {
    let Some(found) = identity(connection, path)? else { return Ok(FileKind::Empty) };
    let not_a_corpus = |reason: String| not_a_corpus(path, reason);
    let recipe = Recipe::from_json(&found.json).map_err(|error| not_a_corpus(brief(&error.to_string())))?;
    if found.hash != hex(&recipe.hash()) {
        return Err(not_a_corpus("its recipe does not match the recipe's hash".into()));
    }
    let check_seed = match &found.check_seed {
        None => recipe.check_seed(),
        Some(text) => parse_check_seed(text)
            .ok_or_else(|| not_a_corpus(format!("its check_seed is damaged: '{}'", brief(text))))?,
    };
    let stored = StoredRecipe { recipe, check_seed };
    let needed = i64::from(stored.format_version());
    if found.version < needed {
        let version = found.version;
        return Err(not_a_corpus(format!("its format version is {version}, but its content needs {needed}")));
    }
    if found.version > needed {
        let version = found.version;
        return Err(not_a_corpus(format!("its format version is {version}, but its check_seed is missing")));
    }
    Ok(FileKind::Corpus(Box::new(stored)))
}

/// Reads 16 lower-case hexadecimal digits.
fn parse_check_seed(text: &str) -> Option<u64> {
    let seed = u64::from_str_radix(text, 16).ok()?.swap_bytes();
    (text == hex(&seed.to_le_bytes())).then_some(seed)
}

/// The recipe of a file as stored: its text, its hash, the seed of the file's checks, and the
/// version of the format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RecipeIdentity {
    json: String,
    hash: String,
    check_seed: Option<String>,
    version: i64,
}

impl RecipeIdentity {
    /// Returns the recipe's hash, in hexadecimal.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    pub(crate) fn of(stored: &StoredRecipe) -> RecipeIdentity {
        RecipeIdentity {
            json: stored.recipe.to_json(),
            hash: hex(&stored.recipe.hash()),
            check_seed: stored.check_seed_text(),
            version: stored.format_version().into(),
        }
    }
}

/// Checks the file and returns its recipe's text and hash, unparsed; `None` for a new file.
pub(crate) fn identity(connection: &Connection, path: &Path) -> Result<Option<RecipeIdentity>> {
    let failed = sqlite_on(connection, path, "read it");
    // In one state of the file: another process may be creating it at this moment.
    let connection = &*connection.unchecked_transaction().map_err(&failed)?;
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let not_a_corpus = |reason: String| not_a_corpus(path, reason);
    let application = number("application_id").map_err(&failed)?;
    if application == 0 && number("schema_version").map_err(&failed)? == 0 {
        return Ok(None);
    }
    if application != APPLICATION_ID {
        return Err(not_a_corpus("it is an SQLite file of another program".into()));
    }
    let version = number("user_version").map_err(&failed)?;
    if version > i64::from(FORMAT_VERSION) {
        return Err(Error::NewerFormat(path.into(), version));
    }
    if version < 1 {
        return Err(not_a_corpus(format!("its format version is {version}")));
    }
    schema::check(connection, path)?;
    let json = meta(connection, path, "recipe")?.ok_or_else(|| not_a_corpus("it has no recipe".into()))?;
    let hash = meta(connection, path, "recipe_hash")?.unwrap_or_default();
    let check_seed = meta(connection, path, "check_seed")?;
    Ok(Some(RecipeIdentity { json, hash, check_seed, version }))
}

fn meta(connection: &Connection, path: &Path, key: &str) -> Result<Option<String>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()
        .map_err(sqlite(path, "read its recipe"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::{COMPANIONS, beside};

    #[test]
    fn pipes_and_links_beside_a_corpus_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        std::fs::write(&path, "").unwrap();
        for ending in COMPANIONS {
            let name = beside(&path, ending);
            nix::unistd::mkfifo(&name, nix::sys::stat::Mode::S_IRWXU).unwrap();
            assert!(matches!(open(&path, Access::Read), Err(Error::NoPlainFile(found)) if found == name));
            std::fs::remove_file(&name).unwrap();
            std::os::unix::fs::symlink(&path, &name).unwrap();
            assert!(matches!(open(&path, Access::Create), Err(Error::NoPlainFile(found)) if found == name));
            std::fs::remove_file(&name).unwrap();
        }
    }
}
