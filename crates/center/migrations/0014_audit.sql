-- Step 14. What audits found: counts of a node, challenges that were not answered yet, proofs.

CREATE TABLE node_audit (
    alias INTEGER NOT NULL PRIMARY KEY,
    proved INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    wrong INTEGER NOT NULL,
    silent INTEGER NOT NULL,
    proofs INTEGER NOT NULL,
    audited_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_again (
    alias INTEGER NOT NULL PRIMARY KEY,
    picks BLOB NOT NULL,
    asked_again INTEGER NOT NULL,
    ask_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_proof (
    alias INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    proof BLOB NOT NULL,
    PRIMARY KEY (alias, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX pg_slot_alias ON pg_slot (alias, pg);

-- Scores are whole millionths of a sample, and nobody was audited yet.
UPDATE node SET alpha = 1000000000, beta = 0;
