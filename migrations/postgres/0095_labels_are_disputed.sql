-- A reader's objection to one label. It changes nothing until a reviewer, who
-- gave neither the label nor the objection, has decided.
CREATE TABLE disputes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label_id    bigint NOT NULL REFERENCES labels,
    item_id     bigint NOT NULL REFERENCES items,
    person_id   bigint NOT NULL REFERENCES people,
    opened_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at  timestamptz,
    decided_by  bigint REFERENCES people,
    outcome     text CHECK (outcome IN ('stands', 'changed')),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL) AND (decided_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT disputes_not_decided_by_who_opened CHECK (decided_by <> person_id)
);
CREATE UNIQUE INDEX disputes_once_open ON disputes (label_id) WHERE decided_at IS NULL;
CREATE INDEX disputes_of_item ON disputes (item_id);
REVOKE DELETE ON disputes FROM assay_app;

-- What people wrote; erasure may empty it.
CREATE TABLE dispute_texts (
    dispute_id bigint PRIMARY KEY REFERENCES disputes,
    objection  text NOT NULL DEFAULT '',
    decision   text NOT NULL DEFAULT ''
);
