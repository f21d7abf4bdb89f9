-- Step 29. Fuel of a job's items that was charged, and fuel of copies of their results that was paid for.

CREATE TABLE compute_copies (
    job BLOB NOT NULL PRIMARY KEY CHECK (length(job) = 16),
    charged INTEGER NOT NULL CHECK (charged >= 0),
    paid INTEGER NOT NULL CHECK (paid >= 0)
) STRICT, WITHOUT ROWID;
