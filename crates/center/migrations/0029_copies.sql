-- Step 29. Fuel of a job's items that was charged, and fuel of copies of their results that was paid for.

CREATE TABLE compute_copies (
    job BLOB NOT NULL PRIMARY KEY CHECK (length(job) = 16),
    charged INTEGER NOT NULL CHECK (charged >= 0),
    paid INTEGER NOT NULL CHECK (paid >= 0)
) STRICT, WITHOUT ROWID;

-- Fuel of accepted copies that their workers' owners were not paid for yet.
CREATE TABLE compute_claim (
    job BLOB NOT NULL CHECK (length(job) = 16),
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    fuel INTEGER NOT NULL CHECK (fuel > 0),
    PRIMARY KEY (job, owner)
) STRICT, WITHOUT ROWID;
