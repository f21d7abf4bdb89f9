-- Step 28. Gifts are found by their time alone: rows of one block share it, and one entry names them all where an engine can.

DROP INDEX ledger_transfer_gift;
CREATE INDEX ledger_transfer_gift ON ledger_transfer (made_at) WHERE code = 400;
