-- Step 7. A segment is found by the first eight bytes of its id: a third of the index before.

DROP INDEX segment_id;
CREATE INDEX segment_head ON segment (substr(id, 1, 8));
