-- Step 19. How far nodes are vetted, what strangers' fill tests have stored, and audits that were passed whole.

CREATE TABLE node_vetting (
    alias INTEGER NOT NULL PRIMARY KEY,
    ranked_at INTEGER NOT NULL,
    back_at INTEGER,
    passed_from INTEGER NOT NULL,
    fill_wanted INTEGER NOT NULL,
    fill_sent INTEGER NOT NULL,
    fill_whole_at INTEGER,
    fill_passed_from INTEGER NOT NULL,
    fill_tries INTEGER NOT NULL,
    fill_rests_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fill_piece (
    alias INTEGER NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (alias, number)
) STRICT, WITHOUT ROWID;

ALTER TABLE node_audit ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;
UPDATE node_audit SET passed = proved / 16;
