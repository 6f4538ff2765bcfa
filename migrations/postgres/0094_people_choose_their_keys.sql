-- What one person rebound: the act to its key, {"skip": "w"}. Acts that are not
-- named keep their own key.
ALTER TABLE people ADD COLUMN keys jsonb NOT NULL DEFAULT '{}'
    CHECK (jsonb_typeof(keys) = 'object' AND pg_column_size(keys) < 8192);
