//! The layout of a file: the positions of its tables. A file with a known layout can be read
//! without SQLite.
//!
//! Shards of one corpus are created by the same statements, so their schemas and metadata are equal
//! byte for byte. When SQLite has read and checked one shard, others are compared with it, which
//! takes microseconds.

use crate::sqlite::btree;
use crate::sqlite::connection::PAGE_SIZE;
use crate::sqlite::mmap::Bytes;
use rusqlite::Connection;

const PAGE: usize = PAGE_SIZE as usize;

/// The parts of the file's header that determine how the rest is read: sizes and versions, the
/// format of the schema, the encoding of texts, and the application. See "The Database Header",
/// <https://sqlite.org/fileformat2.html>.
const HEADER: [(usize, usize); 4] = [(0, 24), (44, 48), (56, 64), (68, 72)];

/// Bytes of the header.
const HEADER_BYTES: usize = 100;

/// The type of a leaf page of a table WITHOUT ROWID.
const LEAF: u8 = 0x0a;

/// The schema and the metadata of a file that SQLite has read and that passed all checks.
#[derive(Debug)]
pub(crate) struct Layout {
    schema: Vec<u8>,
    metadata: Vec<u8>,
    /// The page with the metadata.
    page: usize,
    /// The root of the tree of `chunks`.
    root: u32,
}

impl Layout {
    /// Reads the layout of a connection's file, which must be checked; `None` if it is unusual, or
    /// its metadata fill more than a page.
    pub(crate) fn new(connection: &Connection, file: Bytes<'_>) -> Option<Layout> {
        let root = chunks_root(connection).ok().flatten()?;
        let page = table_root(connection, "meta").ok()?.checked_sub(1)? as usize;
        let metadata = page_of(file, page)?;
        let has_corpus_pages = btree::has_corpus_pages(file) && metadata.first() == Some(&LEAF);
        has_corpus_pages.then_some(Layout { schema: page_of(file, 0)?, metadata, page, root })
    }

    /// Returns the root of the tree of `chunks` of another file, if that has this layout too.
    pub(crate) fn root(&self, file: Bytes<'_>) -> Option<u32> {
        let schema = page_of(file, 0)?;
        let same = HEADER.iter().all(|&(start, end)| schema[start..end] == self.schema[start..end])
            && schema[HEADER_BYTES..] == self.schema[HEADER_BYTES..]
            && page_of(file, self.page)? == self.metadata;
        same.then_some(self.root)
    }
}

fn page_of(file: Bytes<'_>, page: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; PAGE];
    file.copy(page.checked_mul(PAGE)?, &mut bytes)?;
    Some(bytes)
}

/// The versions of the file's format and the number of its changes, bytes 18 to 27 of the header. Each
/// transaction that SQLite writes to the file itself counts, and before the first one that it writes
/// to a WAL the versions change.
pub(crate) type FileVersion = [u8; 10];

/// Returns the version of a file.
#[inline]
pub(crate) fn file_version(file: Bytes<'_>) -> Option<FileVersion> {
    file.array(18)
}

/// Returns whether a file of this version is not in WAL mode, in which changes are not counted.
pub(crate) fn is_at_rest([write_version, read_version, ..]: FileVersion) -> bool {
    (write_version, read_version) == (1, 1)
}

/// Returns the root of the tree of `chunks`, if the table has the usual columns in the usual order.
pub(crate) fn chunks_root(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let usual = "first_id 10,count 00,checksum 00,content 00,circuits 00,unitaries 00,labels 00";
    usual_root(connection, "chunks", usual)
}

/// Returns the root of the tree of `keys`, if there is such a table with the usual columns.
pub(crate) fn keys_root(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    usual_root(connection, "keys", "place 10,entries 00")
}

fn usual_root(connection: &Connection, table: &str, usual: &str) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT group_concat(name || ' ' || pk || hidden, ',') FROM pragma_table_xinfo(?1)";
    let columns: Option<String> = connection.query_row(sql, [table], |row| row.get(0))?;
    if columns.as_deref() != Some(usual) {
        return Ok(None);
    }
    table_root(connection, table).map(Some)
}

/// Returns the root of the tree of a table.
pub(crate) fn table_root(connection: &Connection, table: &str) -> rusqlite::Result<u32> {
    let sql = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    connection.query_row(sql, [table], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use crate::corpus::corpus_file::CorpusFile;
    use crate::sqlite::mmap::PublishedMapping;
    use crate::{Durability, GenerateOptions, Part, RecipeOptions};
    use std::path::Path;

    fn generated(path: &Path, seed: u64, part: Part) {
        let recipe = RecipeOptions { random: 5_000, seed, ..RecipeOptions::default() }.recipe().unwrap();
        let options = GenerateOptions { durability: Durability::Off, part, ..GenerateOptions::default() };
        crate::generate(path, &recipe, options, &false.into(), &mut |_| ()).unwrap();
    }

    #[test]
    fn files_of_one_recipe_have_one_layout_and_others_have_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        generated(&path("whole"), 0, Part::default());
        generated(&path("part"), 0, Part::new(1, 2).unwrap());
        generated(&path("other"), 1, Part::default());
        let layout = CorpusFile::open(path("whole")).unwrap().layout().unwrap();
        let root = |name: &str| {
            let size = path(name).metadata().unwrap().len();
            assert!(PublishedMapping::new(&path(name), size + 1).is_none());
            layout.root(PublishedMapping::new(&path(name), size).unwrap().bytes())
        };
        assert!(root("whole").is_some());
        assert_eq!(root("part"), root("whole"));
        assert_eq!(root("other"), None);
        rusqlite::Connection::open(path("part")).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
        assert_eq!(root("part"), None);
        std::fs::write(path("short"), "SQLite format 3\0").unwrap();
        assert_eq!(root("short"), None);
    }
}
