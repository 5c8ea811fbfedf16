//! The b-trees of the tables `chunks` and `keys`: their rows, found in the pages of a mapped file
//! without SQLite.
//!
//! <https://sqlite.org/fileformat2.html> is the specification: "B-tree Pages", "Record Format". The
//! pages are untrusted: every offset is checked, and SQLite reads anything unusual.

use crate::sqlite::connection::{MAX_VALUE_BYTES, PAGE_SIZE};
use crate::sqlite::mmap::Bytes;
use qorpus_core::ChunkSpan;

const PAGE: usize = PAGE_SIZE as usize;

/// An overflow page begins with the number of the next one.
const NEXT_PAGE_BYTES: usize = 4;

/// Bytes of a row in an overflow page.
const OVERFLOW_BYTES: usize = PAGE - NEXT_PAGE_BYTES;

/// The largest row without overflow pages.
const MAX_LOCAL_BYTES: usize = PAGE - 35;

/// The fewest local bytes of a row with overflow pages.
const MIN_LOCAL_BYTES: usize = (PAGE - 12) * 32 / 255 - 23;

/// A depth above that of any b-tree: each inner page has at least two pages below it.
const MAX_DEPTH: usize = 20;

/// A row of `chunks`: the positions of its columns in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChunkRow {
    pub(crate) first_id: u64,
    /// At least 1, except in a default row.
    pub(crate) count: u32,
    /// Bytes of the columns, which follow each other; 0 for NULL.
    pub(crate) circuits_len: u32,
    pub(crate) unitaries_len: u32,
    pub(crate) labels_len: u32,
    /// The offset of the circuits in the file.
    at: usize,
    /// The number of local bytes of the columns, in the row's own page.
    local: u32,
    /// The first of the overflow pages with the other bytes, which must be consecutive; 0 if there
    /// are none.
    overflow: u32,
}

impl ChunkRow {
    pub(crate) fn holds(&self, id: u64) -> bool {
        id.wrapping_sub(self.first_id) < u64::from(self.count)
    }

    /// Returns the id behind its last record.
    pub(crate) fn end(&self) -> u64 {
        self.first_id + u64::from(self.count)
    }

    /// Returns which records its chunk holds.
    pub(crate) fn span(&self) -> ChunkSpan {
        ChunkSpan { first_id: self.first_id, count: self.count.into() }
    }

    /// Returns where the unitaries begin, counted from the start of the circuits as all positions
    /// in columns are.
    pub(crate) fn unitaries_at(&self) -> usize {
        self.circuits_len as usize
    }

    pub(crate) fn labels_at(&self) -> usize {
        self.unitaries_at() + self.unitaries_len as usize
    }

    /// Copies bytes of the columns.
    #[inline]
    pub(crate) fn copy(&self, file: Bytes<'_>, at: usize, out: &mut [u8]) -> Option<()> {
        if at.checked_add(out.len())? <= self.local as usize {
            file.copy(self.at + at, out)
        } else {
            self.copy_overflow(file, at, out)
        }
    }

    #[cold]
    fn copy_overflow(&self, file: Bytes<'_>, mut at: usize, mut out: &mut [u8]) -> Option<()> {
        while !out.is_empty() {
            let (start, len) = self.place(at)?;
            let (piece, rest) = out.split_at_mut(len.min(out.len()));
            file.copy(start, piece)?;
            (at, out) = (at + piece.len(), rest);
        }
        Some(())
    }

    /// Returns where a byte of the columns is in the file, and how many bytes are contiguous there,
    /// that one included.
    #[inline]
    pub(crate) fn place(&self, at: usize) -> Option<(usize, usize)> {
        let Some(beyond) = at.checked_sub(self.local as usize) else {
            return Some((self.at + at, self.local as usize - at));
        };
        let (page, within) = (self.overflow as usize + beyond / OVERFLOW_BYTES, beyond % OVERFLOW_BYTES);
        let start = page.checked_sub(1)?.checked_mul(PAGE)? + NEXT_PAGE_BYTES;
        (self.overflow > 0).then_some((start + within, OVERFLOW_BYTES - within))
    }
}

/// Returns whether the file has pages as corpora do: of 65,536 bytes without reserved ones.
pub(crate) fn has_corpus_pages(file: Bytes<'_>) -> bool {
    // The page size 65,536 is stored as 1; byte 20 counts the reserved bytes of a page.
    file.array(16)
        .is_some_and(|[size_high, size_low, _, _, reserved]| (size_high, size_low, reserved) == (0, 1, 0))
}

/// Returns the last row whose first id is at most `id`, in the table whose tree has this root;
/// `None` if there is none, or SQLite must be asked.
pub(crate) fn find(file: Bytes<'_>, root: u32, id: u64) -> Option<ChunkRow> {
    let (mut page, mut before) = (Page::new(file, root)?, None);
    for _ in 0..MAX_DEPTH {
        if page.is_leaf {
            return match page.last_not_above(id)? {
                Some(cell) => page.row(cell),
                // Keys of inner pages are bounds: the row may be the last one of the previous leaf.
                None => last_below(file, before?),
            };
        }
        let child = page.below(id)?;
        if child > 0 {
            before = Some(page.child(child - 1)?);
        }
        page = Page::new(file, page.child(child)?)?;
    }
    None
}

/// Returns the BLOB of the row with this key, in a table of integer keys and BLOBs whose tree has this
/// root; `None` if there is none, or SQLite must be asked.
pub(crate) fn blob(file: Bytes<'_>, root: u32, key: u64) -> Option<Vec<u8>> {
    let mut page = Page::new(file, root)?;
    for _ in 0..MAX_DEPTH {
        let cell = page.below(key)?;
        if page.is_leaf {
            return (cell < page.cells && page.key(cell)? == key).then(|| page.blob(cell))?;
        }
        page = Page::new(file, page.child(cell)?)?;
    }
    None
}

/// Returns the last row in the tree below this page.
fn last_below(file: Bytes<'_>, number: u32) -> Option<ChunkRow> {
    let mut page = Page::new(file, number)?;
    for _ in 0..MAX_DEPTH {
        if page.is_leaf {
            return page.row(page.cells.checked_sub(1)?);
        }
        page = Page::new(file, page.child(page.cells)?)?;
    }
    None
}

/// A page of a table's tree.
struct Page<'m> {
    file: Bytes<'m>,
    start: usize,
    is_leaf: bool,
    cells: usize,
}

impl<'m> Page<'m> {
    fn new(file: Bytes<'m>, number: u32) -> Option<Page<'m>> {
        // The first page, which has the file's header, belongs to the schema.
        let start =
            usize::try_from(number).ok()?.checked_sub(1).filter(|&before| before > 0)?.checked_mul(PAGE)?;
        let [kind, _, _, cells_high, cells_low] = file.array(start)?;
        let is_leaf = match kind {
            0x0d => true,
            0x05 => false,
            _ => return None,
        };
        let cells = usize::from(u16::from_be_bytes([cells_high, cells_low]));
        Some(Page { file, start, is_leaf, cells })
    }

    /// Returns the `N` bytes from `at` on, if they are within the page.
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at + N > PAGE { None } else { self.file.array(self.start + at) }
    }

    /// Returns where a cell begins in the page.
    fn cell(&self, index: usize) -> Option<usize> {
        let pointers = if self.is_leaf { 8 } else { 12 };
        self.array(pointers + 2 * index).map(|pointer| u16::from_be_bytes(pointer).into())
    }

    /// Returns a number of one to nine bytes, and where the next begins: seven bits a byte, the
    /// highest first, until a byte lacks its highest bit; the ninth byte counts whole.
    fn varint(&self, at: usize) -> Option<(u64, usize)> {
        let mut value = 0;
        for place in 0..9 {
            let [byte] = self.array(at + place)?;
            if place == 8 {
                return Some((value << 8 | u64::from(byte), at + 9));
            }
            value = value << 7 | u64::from(byte & 0x7f);
            if byte < 0x80 {
                return Some((value, at + place + 1));
            }
        }
        None
    }

    /// Returns the key of a cell: in a leaf, the key of its row; in an inner page, the largest
    /// possible key below its child.
    fn key(&self, index: usize) -> Option<u64> {
        let cell = self.cell(index)?;
        if self.is_leaf { self.varint(self.varint(cell)?.1) } else { self.varint(cell + 4) }
            // Rows with negative keys are not chunks.
            .map(|(key, _)| key)
            .filter(|&key| key <= i64::MAX as u64)
    }

    /// Returns the number of leading cells with keys below `id`: in an inner page, the number of
    /// the child that may have it.
    fn below(&self, id: u64) -> Option<usize> {
        let (mut start, mut end) = (0, self.cells);
        while start < end {
            let middle = start.midpoint(end);
            if self.key(middle)? < id { start = middle + 1 } else { end = middle }
        }
        Some(start)
    }

    /// Returns the page of a child; there is one more child than cells.
    fn child(&self, index: usize) -> Option<u32> {
        let at = if index < self.cells { self.cell(index)? } else { 8 };
        self.array(at).map(u32::from_be_bytes)
    }

    /// Returns the last cell of a leaf whose key is not above `id`.
    fn last_not_above(&self, id: u64) -> Option<Option<usize>> {
        Some(self.below(id.checked_add(1)?)?.checked_sub(1))
    }

    /// Returns the row in a cell of a leaf.
    fn row(&self, index: usize) -> Option<ChunkRow> {
        let (len, at) = self.varint(self.cell(index)?)?;
        let (first_id, start) = self.varint(at)?;
        let len = usize::try_from(len).ok().filter(|&len| len <= MAX_VALUE_BYTES as usize)?;
        let local_len = local_len(len);
        let (header, mut at) = self.varint(start)?;
        let body = start + usize::try_from(header).ok().filter(|&header| header <= local_len)?;
        let mut kind = || {
            let (kind, next) = self.varint(at)?;
            at = next;
            Some(kind)
        };
        // The first column is the key.
        if kind()? != 0 {
            return None;
        }
        let (count_kind, checksum_kind) = (kind()?, kind()?);
        let count_len = integer_len(count_kind)?;
        let skipped = count_len + integer_len(checksum_kind)? + blob_len(kind()?)?;
        let circuits_len = blob_len(kind()?)?;
        let mut or_null = || {
            let kind = kind()?;
            // Empty BLOBs are not NULL, but damage.
            if kind == 0 { Some(0) } else { blob_len(kind).filter(|&len| len > 0) }
        };
        let (unitaries_len, labels_len) = (or_null()?, or_null()?);
        let (begin, end) = (body + skipped, body + skipped + circuits_len + unitaries_len + labels_len);
        if at != body || end != start + len || begin > start + local_len || start + local_len > PAGE {
            return None;
        }
        Some(ChunkRow {
            first_id,
            count: self.small(count_kind, count_len, body)?,
            circuits_len: circuits_len as u32,
            unitaries_len: unitaries_len as u32,
            labels_len: labels_len as u32,
            at: self.start + begin,
            local: (start + local_len - begin) as u32,
            overflow: if local_len < len {
                self.overflow_pages(start + local_len, len - local_len)?
            } else {
                0
            },
        })
    }

    /// Returns the BLOB in a cell of a leaf whose rows have a key and a BLOB, if the row is in this
    /// page alone.
    fn blob(&self, index: usize) -> Option<Vec<u8>> {
        let (len, at) = self.varint(self.cell(index)?)?;
        let (_, start) = self.varint(at)?;
        let len = usize::try_from(len).ok().filter(|&len| len <= MAX_LOCAL_BYTES)?;
        let (header, at) = self.varint(start)?;
        let body = start + usize::try_from(header).ok().filter(|&header| header <= len)?;
        let (key_kind, at) = self.varint(at)?;
        let (blob_kind, at) = self.varint(at)?;
        let blob_len = blob_len(blob_kind)?;
        if key_kind != 0 || at != body || body + blob_len != start + len || start + len > PAGE {
            return None;
        }
        let mut bytes = vec![0; blob_len];
        self.file.copy(self.start + body, &mut bytes).map(|()| bytes)
    }

    /// Returns the first of the overflow pages with `bytes` bytes of a row, whose number is at
    /// `at`, if the pages are consecutive.
    fn overflow_pages(&self, at: usize, bytes: usize) -> Option<u32> {
        let first = u32::from_be_bytes(self.array(at)?);
        for page in (1..bytes.div_ceil(OVERFLOW_BYTES) as u32).map(|step| first.checked_add(step)) {
            let before = (page? as usize).checked_sub(2)?;
            if u32::from_be_bytes(self.file.array(before.checked_mul(PAGE)?)?) != page? {
                return None;
            }
        }
        (first > 0).then_some(first)
    }

    /// Returns a positive integer of at most three bytes.
    fn small(&self, kind: u64, len: usize, at: usize) -> Option<u32> {
        if kind == 9 {
            return Some(1);
        }
        let mut value = 0;
        for place in 0..len.min(4) {
            let [byte] = self.array(at + place)?;
            value = value << 8 | u32::from(byte);
        }
        // The highest bit is the sign.
        let limit = 1u32 << (8 * len).checked_sub(1).filter(|bits| *bits < 24)?;
        (1..limit).contains(&value).then_some(value)
    }
}

/// Returns the number of local bytes of a row of `len` bytes.
fn local_len(len: usize) -> usize {
    if len <= MAX_LOCAL_BYTES {
        return len;
    }
    // As many as fill the last overflow page, if they fit.
    let full = MIN_LOCAL_BYTES + (len - MIN_LOCAL_BYTES) % OVERFLOW_BYTES;
    if full <= MAX_LOCAL_BYTES { full } else { MIN_LOCAL_BYTES }
}

/// Returns the number of bytes of an integer of this serial type.
fn integer_len(kind: u64) -> Option<usize> {
    match kind {
        1..=4 => Some(kind as usize),
        5 => Some(6),
        6 => Some(8),
        8 | 9 => Some(0),
        _ => None,
    }
}

/// Returns the number of bytes of a BLOB of this serial type.
fn blob_len(kind: u64) -> Option<usize> {
    let len = kind.checked_sub(12).filter(|twice| twice % 2 == 0)? / 2;
    usize::try_from(len).ok().filter(|&len| len <= MAX_VALUE_BYTES as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::{Connection, OptionalExtension, params};

    /// A table of chunks as SQLite writes it: its file, its root, and an id behind its last row.
    fn table(rows: u64, page_size: u32, bytes: impl Fn(u64) -> usize) -> (Connection, Vec<u8>, u32, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let connection = Connection::open(file.path()).unwrap();
        connection.pragma_update(None, "page_size", page_size).unwrap();
        connection.execute_batch(concat!(include_str!("schema.sql"), "BEGIN;")).unwrap();
        let mut next = 0;
        for row in 0..rows {
            let count = 1 + row * row % 200;
            let labels = (row % 3 == 0).then(|| vec![3u8; 9]);
            let values = params![
                next,
                count,
                row as i64 * -77,
                [7u8; 16],
                vec![1u8; bytes(row)],
                vec![2u8; bytes(row + 1)],
                labels
            ];
            connection.execute("INSERT INTO chunks VALUES(?, ?, ?, ?, ?, ?, ?)", values).unwrap();
            next += count + row % 2;
        }
        connection.execute_batch("COMMIT").unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'chunks'";
        let root = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        (connection, bytes, root, next)
    }

    /// The row that SQLite reads: first id, count, circuits, unitaries and labels.
    type Found = (u64, u32, Vec<u8>, Vec<u8>, Vec<u8>);

    fn asked(connection: &Connection, id: u64) -> Option<Found> {
        let sql = "SELECT first_id, count, circuits, unitaries, coalesce(labels, x'') FROM chunks
                   WHERE first_id <= ?1 ORDER BY first_id DESC LIMIT 1";
        let mut statement = connection.prepare_cached(sql).unwrap();
        let found =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        statement.query_row([id], found).optional().unwrap()
    }

    fn found(file: &[u8], root: u32, id: u64) -> Option<Found> {
        let row = find(file.into(), root, id)?;
        let column = |at: usize, len: u32| {
            let mut column = vec![0; len as usize];
            row.copy(file.into(), at, &mut column).map(|()| column)
        };
        let columns = [
            column(0, row.circuits_len)?,
            column(row.unitaries_at(), row.unitaries_len)?,
            column(row.labels_at(), row.labels_len)?,
        ];
        let [circuits, unitaries, labels] = columns;
        Some((row.first_id, row.count, circuits, unitaries, labels))
    }

    /// An inner page with these children and their keys, and the last child.
    fn inner(children: &[(u32, u64)], last: u32) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[0] = 5;
        page[3..5].copy_from_slice(&(children.len() as u16).to_be_bytes());
        page[8..12].copy_from_slice(&last.to_be_bytes());
        let mut end = PAGE;
        for (index, (child, key)) in children.iter().enumerate() {
            end -= 9;
            page[end..end + 4].copy_from_slice(&child.to_be_bytes());
            for place in 0..5 {
                let more = if place < 4 { 0x80 } else { 0 };
                page[end + 4 + place] = (key >> (7 * (4 - place)) & 0x7f) as u8 | more;
            }
            page[12 + 2 * index..][..2].copy_from_slice(&(end as u16).to_be_bytes());
        }
        page
    }

    #[test]
    fn rows_are_those_that_sqlite_finds() {
        for (rows, most) in [(0, 1), (1, 9), (40, 30_000), (40, 40_000), (20, 500_000), (3_000, 900)] {
            let bytes = |row: u64| 1 + (row * 7_919 % most) as usize;
            let (connection, file, root, end) = table(rows, PAGE_SIZE, bytes);
            assert!(has_corpus_pages(file[..].into()));
            for id in (0..end + 3).step_by(if rows > 1_000 { 7 } else { 1 }) {
                assert_eq!(found(&file, root, id), asked(&connection, id), "{id} of {rows} rows");
            }
            for id in [i64::MAX as u64, u64::MAX - 1] {
                assert_eq!(found(&file, root, id), asked(&connection, i64::MAX as u64));
            }
            assert_eq!(found(&file, root, u64::MAX), None);
        }
    }

    #[test]
    fn blobs_are_those_that_sqlite_finds() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let connection = Connection::open(file.path()).unwrap();
        connection.pragma_update(None, "page_size", PAGE_SIZE).unwrap();
        connection.execute_batch(concat!(include_str!("schema_distinct.sql"), "BEGIN;")).unwrap();
        let key = |row: u64| (3 * row) << (row % 30);
        let (len, most) = (|row: u64| (row * 7_919 % 3_000) as usize, MAX_LOCAL_BYTES - 8);
        for row in 0..400 {
            let values = params![key(row), vec![row as u8; len(row)]];
            connection.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", values).unwrap();
        }
        // The longest BLOB that may be in its own page, and longer ones.
        for (key, len) in [(1, most), (2, most + 20), (4, 200_000)] {
            connection.execute("INSERT INTO keys VALUES (?, ?)", params![key, vec![9u8; len]]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        let root = crate::sqlite::layout::keys_root(&connection).unwrap().unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        let asked = |key: u64| -> Option<Vec<u8>> {
            let sql = "SELECT entries FROM keys WHERE place = ?1";
            connection.query_row(sql, [key], |row| row.get(0)).optional().unwrap()
        };
        let (mut found, mut absent) = (0, 0);
        for key in (0..400).flat_map(|row| [key(row), key(row) + 5]) {
            let blob = blob(bytes[..].into(), root, key);
            assert_eq!(blob, asked(key), "{key}");
            if blob.is_some() { found += 1 } else { absent += 1 }
        }
        assert!(found > 300 && absent > 300);
        assert_eq!(blob(bytes[..].into(), root, 1), asked(1));
        // Rows with overflow pages are left to SQLite.
        for key in [2, 4] {
            assert!(asked(key).is_some() && blob(bytes[..].into(), root, key).is_none());
        }
        assert_eq!(blob(bytes[..].into(), root, u64::MAX), None);
        // Rows of another table.
        let (_, other, root, _) = table(30, PAGE_SIZE, |_| 100);
        assert!((0..100).all(|key| blob(other[..].into(), root, key).is_none()));
    }

    #[test]
    fn trees_of_three_levels_are_descended() {
        let (connection, mut file, root, end) = table(200, PAGE_SIZE, |row| 9_000 + row as usize);
        let page = Page::new(file[..].into(), root).unwrap();
        assert!(!page.is_leaf && page.cells > 20);
        let mut children: Vec<_> =
            (0..page.cells).map(|cell| (page.child(cell).unwrap(), page.key(cell).unwrap())).collect();
        let last = page.child(page.cells).unwrap();
        let right = children.split_off(children.len() / 2);
        // The key of the last one on the left moves up.
        let (middle, key) = children.pop().unwrap();
        let pages = (file.len() / PAGE) as u32;
        file.extend(inner(&children, middle));
        file.extend(inner(&right, last));
        file.extend(inner(&[(pages + 1, key)], pages + 2));
        for id in 0..end {
            assert_eq!(found(&file, pages + 3, id), asked(&connection, id), "{id}");
        }
        // A page that is below itself.
        file.extend(inner(&[(pages + 4, 1 << 30)], pages + 4));
        assert_eq!(find(file[..].into(), pages + 4, 7), None);
    }

    #[test]
    fn what_is_unusual_is_left_to_sqlite() {
        let (_, file, root, _) = table(9, 4096, |_| 100);
        assert!(!has_corpus_pages(file[..].into()));
        assert_eq!(find(file[..].into(), root, 1), None);
        // A row that is continued on pages that do not follow one another.
        let (_, mut file, root, _) = table(1, PAGE_SIZE, |_| 100_000);
        let row = find(file[..].into(), root, 0).unwrap();
        assert!(row.overflow > 0);
        file[(row.overflow as usize - 1) * PAGE + 3] ^= 1;
        assert_eq!(find(file[..].into(), root, 0), None);
        assert_eq!(find(file[..].into(), 0, 1), None);
        assert_eq!(find(file[..].into(), 1, 1), None);
        assert_eq!(find(file[..].into(), u32::MAX, 1), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn corrupted_pages_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
            headers in prop::collection::vec((0usize..5, 0usize..40, any::<u8>()), 0..20),
            len in any::<prop::sample::Index>(),
            ids in prop::collection::vec(0u64..3_000, 20),
        ) {
            let (_, mut file, root, _) = table(30, PAGE_SIZE, |row| 5_000 + 6_000 * (row % 9) as usize);
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            // Where pages, their cells and records begin, damage does more.
            for (page, at, byte) in headers {
                let at = (page + 1) * PAGE + at;
                if at < file.len() {
                    file[at] = byte;
                }
            }
            for file in [&file[..], &file[..len.index(file.len())]] {
                for &id in &ids {
                    for root in root..root + 4 {
                        if let Some(row) = find(file.into(), root, id) {
                            prop_assert!(row.count > 0);
                            let mut columns = vec![0; row.labels_at() + row.labels_len as usize];
                            let _ = row.copy(file.into(), 0, &mut columns);
                            let _ = row.place(columns.len());
                        }
                        let _ = blob(file.into(), root, id);
                    }
                }
            }
        }

        #[test]
        fn any_page_is_survived(bytes in prop::collection::vec(any::<u8>(), 200), id: u64, is_leaf: bool) {
            // Pointers everywhere, to everywhere.
            let mut file: Vec<u8> = bytes.iter().cycle().take(3 * PAGE).copied().collect();
            file[PAGE] = if is_leaf { 0x0d } else { 0x05 };
            file[2 * PAGE] = 0x0d;
            let _ = find(file[..].into(), 2, id);
            let _ = blob(file[..].into(), 2, id);
        }
    }
}
