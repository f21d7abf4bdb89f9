-- Step 26. What settled transfers are made of, kept after what was due is gone; what of it was served by which machine or for which job;
-- blocks by their time; signatures of nodes under daily roots. Side 1: used, side 2: served. Kind 1: a machine, 2: a job, 3: an account.

CREATE TABLE settle_reading (
    period INTEGER NOT NULL,
    account INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    side INTEGER NOT NULL CHECK (side >= 1 AND side <= 2),
    variant INTEGER NOT NULL,
    version INTEGER NOT NULL,
    quality_bps INTEGER NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    PRIMARY KEY (period, account, resource, side, variant, version, quality_bps)
) STRICT, WITHOUT ROWID;
CREATE INDEX settle_reading_account ON settle_reading (account, period);

CREATE TABLE settle_part (
    period INTEGER NOT NULL,
    account INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    side INTEGER NOT NULL CHECK (side >= 1 AND side <= 2),
    kind INTEGER NOT NULL CHECK (kind >= 1 AND kind <= 3),
    of_id BLOB NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    PRIMARY KEY (period, account, resource, side, kind, of_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX settle_part_account ON settle_part (account, period);

CREATE INDEX ledger_block_made ON ledger_block (made_at, no);

CREATE TABLE ledger_cosign (
    day INTEGER NOT NULL,
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    word BLOB NOT NULL,
    PRIMARY KEY (day, owner)
) STRICT, WITHOUT ROWID;
