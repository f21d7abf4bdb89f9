-- Step 9. A group's log: a dropped segment moves to its group's next place, with -1 names. Versions whose place another took
-- wait for the end of their retention in a table of their own.

ALTER TABLE pg ADD COLUMN last_drop INTEGER NOT NULL DEFAULT 0;
CREATE INDEX segment_unnamed ON segment (pg, kept_at) WHERE refs = 0;
CREATE INDEX segment_dropped ON segment (kept_at) WHERE refs < 0;

CREATE TABLE version_old (
    since INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    bucket_seq INTEGER NOT NULL,
    PRIMARY KEY (since, bucket, bucket_seq)
) STRICT, WITHOUT ROWID;

INSERT INTO version_old (since, bucket, bucket_seq)
SELECT (SELECT min(n.made_at) FROM version n
        WHERE n.bucket = v.bucket AND n.name_hash = v.name_hash AND n.bucket_seq > v.bucket_seq), v.bucket, v.bucket_seq
FROM version v
WHERE v.kind = 1 AND EXISTS (SELECT 1 FROM version n
        WHERE n.bucket = v.bucket AND n.name_hash = v.name_hash AND n.bucket_seq > v.bucket_seq);
