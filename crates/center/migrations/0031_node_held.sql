-- Step 31. What each node held when its pieces were counted last while it was there, and the most it held of late: by that free space is
-- proved, and what went away with a node is weighed. Taken: repair gave a place of it to another while it was away. Of an owner of a day
-- of the commons: what is free of what is proved, what its nodes hold, and the first × quality.

CREATE TABLE ledger_node (
    alias INTEGER PRIMARY KEY,
    held_mb INTEGER NOT NULL CHECK (held_mb >= 0),
    most_mb INTEGER NOT NULL CHECK (most_mb >= 0),
    most_at INTEGER NOT NULL,
    is_taken INTEGER NOT NULL DEFAULT 0
) STRICT;

ALTER TABLE commons_due RENAME COLUMN lent_mb TO free_mb;
ALTER TABLE commons_due RENAME COLUMN good_mb TO held_mb;
