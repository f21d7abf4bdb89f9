-- Step 2. What a node's probe measured, and minutes-on per hour, one row for a thousand aliases.

ALTER TABLE node ADD COLUMN cores INTEGER;
ALTER TABLE node ADD COLUMN memory_mib INTEGER;
ALTER TABLE node ADD COLUMN disk_free_bytes INTEGER;
ALTER TABLE node ADD COLUMN cpu_score INTEGER;
ALTER TABLE node ADD COLUMN fsync_p50_ms INTEGER;
ALTER TABLE node ADD COLUMN fsync_p99_ms INTEGER;
ALTER TABLE node ADD COLUMN disk_mb_s INTEGER;
ALTER TABLE node ADD COLUMN up_kbps INTEGER;
ALTER TABLE node ADD COLUMN down_kbps INTEGER;
ALTER TABLE node ADD COLUMN nat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN loss_ppm INTEGER;
ALTER TABLE node ADD COLUMN rtt BLOB;
ALTER TABLE node ADD COLUMN measured_at INTEGER;

CREATE TABLE presence_hour (
    hour INTEGER NOT NULL,
    block INTEGER NOT NULL,
    minutes BLOB NOT NULL,
    PRIMARY KEY (hour, block)
) STRICT, WITHOUT ROWID;
