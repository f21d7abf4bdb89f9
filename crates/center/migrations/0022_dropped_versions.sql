-- A version that is its name's newest again is looked up by its place.
CREATE INDEX version_old_place ON version_old (bucket, bucket_seq);
