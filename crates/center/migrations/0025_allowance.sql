-- Step 25. What covers permits before they are signed, by account, resource and day (UTC): what its holds come to and what was given
-- out of them, the holds, and what may be owed beyond the limit because it was read as a rescue.

CREATE TABLE allowance_day (
    account INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    day INTEGER NOT NULL,
    held INTEGER NOT NULL CHECK (held >= 0),
    given INTEGER NOT NULL CHECK (given >= 0 AND given <= held),
    PRIMARY KEY (account, resource, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX allowance_day_day ON allowance_day (day);

CREATE TABLE allowance_hold (
    account INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hold BLOB NOT NULL CHECK (length(hold) = 16),
    PRIMARY KEY (account, resource, day, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX allowance_hold_day ON allowance_hold (day);

CREATE TABLE allowance_owed (
    account INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    day INTEGER NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    given INTEGER NOT NULL CHECK (given >= 0),
    charged INTEGER NOT NULL CHECK (charged >= 0),
    PRIMARY KEY (account, resource, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX allowance_owed_day ON allowance_owed (day);

-- What a job may cost at most, as fuel of accepted outputs (0: no limit) and as credits, and what is set aside for it.
ALTER TABLE job ADD COLUMN budget INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN max_ucredit INTEGER NOT NULL DEFAULT 0;
CREATE TABLE job_hold (
    job BLOB NOT NULL,
    number INTEGER NOT NULL,
    account INTEGER NOT NULL,
    hold BLOB NOT NULL CHECK (length(hold) = 16),
    is_over INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_hold_account ON job_hold (account) WHERE is_over = 0;
CREATE INDEX job_hold_open ON job_hold (job, number) WHERE is_over = 0;

-- What was given away, for who must not look poor by it.
CREATE INDEX ledger_transfer_gift ON ledger_transfer (made_at, debit) WHERE code = 400;
