-- Markdown that a model or a user wrote is drawn as what it means, or as it
-- was written: each person chooses how they read.

ALTER TABLE people ADD COLUMN as_written boolean NOT NULL DEFAULT false;
