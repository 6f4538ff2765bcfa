-- What is written at once lies in one file and not in one for each column and
-- substream: a block of some ten thousand events costs the writer half as much.
-- Merged parts, which are larger, keep a file for each.
ALTER TABLE events MODIFY SETTING min_bytes_for_wide_part = 134217728;
