//! The tree of the table `chunks`: its rows, found in the pages of a mapped file without SQLite.
//!
//! <https://sqlite.org/fileformat2.html> is the specification: "B-tree Pages", "Record Format". Nothing found here is
//! believed: every offset is checked, and what is unusual in any way, SQLite may read.

use crate::connection::PAGE_SIZE;
use crate::mapping::Bytes;

const PAGE: usize = PAGE_SIZE as usize;

/// Larger than that of any file: each page of the tree has at least two below it.
const DEEPEST: usize = 20;

/// A row of `chunks`: where its columns stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Row {
    pub(crate) first_id: u64,
    /// At least 1, but for what was never found.
    pub(crate) count: u32,
    /// Bytes of the columns, which follow each other; 0 for those that are NULL.
    pub(crate) circuits_len: u32,
    pub(crate) unitaries_len: u32,
    pub(crate) labels_len: u32,
    /// Where the circuits begin.
    pub(crate) at: usize,
}

impl Row {
    pub(crate) fn holds(&self, id: u64) -> bool {
        id.wrapping_sub(self.first_id) < u64::from(self.count)
    }

    pub(crate) fn unitaries_at(&self) -> usize {
        self.at + self.circuits_len as usize
    }

    pub(crate) fn labels_at(&self) -> usize {
        self.unitaries_at() + self.unitaries_len as usize
    }
}

/// Whether this is a file as corpora are: of pages of 65536 bytes with nothing reserved in them.
pub(crate) fn is_usual(file: Bytes<'_>) -> bool {
    // The page size is 1 for 65536; byte 20 counts the reserved bytes of a page.
    file.array(16)
        .is_some_and(|[size_high, size_low, _, _, reserved]| (size_high, size_low, reserved) == (0, 1, 0))
}

/// The last row whose first id is not above `id`, in the table whose tree has this root; `None` if there is none, or
/// SQLite must be asked.
pub(crate) fn find(file: Bytes<'_>, root: u32, id: u64) -> Option<Row> {
    let (mut page, mut before) = (Page::new(file, root)?, None);
    for _ in 0..DEEPEST {
        if page.is_leaf {
            return match page.last_not_above(id)? {
                Some(cell) => page.row(cell),
                // Keys of inner pages are bounds: the row may be the last one of the leaf before.
                None => last_below(file, before?),
            };
        }
        let child = page.child_for(id)?;
        if child > 0 {
            before = Some(page.child(child - 1)?);
        }
        page = Page::new(file, page.child(child)?)?;
    }
    None
}

/// The last row in the tree below this page.
fn last_below(file: Bytes<'_>, number: u32) -> Option<Row> {
    let mut page = Page::new(file, number)?;
    for _ in 0..DEEPEST {
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
        // The first page, which has the file's header, is the schema's.
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

    /// The `N` bytes from `at` on, if they are within the page.
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at + N > PAGE { None } else { self.file.array(self.start + at) }
    }

    /// Where a cell begins in the page.
    fn cell(&self, index: usize) -> Option<usize> {
        let pointers = if self.is_leaf { 8 } else { 12 };
        self.array(pointers + 2 * index).map(|pointer| u16::from_be_bytes(pointer).into())
    }

    /// A number of one to nine bytes, and where the next begins: seven bits a byte, the highest first, until one has
    /// no highest bit; the ninth counts whole.
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

    /// The key of a cell: of a leaf, that of its row; of an inner page, the largest that may be below its child.
    fn key(&self, index: usize) -> Option<u64> {
        let cell = self.cell(index)?;
        match self.is_leaf {
            true => self.varint(self.varint(cell)?.1),
            false => self.varint(cell + 4),
        }
        // Rows with negative keys are no chunks.
        .map(|(key, _)| key)
        .filter(|&key| key <= i64::MAX as u64)
    }

    /// How many cells, from the first one on, have keys below `id`.
    fn below(&self, id: u64) -> Option<usize> {
        let (mut start, mut end) = (0, self.cells);
        while start < end {
            let middle = start.midpoint(end);
            match self.key(middle)? < id {
                true => start = middle + 1,
                false => end = middle,
            }
        }
        Some(start)
    }

    /// The number of the child below which `id` would be.
    fn child_for(&self, id: u64) -> Option<usize> {
        self.below(id)
    }

    /// The page of a child; there is one more of them than cells.
    fn child(&self, index: usize) -> Option<u32> {
        let at = if index < self.cells { self.cell(index)? } else { 8 };
        self.array(at).map(u32::from_be_bytes)
    }

    /// The last cell of a leaf whose key is not above `id`.
    fn last_not_above(&self, id: u64) -> Option<Option<usize>> {
        Some(self.below(id.checked_add(1)?)?.checked_sub(1))
    }

    /// The row in a cell of a leaf.
    fn row(&self, index: usize) -> Option<Row> {
        let (len, at) = self.varint(self.cell(index)?)?;
        let (first_id, start) = self.varint(at)?;
        // A row that does not fit is continued on other pages: those hold at least 35 bytes less than a page.
        let len = usize::try_from(len).ok().filter(|len| start + len <= PAGE && *len <= PAGE - 35)?;
        let (header, mut at) = self.varint(start)?;
        let body = start + usize::try_from(header).ok().filter(|&header| header <= len)?;
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
            // Empty BLOBs are not NULL, and damage.
            if kind == 0 { Some(0) } else { blob_len(kind).filter(|&len| len > 0) }
        };
        let (unitaries_len, labels_len) = (or_null()?, or_null()?);
        let end = body + skipped + circuits_len + unitaries_len + labels_len;
        if at != body || end != start + len {
            return None;
        }
        Some(Row {
            first_id,
            count: self.small(count_kind, count_len, body)?,
            circuits_len: circuits_len as u32,
            unitaries_len: unitaries_len as u32,
            labels_len: labels_len as u32,
            at: self.start + body + skipped,
        })
    }

    /// A positive integer of at most three bytes.
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

/// Bytes of an integer of this kind, or serial type.
fn integer_len(kind: u64) -> Option<usize> {
    match kind {
        1..=4 => Some(kind as usize),
        5 => Some(6),
        6 => Some(8),
        8 | 9 => Some(0),
        _ => None,
    }
}

/// Bytes of a BLOB of this kind; one that is larger than a page is elsewhere.
fn blob_len(kind: u64) -> Option<usize> {
    let len = kind.checked_sub(12).filter(|twice| twice % 2 == 0)? / 2;
    usize::try_from(len).ok().filter(|&len| len <= PAGE)
}
