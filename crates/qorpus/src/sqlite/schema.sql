-- Qorpus file format, version 1: docs/format.md in the project explains every byte.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Consecutive records, packed. circuits and unitaries end in a list of block checks.
CREATE TABLE chunks (
    first_id  INTEGER PRIMARY KEY,
    count     INTEGER NOT NULL,
    checksum  INTEGER NOT NULL,
    content   BLOB NOT NULL,
    circuits  BLOB NOT NULL,
    unitaries BLOB,
    labels    BLOB
) STRICT;

-- Ranges of chunks that are still to be made, and by whom: NULL is nobody.
CREATE TABLE work (
    first_chunk INTEGER PRIMARY KEY,
    end_chunk   INTEGER NOT NULL CHECK (first_chunk < end_chunk),
    owner       INTEGER
) STRICT;

-- What the chunks add up to.
CREATE TABLE totals (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    records INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;

-- The labels that appended records brought with them, and whether they are texts or numbers.
CREATE TABLE labels (
    name    TEXT PRIMARY KEY,
    is_text INTEGER NOT NULL CHECK (is_text IN (0, 1))
) STRICT, WITHOUT ROWID;
