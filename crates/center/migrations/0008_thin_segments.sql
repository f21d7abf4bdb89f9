-- Step 8. Segments that lack pieces: a row while stewards may have to fill them, none afterwards.

CREATE TABLE segment_thin (
    pg INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (pg, seq)
) STRICT, WITHOUT ROWID;
