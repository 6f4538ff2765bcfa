-- Comparing two model versions: pairs of responses to the same question, shown
-- to labelers side by side without saying which is whose.
CREATE TABLE comparisons (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9_-]{0,79}$'),
    title      text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    task_class text NOT NULL,
    first      text NOT NULL, -- model version
    second     text NOT NULL, -- model version
    wanted     smallint NOT NULL DEFAULT 1 CHECK (wanted BETWEEN 1 AND 9),
    lease      interval NOT NULL DEFAULT '15 minutes' CHECK (lease > '0'),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (first <> second)
);

-- The texts stay with the items, where erasure finds them.
CREATE TABLE pairs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    comparison_id bigint NOT NULL REFERENCES comparisons,
    first_item    bigint NOT NULL REFERENCES items,
    second_item   bigint NOT NULL REFERENCES items,
    u             double precision NOT NULL DEFAULT random(), -- the order in which they are served
    UNIQUE (comparison_id, first_item, second_item)
);
CREATE INDEX pairs_served ON pairs (comparison_id, u);
REVOKE UPDATE, DELETE ON pairs FROM assay_app;

-- A labeler's time-limited hold on a pair. Which response stands left is drawn
-- once for each labeler and pair.
CREATE TABLE pair_holds (
    pair_id     bigint NOT NULL REFERENCES pairs,
    labeler_id  bigint NOT NULL REFERENCES labelers,
    token       uuid NOT NULL DEFAULT gen_random_uuid(),
    flipped     boolean NOT NULL, -- the second version's response stands left
    held_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL,
    PRIMARY KEY (pair_id, labeler_id)
);

-- What a labeler preferred, one row per revision; NULL takes it back.
CREATE TABLE preferences (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pair_id         bigint NOT NULL REFERENCES pairs,
    labeler_id      bigint NOT NULL REFERENCES labelers,
    revision        int NOT NULL CHECK (revision > 0),
    side            text CHECK (side IN ('a', 'b', 'equal')), -- a stood left
    flipped         boolean NOT NULL,
    -- the same as the version that won, so that no reader has to turn it
    preferred       text GENERATED ALWAYS AS (CASE WHEN side IS NULL OR side = 'equal' THEN side
                                                   WHEN (side = 'a') <> flipped THEN 'first' ELSE 'second' END) STORED,
    idempotency_key text NOT NULL CHECK (idempotency_key <> ''),
    elapsed_ms      bigint CHECK (elapsed_ms >= 0),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (pair_id, labeler_id, revision),
    UNIQUE (labeler_id, idempotency_key)
);
REVOKE UPDATE, DELETE ON preferences FROM assay_app;
