-- Version 1 of the store. Times are milliseconds since 1970-01-01T00:00:00Z unless the name says otherwise; trust is
-- 0 none, 1 meter valid, 2 meter doubtful, 3 host synchronised, 4 host not known to be synchronised.

-- A random number that says which database a spool belongs to.
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- The registers of a row: [["1-0:1.8.0*255","Wh",-1], ...], which are code, unit and power of ten.
CREATE TABLE shape (id INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE);

-- Rows as they were committed: one block a meter and commit. `first` is the number of the block's first row, `grp`
-- the smallest `first` of all blocks of the commit. `bytes` is a zstd frame of `length` bytes.
CREATE TABLE recent (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, grp INTEGER NOT NULL, meter INTEGER NOT NULL,
    count INTEGER NOT NULL, min_ms INTEGER NOT NULL, max_ms INTEGER NOT NULL, length INTEGER NOT NULL,
    bytes BLOB NOT NULL
);

-- Sealed rows: one block a meter and hour, otherwise the same. `step_s` is 0, or the seconds that were left between
-- two rows when the block was thinned.
CREATE TABLE chunk (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, grp INTEGER NOT NULL, meter INTEGER NOT NULL,
    count INTEGER NOT NULL, min_ms INTEGER NOT NULL, max_ms INTEGER NOT NULL, length INTEGER NOT NULL,
    bytes BLOB NOT NULL, step_s INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX chunk_time ON chunk (meter, max_ms, min_ms);

-- Rows whose time nobody knows yet: milliseconds since the boot, and a block of one row.
CREATE TABLE undated (id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, meter INTEGER NOT NULL, bytes BLOB NOT NULL);

-- What tariff use cases chose. `mark_s` is in seconds; `bytes` is the reading, a block of one row.
CREATE TABLE measured (
    seq INTEGER PRIMARY KEY, meter INTEGER NOT NULL, use_case TEXT NOT NULL, mark_s INTEGER NOT NULL,
    quality TEXT NOT NULL, clock_doubtful INTEGER NOT NULL, at_ms INTEGER NOT NULL, bytes BLOB NOT NULL
);
CREATE INDEX measured_mark ON measured (meter, use_case, mark_s, quality);

CREATE TABLE event (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, trust INTEGER NOT NULL, code TEXT NOT NULL, about TEXT,
    detail TEXT NOT NULL, count INTEGER NOT NULL
);

-- Numbers in quarantine: mantissa and power of ten.
CREATE TABLE held (
    id INTEGER PRIMARY KEY, meter INTEGER NOT NULL, at_ms INTEGER NOT NULL, trust INTEGER NOT NULL,
    register TEXT NOT NULL, mantissa INTEGER NOT NULL, exponent INTEGER NOT NULL, unit TEXT, reason TEXT NOT NULL,
    detail TEXT NOT NULL, judgement TEXT NOT NULL
);

-- `offsets` is [["1-0:1.8.0*255",mantissa,power of ten], ...].
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY, meter INTEGER NOT NULL, from_ms INTEGER NOT NULL, identity TEXT, cause TEXT NOT NULL,
    offsets TEXT NOT NULL, undone INTEGER NOT NULL
);

CREATE TABLE remark (
    meter INTEGER NOT NULL, register TEXT NOT NULL, since_ms INTEGER NOT NULL, trust INTEGER NOT NULL,
    value TEXT NOT NULL, PRIMARY KEY (meter, register)
) WITHOUT ROWID;

CREATE TABLE cursor (sink TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (sink, stream)) WITHOUT ROWID;
