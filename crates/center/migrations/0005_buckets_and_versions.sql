-- Step 5. Buckets with owner, key checks and the head of their chain of commits; versions of names in place of objects; a
-- segment knows its bucket and how many versions name it.

DROP TABLE object;
DROP TABLE commit_done;

INSERT INTO counter (name, value) VALUES ('bucket', 0);

CREATE TABLE bucket (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    owner BLOB NOT NULL REFERENCES member (id),
    key_check BLOB NOT NULL,
    name_check BLOB NOT NULL,
    label BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    removed_at INTEGER,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    objects INTEGER NOT NULL,
    sealed_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX bucket_owner ON bucket (owner);

CREATE TABLE version (
    bucket INTEGER NOT NULL REFERENCES bucket (number),
    bucket_seq INTEGER NOT NULL,
    name_hash BLOB NOT NULL,
    name_sealed BLOB NOT NULL,
    version BLOB NOT NULL,
    kind INTEGER NOT NULL,
    record BLOB NOT NULL,
    manifest BLOB NOT NULL,
    segments BLOB NOT NULL,
    segments_count INTEGER NOT NULL,
    sealed_bytes INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (bucket, bucket_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_name ON version (bucket, name_hash, bucket_seq);

CREATE TABLE commit_answer (
    id BLOB PRIMARY KEY,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE segment ADD COLUMN bucket INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segment ADD COLUMN refs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segment ADD COLUMN kept_at INTEGER NOT NULL DEFAULT 0;
