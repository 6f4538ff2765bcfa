-- A schema with its rows, or a workbook, that responses name instead of carrying
-- it. A change is a new version; a verdict's input hash holds the version's own,
-- so that a version in use is never written again.
CREATE TABLE fixtures (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    version  int NOT NULL CHECK (version > 0),
    kind     text NOT NULL CHECK (kind IN ('tables', 'workbook')),
    dialect  text NOT NULL DEFAULT '', -- of a script; '' runs in any
    format   text NOT NULL CHECK (format IN ('sql', 'sqlite', 'csv', 'zip', 'xlsx')), -- of the file it came as
    content  text NOT NULL, -- statements that make and fill the tables, or the cells as JSON
    hash     text NOT NULL CHECK (hash ~ '^sha256:[0-9a-f]{64}$'), -- of the content
    outline  jsonb NOT NULL, -- tables with their columns, or sheets, for people
    bytes    int NOT NULL, -- of the file
    about    text NOT NULL DEFAULT '',
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (name, version)
);
REVOKE UPDATE, DELETE ON fixtures FROM assay_app;
