-- What people decided about a labeler. Signals propose, a person decides;
-- nothing here deletes a label. The newest row is what stands.
CREATE TABLE standing_decisions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    labeler_id bigint NOT NULL REFERENCES labelers,
    decision   text NOT NULL CHECK (decision IN ('suspend', 'keep', 'reinstate')),
    reason     text NOT NULL CHECK (reason <> ''),
    evidence   jsonb NOT NULL DEFAULT '{}', -- the signals that stood when it was decided
    gold       int NOT NULL DEFAULT 0, -- gold answers by then: a proposal comes back with new ones
    decided_by bigint NOT NULL, -- the person
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX standing_decisions_of ON standing_decisions (labeler_id, id DESC);
REVOKE UPDATE, DELETE ON standing_decisions FROM assay_app;

ALTER TABLE labelers
    ADD COLUMN suspended_at timestamptz, -- nothing more is served
    ADD COLUMN doubted boolean NOT NULL DEFAULT false; -- on probation: all they label is read again
