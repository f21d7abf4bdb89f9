-- Step 18. Indexes that are given again: a row until every segment from next_seq on says that nobody holds a piece under the
-- index; then the slot is the new holder's. And the share of its known hours in which a node had been away for a day.

CREATE TABLE slot_regive (
    pg INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    from_alias INTEGER NOT NULL,
    to_alias INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    PRIMARY KEY (pg, slot)
) STRICT, WITHOUT ROWID;

ALTER TABLE node ADD COLUMN day_away_ppm INTEGER NOT NULL DEFAULT 0;
