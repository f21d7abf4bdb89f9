-- Step 3. Placement groups with their slots, segments, objects by sealed name. Thin: a segment's pieces are a bitmap.

INSERT INTO counter (name, value) VALUES ('pg', 0);

CREATE TABLE pg (
    pg INTEGER PRIMARY KEY,
    k INTEGER NOT NULL,
    m INTEGER NOT NULL,
    o INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    n_max INTEGER NOT NULL,
    accept INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    is_open INTEGER NOT NULL
) STRICT;

CREATE TABLE pg_slot (
    pg INTEGER NOT NULL REFERENCES pg (pg),
    slot INTEGER NOT NULL,
    alias INTEGER NOT NULL REFERENCES node (alias),
    PRIMARY KEY (pg, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE segment (
    pg INTEGER NOT NULL REFERENCES pg (pg),
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    sealed_bytes INTEGER NOT NULL,
    have BLOB NOT NULL,
    PRIMARY KEY (pg, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX segment_id ON segment (pg, id);

CREATE TABLE object (
    bucket BLOB NOT NULL,
    bucket_seq INTEGER NOT NULL,
    name_sealed BLOB NOT NULL,
    manifest BLOB NOT NULL,
    segments BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (bucket, bucket_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_name ON object (bucket, name_sealed, bucket_seq);

CREATE TABLE commit_done (
    id BLOB PRIMARY KEY,
    bucket_seq INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
