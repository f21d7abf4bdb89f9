-- Step 15. Nodes that leave and hand over what they hold first, and slots on their way to a successor.

CREATE TABLE node_drain (
    alias INTEGER NOT NULL PRIMARY KEY,
    to_alias INTEGER,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE slot_move (
    pg INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    from_alias INTEGER NOT NULL,
    to_alias INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    PRIMARY KEY (pg, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX slot_move_from ON slot_move (from_alias, pg, slot);
