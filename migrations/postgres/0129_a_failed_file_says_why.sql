-- Freezing a version or writing a file may fail for good: then the page says
-- why, and a person may have it tried again.
ALTER TABLE dataset_versions ADD COLUMN failed_why text NOT NULL DEFAULT '';
ALTER TABLE exports ADD COLUMN failed_why text NOT NULL DEFAULT '';
