-- Step 4. τ as learned from a node's own absences, in hours.

ALTER TABLE node ADD COLUMN missing_after_h INTEGER NOT NULL DEFAULT 72;
