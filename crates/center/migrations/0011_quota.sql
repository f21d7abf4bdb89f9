-- Step 11. Most sealed bytes a bucket may hold, all versions together; 0: no limit of its own.

ALTER TABLE bucket ADD COLUMN quota INTEGER NOT NULL DEFAULT 0;
