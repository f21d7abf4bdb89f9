-- Step 13. Groups that were given slots in place of missing ones: a row until all of their segments from next_seq on are known as
-- lacking a piece.

CREATE TABLE pg_mend (
    pg INTEGER NOT NULL PRIMARY KEY,
    next_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
