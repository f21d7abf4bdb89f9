-- Step 23. The ledger: accounts, transfers in an order without gaps, holds, members' signatures, blocks, days, carries, prices.
-- A transfer's day is that of its time; an account's class is the first 8 bits of its number. INT is 32 bits on both engines.

CREATE TABLE ledger_account (
    no INTEGER PRIMARY KEY,
    class INTEGER NOT NULL CHECK (class = no / 72057594037927936),
    owner BLOB,
    state INTEGER NOT NULL,
    is_frozen INTEGER NOT NULL,
    limit_ucredit INTEGER NOT NULL CHECK (limit_ucredit >= 0),
    debits INTEGER NOT NULL CHECK (debits >= 0),
    credits INTEGER NOT NULL CHECK (credits >= 0),
    held_debit INTEGER NOT NULL CHECK (held_debit >= 0),
    held_credit INTEGER NOT NULL CHECK (held_credit >= 0),
    opened_at INTEGER NOT NULL,
    UNIQUE (class, owner),
    -- Escrow holds for others and has nothing itself, genesis has nothing at all, nobody else holds for others.
    CHECK (class <> 20 OR (debits = 0 AND credits = 0 AND held_debit = 0)),
    CHECK (class <> 90 OR (debits = 0 AND credits = 0 AND held_debit = 0)),
    CHECK (class = 20 OR held_credit = 0)
) STRICT;

CREATE TABLE ledger_limit_change (
    account INTEGER NOT NULL REFERENCES ledger_account (no),
    number INTEGER NOT NULL,
    old_ucredit INTEGER NOT NULL,
    new_ucredit INTEGER NOT NULL,
    reason TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_transfer (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    debit INTEGER NOT NULL,
    credit INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    made_at INTEGER NOT NULL CHECK (made_at >= 0),
    expires_at INTEGER,
    kind INT NOT NULL CHECK (kind >= 1 AND kind <= 5),
    code INT NOT NULL CHECK (code > 0),
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    hold BLOB CHECK (length(hold) = 16),
    reference BLOB CHECK (length(reference) = 16),
    CHECK (debit <> credit),
    CHECK ((hold IS NULL) = (kind < 3)),
    CHECK ((expires_at IS NULL) = (kind <> 2))
) STRICT;
CREATE INDEX ledger_transfer_debit ON ledger_transfer (debit, seq);
CREATE INDEX ledger_transfer_credit ON ledger_transfer (credit, seq);

-- What rows say of a hold, and whether a subject argues about it.
CREATE TABLE ledger_hold (
    id BLOB NOT NULL PRIMARY KEY,
    debit INTEGER NOT NULL,
    escrow INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    posted INTEGER NOT NULL CHECK (posted >= 0),
    voided INTEGER NOT NULL CHECK (voided >= 0),
    expired INTEGER NOT NULL CHECK (expired >= 0),
    remaining INTEGER NOT NULL CHECK (remaining >= 0),
    code INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    is_contested INTEGER NOT NULL,
    CHECK (posted + voided + expired + remaining = amount)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_hold_due ON ledger_hold (expires_at, id) WHERE remaining > 0 AND is_contested = 0;
CREATE INDEX ledger_hold_debit ON ledger_hold (debit, expires_at, id) WHERE remaining > 0;

CREATE TABLE ledger_intent (
    transfer BLOB NOT NULL PRIMARY KEY,
    key BLOB NOT NULL CHECK (length(key) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_block (
    no INTEGER PRIMARY KEY CHECK (no > 0),
    first_seq INTEGER NOT NULL UNIQUE CHECK (first_seq > 0),
    last_seq INTEGER NOT NULL CHECK (last_seq >= first_seq),
    rows_root BLOB NOT NULL CHECK (length(rows_root) = 32),
    prev BLOB NOT NULL CHECK (length(prev) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    made_at INTEGER NOT NULL
) STRICT;

-- Sums of 128 bits, little-endian.
CREATE TABLE ledger_day (
    day INTEGER PRIMARY KEY,
    root BLOB NOT NULL CHECK (length(root) = 32),
    rows_root BLOB NOT NULL CHECK (length(rows_root) = 32),
    accounts_root BLOB NOT NULL CHECK (length(accounts_root) = 32),
    debits BLOB NOT NULL CHECK (length(debits) = 16),
    credits BLOB NOT NULL CHECK (length(credits) = 16),
    row_count INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    CHECK (debits = credits)
) STRICT;

CREATE TABLE ledger_carry (
    account INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    version INTEGER NOT NULL,
    part INTEGER NOT NULL,
    carry INTEGER NOT NULL,
    PRIMARY KEY (account, resource, variant, version, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_book (
    version INTEGER PRIMARY KEY,
    valid_from INTEGER NOT NULL UNIQUE,
    published_at INTEGER NOT NULL,
    operator_bps INTEGER NOT NULL,
    insurance_bps INTEGER NOT NULL
) STRICT;

CREATE TABLE ledger_price (
    version INTEGER NOT NULL REFERENCES ledger_book (version),
    number INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    source INTEGER NOT NULL,
    provider INTEGER NOT NULL CHECK (provider >= 0),
    copies_ppm INTEGER NOT NULL,
    consumer INTEGER NOT NULL CHECK (consumer >= 0),
    provider_part INTEGER NOT NULL CHECK (provider_part >= 0),
    repair INTEGER NOT NULL CHECK (repair >= 0),
    operator INTEGER NOT NULL CHECK (operator >= 0),
    insurance INTEGER NOT NULL CHECK (insurance >= 0),
    per INTEGER NOT NULL CHECK (per > 0),
    PRIMARY KEY (version, number),
    UNIQUE (version, resource, variant),
    CHECK (consumer = provider_part + repair + operator + insurance)
) STRICT, WITHOUT ROWID;

-- One row: where the book stands, and why it takes nothing where an invariant did not hold.
CREATE TABLE ledger_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL CHECK (seq >= 0),
    made_at INTEGER NOT NULL,
    block INTEGER NOT NULL,
    hash BLOB,
    fault TEXT,
    checked_at INTEGER
) STRICT;
INSERT INTO ledger_head (one, seq, made_at, block) VALUES (1, 0, 0, 0);

--only sqlite
CREATE TRIGGER ledger_transfer_changed BEFORE UPDATE ON ledger_transfer
    BEGIN SELECT RAISE(ABORT, 'rows of the ledger are never changed'); END;
CREATE TRIGGER ledger_transfer_deleted BEFORE DELETE ON ledger_transfer
    BEGIN SELECT RAISE(ABORT, 'rows of the ledger are never changed'); END;
CREATE TRIGGER ledger_block_changed BEFORE UPDATE ON ledger_block
    BEGIN SELECT RAISE(ABORT, 'rows of the ledger are never changed'); END;
CREATE TRIGGER ledger_block_deleted BEFORE DELETE ON ledger_block
    BEGIN SELECT RAISE(ABORT, 'rows of the ledger are never changed'); END;
--only postgres
CREATE FUNCTION ledger_stays() RETURNS trigger LANGUAGE plpgsql
    AS $stays$ BEGIN RAISE EXCEPTION 'rows of the ledger are never changed'; END $stays$;
CREATE TRIGGER ledger_transfer_stays BEFORE UPDATE OR DELETE ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_stays();
CREATE TRIGGER ledger_transfer_emptied BEFORE TRUNCATE ON ledger_transfer EXECUTE FUNCTION ledger_stays();
CREATE TRIGGER ledger_block_stays BEFORE UPDATE OR DELETE ON ledger_block
    FOR EACH ROW EXECUTE FUNCTION ledger_stays();
CREATE TRIGGER ledger_block_emptied BEFORE TRUNCATE ON ledger_block EXECUTE FUNCTION ledger_stays();
