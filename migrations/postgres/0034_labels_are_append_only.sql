-- One person's verdict, one row per revision. Codes only; what people wrote
-- lies in label_texts, which erasure may empty.
CREATE TABLE labels (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id         bigint NOT NULL REFERENCES items,
    queue_id        bigint NOT NULL REFERENCES queues,
    event_id        uuid NOT NULL,
    labeler_id      bigint NOT NULL REFERENCES labelers,
    revision        int NOT NULL CHECK (revision > 0),
    -- NULL takes the label before it back (undo).
    label           text CHECK (label IN ('correct', 'partially_correct', 'hallucinated', 'cannot_tell')),
    reasons         text[] NOT NULL DEFAULT '{}',
    spans           jsonb NOT NULL DEFAULT '[]', -- offsets into the response, in code points
    confidence      text CHECK (confidence IN ('low', 'medium', 'high')),
    guide_id        bigint REFERENCES guides,
    reservation_id  bigint REFERENCES reservations,
    source          text NOT NULL CHECK (source IN ('person', 'import')),
    provenance      jsonb NOT NULL DEFAULT '{}', -- why flagged, stratum, u, design, rule, component, verdicts seen
    idempotency_key text NOT NULL CHECK (idempotency_key <> ''),
    elapsed_ms      bigint CHECK (elapsed_ms >= 0),
    labeled_at      timestamptz NOT NULL DEFAULT clock_timestamp(), -- for imports: when it was given elsewhere
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((source = 'person') = (reservation_id IS NOT NULL)),
    UNIQUE (item_id, labeler_id, revision),
    UNIQUE (labeler_id, idempotency_key)
);
CREATE INDEX labels_of_labeler ON labels (labeler_id, id);
CREATE INDEX labels_of_event ON labels (event_id);
REVOKE UPDATE, DELETE ON labels FROM assay_app;

CREATE TABLE label_texts (
    label_id   bigint PRIMARY KEY REFERENCES labels,
    correction text NOT NULL DEFAULT '',
    note       text NOT NULL DEFAULT ''
);

-- A reviewer's decision where labelers differed: beside the labels, not over them.
CREATE TABLE adjudications (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id     bigint NOT NULL REFERENCES items,
    revision    int NOT NULL CHECK (revision > 0),
    reviewer_id bigint NOT NULL REFERENCES labelers,
    label       text NOT NULL CHECK (label IN ('correct', 'partially_correct', 'hallucinated', 'cannot_tell')),
    -- the label ids that were decided between
    label_ids   bigint[] NOT NULL,
    guide_id    bigint REFERENCES guides,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (item_id, revision)
);
REVOKE UPDATE, DELETE ON adjudications FROM assay_app;

CREATE TABLE adjudication_texts (
    adjudication_id bigint PRIMARY KEY REFERENCES adjudications,
    reason          text NOT NULL
);

-- The label of an item after all its labelers, at their latest revisions.
CREATE TABLE consensus (
    item_id       bigint PRIMARY KEY REFERENCES items,
    event_id      uuid NOT NULL,
    label         text CHECK (label IN ('correct', 'partially_correct', 'hallucinated', 'cannot_tell')),
    method        text NOT NULL CHECK (method IN ('single', 'agreed', 'majority', 'split', 'adjudicated', 'withdrawn')),
    -- What the first labeler says now: the first phase of sampling, which
    -- second readings correct with their own probability but never replace.
    first_reading text,
    readings      smallint NOT NULL, -- labelers whose latest revision stands
    revision      int NOT NULL CHECK (revision > 0),
    -- The first consensus and when; monotone counters count this one.
    first_label   text,
    first_at      timestamptz,
    decided_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX consensus_event ON consensus (event_id);

-- Items whose consensus changed and has not reached the telemetry store yet.
-- The id is the version there, so that a repeat or a late copy changes nothing.
CREATE TABLE label_outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id    bigint NOT NULL REFERENCES items,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
