-- Step 16. A center that lost its database, or went back to an older one, is told again what nodes hold.

-- Places in groups that this cloud's center once gave, as vouchers of nodes say.
CREATE TABLE slot_claim (
    pg INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    alias INTEGER NOT NULL REFERENCES node (alias),
    vouched_at INTEGER NOT NULL,
    PRIMARY KEY (pg, slot, alias)
) STRICT, WITHOUT ROWID;

-- Nodes that hold pieces which show a locator, as they said.
CREATE TABLE located (
    locator BLOB NOT NULL,
    alias INTEGER NOT NULL REFERENCES node (alias),
    PRIMARY KEY (locator, alias)
) STRICT, WITHOUT ROWID;
