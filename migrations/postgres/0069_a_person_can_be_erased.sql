-- The erasure of one person: counted first, confirmed second, then done by a
-- job. The person's hash is blanked when it is done, or when it is given up.
CREATE TABLE erasures (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person       text        NOT NULL,
    reason       text        NOT NULL CHECK (char_length(reason) BETWEEN 3 AND 500),
    asked_by     bigint      NOT NULL,
    asker        text        NOT NULL,
    asked_at     timestamptz NOT NULL,
    counts       jsonb       NOT NULL, -- the dry run: name, found
    sessions     int         NOT NULL CHECK (sessions >= 0),
    state        text        NOT NULL DEFAULT 'counted' CHECK (state IN ('counted', 'confirmed', 'done', 'given_up')),
    confirmed_by text,
    confirmed_at timestamptz,
    done_at      timestamptz,
    CONSTRAINT erasures_forget_the_person CHECK ((person = '') = (state IN ('done', 'given_up'))),
    CONSTRAINT erasures_are_confirmed CHECK (state NOT IN ('confirmed', 'done') OR confirmed_at IS NOT NULL)
);
CREATE UNIQUE INDEX erasures_once ON erasures (person) WHERE person <> '';
REVOKE DELETE ON erasures FROM assay_app;
ALTER TABLE retention_proofs ADD FOREIGN KEY (erasure_id) REFERENCES erasures;
