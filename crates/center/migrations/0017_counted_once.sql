-- Step 17. A segment counts once for its bucket, however many versions name it: of a version there counts its manifest beside.

UPDATE version SET sealed_bytes = length(manifest);
UPDATE bucket SET sealed_bytes =
    (SELECT coalesce(sum(v.sealed_bytes), 0) FROM version v WHERE v.bucket = bucket.number AND v.kind <> 3)
    + (SELECT coalesce(sum(s.sealed_bytes), 0) FROM segment s WHERE s.bucket = bucket.number AND s.refs > 0);
