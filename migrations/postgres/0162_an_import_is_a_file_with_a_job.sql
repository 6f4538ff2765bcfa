-- A file of labels made elsewhere. A first job reads it and says what would
-- become of it; when a person has agreed, a second one takes it up block by
-- block, and done says how far: it moves in the transaction that writes the
-- labels, so that a job which is killed goes on where it was.
CREATE TABLE imports (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    format       text NOT NULL DEFAULT '' CHECK (format IN ('', 'jsonl', 'csv', 'label-studio', 'argilla')),
    state        text NOT NULL DEFAULT 'receiving'
                 CHECK (state IN ('receiving', 'checking', 'ready', 'importing', 'done', 'failed', 'cancelled', 'withdrawing', 'withdrawn')),
    meanings     jsonb NOT NULL DEFAULT '[]', -- what a person said a field of the file means
    found        jsonb,                       -- what the check found
    bytes        bigint NOT NULL DEFAULT 0,
    sha256       bytea CHECK (length(sha256) = 32),
    parts        int NOT NULL DEFAULT 0,
    total        bigint NOT NULL DEFAULT 0, -- bytes while it is checked, then labels
    done         bigint NOT NULL DEFAULT 0, -- of them taken up
    imported     bigint NOT NULL DEFAULT 0,
    duplicate    bigint NOT NULL DEFAULT 0,
    unlabeled    bigint NOT NULL DEFAULT 0,
    refused      bigint NOT NULL DEFAULT 0,
    withdrawn    bigint NOT NULL DEFAULT 0, -- labels taken back
    kept         bigint NOT NULL DEFAULT 0, -- labels that a reviewer had decided over
    requested_by text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    failed_why   text NOT NULL DEFAULT ''
);
CREATE INDEX imports_under_way ON imports (created_at) WHERE state IN ('receiving', 'ready', 'failed', 'cancelled');
REVOKE DELETE ON imports FROM assay_app;

-- The bytes of the file in order, until it is taken up.
CREATE TABLE import_parts (
    import_id bigint NOT NULL REFERENCES imports,
    part      int NOT NULL CHECK (part >= 0),
    body      bytea NOT NULL,
    PRIMARY KEY (import_id, part)
);
REVOKE UPDATE ON import_parts FROM assay_app;

-- What was not taken, by its place in the file, and why. Nothing of what the
-- line said is in it.
CREATE TABLE import_outcomes (
    import_id bigint NOT NULL REFERENCES imports,
    place     bigint NOT NULL, -- the label's number in the file
    line      bigint NOT NULL, -- the line, or the element of a list
    outcome   text NOT NULL CHECK (outcome IN ('refused', 'duplicate', 'unlabeled')),
    why       text NOT NULL DEFAULT '',
    PRIMARY KEY (import_id, place)
);
REVOKE UPDATE ON import_outcomes FROM assay_app;

-- Which import a label came with, so that all of them can be taken back.
ALTER TABLE labels ADD COLUMN import_id bigint REFERENCES imports;
CREATE INDEX labels_of_import ON labels (import_id, id) WHERE import_id IS NOT NULL;
