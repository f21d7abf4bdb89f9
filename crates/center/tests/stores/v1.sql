-- A database as the first schema left it: that schema whole, and a few rows. It never changes; later programs must open it.
-- (In SQLite's words; the test says it to PostgreSQL in its own.)
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT;
INSERT INTO schema_version (version, applied_at) VALUES (1, 1764000000000);

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

-- Rows.
INSERT INTO meta (name, value) VALUES ('cloud_name', X'eab980');
INSERT INTO member (id, name, roles, state, frozen_why, created_at, invited_by)
    VALUES (X'11111111111111111111111111111111', 'first', 7, 0, NULL, 1764000000001, NULL), (X'22222222222222222222222222222222', 'second', 3, 1, 'two keys', 1764000000002, X'11111111111111111111111111111111');
INSERT INTO device (id, member, name, added_at, removed_at) VALUES (X'3333333333333333333333333333333333333333333333333333333333333333', X'22222222222222222222222222222222', 'laptop', 1764000000003, NULL);
INSERT INTO ticket (id, secret_hash, roles, credits, uses_total, uses_left, expires_at, maker, name, created_at, revoked_at)
    VALUES (X'4444444444444444', X'5555555555555555555555555555555555555555555555555555555555555555', 3, 1000000, 2, 1, 1764086400000, X'11111111111111111111111111111111', 'for second', 1764000000000, NULL);
INSERT INTO ticket_use (ticket, device, used_at) VALUES (X'4444444444444444', X'3333333333333333333333333333333333333333333333333333333333333333', 1764000000003);
UPDATE counter SET value = 4 WHERE name = 'alias';
INSERT INTO node (alias, node_id, owner, name, region, region_evidence, region_declared, os, arch, as_number, net_prefix,
    version, tier, standing, standing_why, lent_bytes, accepts, capabilities, profile, alpha, beta, session_scale,
    joined_at, vetted_at, holiday_until, generation, binding, last_seen_hour)
    VALUES (4, X'3333333333333333333333333333333333333333333333333333333333333333', X'22222222222222222222222222222222', 'laptop', 'asia/kr', 2, 'asia/kr', 1, 1, 4766, '127.1.0.0/24', 1000, 1, 1, 'served a flipped byte',
    10737418240, 1, 1, X'7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f', 70000, 65536, 12, 1764000000003, NULL, NULL, 3, X'66666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666', 490000);
INSERT INTO node_event (alias, number, at, kind, text) VALUES (4, 1, 1764000000004, 'joined', 'with a ticket of first');
