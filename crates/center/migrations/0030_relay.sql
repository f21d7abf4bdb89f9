-- Step 30. What sessions signed for at the center's relay: the newest receipt of each serial and window, and how far windows are.
-- A window's step 1: it takes receipts, 2: it takes no more, and what it has is handed in, 3: over. Batch: its number where it counts.

CREATE TABLE relay_receipt (
    window_no INTEGER NOT NULL,
    serial BLOB NOT NULL CHECK (length(serial) = 16),
    units INTEGER NOT NULL CHECK (units > 0),
    permit BLOB NOT NULL,
    receipt BLOB NOT NULL,
    PRIMARY KEY (window_no, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE relay_window (
    window_no INTEGER PRIMARY KEY,
    step INTEGER NOT NULL CHECK (step >= 1 AND step <= 3),
    batch INTEGER,
    refused TEXT
) STRICT;
CREATE INDEX relay_window_open ON relay_window (window_no) WHERE step < 3;
