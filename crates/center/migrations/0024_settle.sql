-- Step 24. Settlement: batches of nodes that were taken, units that are due, how far a period of a resource is settled, what came in
-- for it, what providers are still owed, rests of bytes held for less than an MB·h, results that were paid.
-- A period bears the millisecond of its end. Side 1: used, side 2: served.

CREATE TABLE settle_batch (
    number INTEGER PRIMARY KEY,
    node BLOB NOT NULL CHECK (length(node) = 32),
    window_no INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    receipts INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    UNIQUE (node, window_no)
) STRICT;
CREATE INDEX settle_batch_taken ON settle_batch (taken_at);

CREATE TABLE settle_due (
    period INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    side INTEGER NOT NULL CHECK (side >= 1 AND side <= 2),
    account INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    version INTEGER NOT NULL,
    quality_bps INTEGER NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    PRIMARY KEY (period, resource, side, account, variant, version, quality_bps)
) STRICT, WITHOUT ROWID;

-- Step 1: payers are charged, 2: providers are paid after an account, 3: over. There and wanted: what providers get of what they earned.
CREATE TABLE settle_round (
    period INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    step INTEGER NOT NULL CHECK (step >= 1 AND step <= 3),
    after_account INTEGER NOT NULL,
    there INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    PRIMARY KEY (period, resource)
) STRICT, WITHOUT ROWID;
CREATE INDEX settle_round_open ON settle_round (period, resource) WHERE step < 3;

CREATE TABLE settle_taken (
    period INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    version INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (period, resource, variant, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE settle_arrears (
    resource INTEGER NOT NULL,
    account INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (resource, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE settle_rest (
    side INTEGER NOT NULL,
    account INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    rest INTEGER NOT NULL CHECK (rest >= 0),
    PRIMARY KEY (side, account, variant)
) STRICT, WITHOUT ROWID;

CREATE TABLE compute_paid (
    job BLOB NOT NULL,
    stage INTEGER NOT NULL,
    item INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    PRIMARY KEY (job, stage, item, serial)
) STRICT, WITHOUT ROWID;
