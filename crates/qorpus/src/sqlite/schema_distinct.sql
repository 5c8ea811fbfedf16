-- What an enumeration of distinct unitaries has besides.

-- The finished levels: circuits of one cost and length.
CREATE TABLE levels (
    number   INTEGER PRIMARY KEY,
    cost     INTEGER NOT NULL,
    length   INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    records  INTEGER NOT NULL
) STRICT;

-- The unitaries' keys, level by level in order, and where each comes from.
CREATE TABLE keys (
    place   INTEGER PRIMARY KEY,
    entries BLOB NOT NULL
) STRICT;
