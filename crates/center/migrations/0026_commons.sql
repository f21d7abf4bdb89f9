-- Step 26. How members stand, worked out once a day from the rows of the book, what moved in a day, and the notices that were given.
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

-- Nodes that left with what they held (lost at 0), and those whose leave or silence was taken for a loss, until they are seen again.
CREATE TABLE ledger_lost (
    alias INTEGER PRIMARY KEY,
    lost_at INTEGER NOT NULL
) STRICT;
