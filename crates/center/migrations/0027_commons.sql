-- Step 27. How members stand, worked out once a day from the rows of the book, what moved in a day, and the notices that were given.
-- A day bears its number as this center counts days. Seq: rows up to it are counted. Times served and proven are of days of 24 hours.

CREATE TABLE ledger_standing (
    account INTEGER PRIMARY KEY REFERENCES ledger_account (no),
    day INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    mean INTEGER NOT NULL CHECK (mean >= 0),
    daily_use INTEGER NOT NULL CHECK (daily_use >= 0),
    served_ms INTEGER NOT NULL CHECK (served_ms >= 0),
    proven_ms INTEGER NOT NULL CHECK (proven_ms >= 0),
    audits_bps INTEGER NOT NULL,
    since INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    notices INTEGER NOT NULL,
    noticed_at INTEGER,
    written_off INTEGER NOT NULL CHECK (written_off >= 0)
) STRICT;

CREATE TABLE ledger_moved (
    day INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    volume INTEGER NOT NULL CHECK (volume >= 0),
    bad_debt INTEGER NOT NULL CHECK (bad_debt >= 0),
    repair_in INTEGER NOT NULL CHECK (repair_in >= 0),
    repair_out INTEGER NOT NULL CHECK (repair_out >= 0)
) STRICT;

-- A day of the commons. Step 1: nodes are counted, 2: owners weighed, 3: idle credits looked at, 4: all is there to be shared, 5: it is
-- given out, 6: over. After: the last block of nodes or account of a step. What a day gives out is fixed as its first credits move.
CREATE TABLE commons_day (
    day INTEGER PRIMARY KEY,
    step INTEGER NOT NULL CHECK (step >= 1 AND step <= 6),
    after INTEGER NOT NULL,
    owners INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    free_mb INTEGER NOT NULL,
    held_mb INTEGER NOT NULL,
    stipend INTEGER NOT NULL,
    standby INTEGER NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;

-- Owners whose nodes were on for at least half of the day. Good: what they lend × quality.
CREATE TABLE commons_due (
    day INTEGER NOT NULL,
    account INTEGER NOT NULL,
    net TEXT,
    has_stipend INTEGER NOT NULL,
    lent_mb INTEGER NOT NULL CHECK (lent_mb >= 0),
    good_mb INTEGER NOT NULL CHECK (good_mb >= 0),
    weight INTEGER NOT NULL CHECK (weight >= 0),
    PRIMARY KEY (day, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX commons_due_net ON commons_due (day, net, account) WHERE net IS NOT NULL;

-- Parts of a µcredit of demurrage, and notices that an account will be dormant.
CREATE TABLE commons_idle (
    account INTEGER PRIMARY KEY,
    carry INTEGER NOT NULL CHECK (carry >= 0),
    notices INTEGER NOT NULL
) STRICT;

-- What an owner's nodes held for others on average in the last settled period of storage.
CREATE TABLE ledger_held (
    account INTEGER PRIMARY KEY,
    period INTEGER NOT NULL,
    held_mb INTEGER NOT NULL CHECK (held_mb >= 0)
) STRICT;

-- Nodes that left with what they held (lost at 0), and those whose leave or silence was taken for a loss, until they are seen again.
CREATE TABLE ledger_lost (
    alias INTEGER PRIMARY KEY,
    lost_at INTEGER NOT NULL
) STRICT;
