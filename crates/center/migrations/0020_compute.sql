-- Step 20. Jobs, what became of them in order, their accepted items, nodes' words for results, and what nodes' results are worth.

CREATE TABLE job (
    id BLOB NOT NULL PRIMARY KEY,
    member BLOB NOT NULL,
    kind INTEGER NOT NULL,
    label BLOB NOT NULL,
    facts BLOB NOT NULL,
    bucket BLOB NOT NULL,
    keepers BLOB NOT NULL,
    engine BLOB NOT NULL,
    state INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    ended_at INTEGER,
    progress BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX job_member ON job (member, made_at);
CREATE INDEX job_ended ON job (ended_at);

CREATE TABLE job_record (
    job BLOB NOT NULL,
    seq INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_item (
    job BLOB NOT NULL,
    stage INTEGER NOT NULL,
    item INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    node INTEGER NOT NULL,
    hash BLOB NOT NULL,
    fuel INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (job, stage, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE work_word (
    digest BLOB NOT NULL PRIMARY KEY,
    node INTEGER NOT NULL,
    said_at INTEGER NOT NULL,
    reports BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX work_word_at ON work_word (said_at);

CREATE TABLE node_compute (
    alias INTEGER NOT NULL PRIMARY KEY,
    standing BLOB NOT NULL
) STRICT, WITHOUT ROWID;
