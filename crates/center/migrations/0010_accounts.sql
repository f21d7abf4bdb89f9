-- Step 10. Accounts as their devices know them: device logs, sealed keybags, wraps that a recovery phrase opens, grants.

CREATE TABLE account (
    id BLOB PRIMARY KEY,
    member BLOB NOT NULL UNIQUE REFERENCES member (id),
    keybag BLOB NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device_log (
    account BLOB NOT NULL REFERENCES account (id),
    seq INTEGER NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;

-- One wrap for each account: a new phrase takes the old one's place.
CREATE TABLE slot (
    locator BLOB PRIMARY KEY,
    account BLOB NOT NULL UNIQUE REFERENCES account (id),
    wrap BLOB NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a device may do, as its account's log says.
ALTER TABLE device ADD COLUMN rights INTEGER NOT NULL DEFAULT 31;

-- Grants as their givers noted them; a revoked id stands here even if nobody noted the grant.
CREATE TABLE grant_given (
    id BLOB PRIMARY KEY,
    member BLOB NOT NULL REFERENCES member (id),
    bucket BLOB NOT NULL,
    note BLOB NOT NULL,
    not_after INTEGER,
    given_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_member ON grant_given (member);
