-- Step 12. Objects that come in parts. An upload whose last change is at time 0 has ended: what is left of its parts is let go.

CREATE TABLE upload (
    bucket INTEGER NOT NULL REFERENCES bucket (number),
    id BLOB NOT NULL,
    name_sealed BLOB NOT NULL,
    note BLOB NOT NULL,
    began_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (bucket, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_changed ON upload (changed_at);

CREATE TABLE upload_part (
    bucket INTEGER NOT NULL,
    upload BLOB NOT NULL,
    number INTEGER NOT NULL,
    note BLOB NOT NULL,
    segments BLOB NOT NULL,
    segments_count INTEGER NOT NULL,
    sealed_bytes INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (bucket, upload, number)
) STRICT, WITHOUT ROWID;
