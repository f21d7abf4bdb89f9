-- Step 1. Ids, hashes and keys are BLOB, times are milliseconds since 1970, words are their numbers in `model`.
-- Written in SQLite's words; types and table options are upper case, names lower case (see src/db/dialect.rs).

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers that are given out once and never again, each in the transaction that uses it.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('alias', 0);

CREATE TABLE member (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    roles INTEGER NOT NULL,
    state INTEGER NOT NULL,
    frozen_why TEXT,
    created_at INTEGER NOT NULL,
    invited_by BLOB REFERENCES member (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    id BLOB PRIMARY KEY,
    member BLOB NOT NULL REFERENCES member (id),
    name TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX device_member ON device (member);

CREATE TABLE ticket (
    id BLOB PRIMARY KEY,
    secret_hash BLOB NOT NULL UNIQUE,
    roles INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    uses_total INTEGER NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0 AND uses_left <= uses_total),
    expires_at INTEGER NOT NULL,
    maker BLOB NOT NULL REFERENCES member (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_maker ON ticket (maker);

CREATE TABLE ticket_use (
    ticket BLOB NOT NULL REFERENCES ticket (id),
    device BLOB NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (ticket, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    alias INTEGER PRIMARY KEY,
    node_id BLOB NOT NULL UNIQUE,
    owner BLOB NOT NULL REFERENCES member (id),
    name TEXT NOT NULL,
    region TEXT,
    region_evidence INTEGER NOT NULL,
    region_declared TEXT,
    os INTEGER NOT NULL,
    arch INTEGER NOT NULL,
    as_number INTEGER,
    net_prefix TEXT,
    version INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    standing_why TEXT,
    lent_bytes INTEGER NOT NULL,
    accepts INTEGER NOT NULL,
    capabilities INTEGER NOT NULL,
    profile BLOB NOT NULL,
    alpha INTEGER NOT NULL,
    beta INTEGER NOT NULL,
    session_scale INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    vetted_at INTEGER,
    holiday_until INTEGER,
    generation INTEGER NOT NULL,
    binding BLOB NOT NULL,
    last_seen_hour INTEGER NOT NULL
) STRICT;
CREATE INDEX node_owner ON node (owner);
CREATE INDEX node_name ON node (name);

CREATE TABLE node_event (
    alias INTEGER NOT NULL REFERENCES node (alias),
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (alias, number)
) STRICT, WITHOUT ROWID;
