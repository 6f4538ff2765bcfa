-- What a reservation and its label are for. Only 'count' takes a place of the
-- item and reaches a consensus; 'gold' is served unannounced, to see whether
-- the labeler is right.
ALTER TABLE reservations ADD COLUMN purpose text NOT NULL DEFAULT 'count' CHECK (purpose IN ('count', 'gold'));
ALTER TABLE labels ADD COLUMN purpose text NOT NULL DEFAULT 'count' CHECK (purpose IN ('count', 'gold'));
CREATE INDEX labels_gold ON labels (labeler_id, item_id) WHERE purpose = 'gold';

ALTER TABLE queues ADD COLUMN gold_share double precision NOT NULL DEFAULT 0.07 CHECK (gold_share BETWEEN 0 AND 0.5);

-- Items whose right label is known and explained. A retired one stays, with
-- what was answered to it.
CREATE TABLE gold (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id     bigint NOT NULL UNIQUE REFERENCES items,
    queue_id    bigint NOT NULL REFERENCES queues,
    label       text NOT NULL CHECK (label IN ('correct', 'partially_correct', 'hallucinated')),
    -- How its label is known: all its labelers said so, or a reviewer decided.
    basis       text NOT NULL CHECK (basis IN ('unanimous', 'adjudicated')),
    why         text NOT NULL CHECK (why <> ''), -- what labelers read when their day is over
    added_by    text NOT NULL,
    added_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    servings    int NOT NULL DEFAULT 0 CHECK (servings >= 0),
    retired_at  timestamptz,
    retired_why text NOT NULL DEFAULT '',
    CHECK ((retired_at IS NULL) = (retired_why = ''))
);
CREATE INDEX gold_in_use ON gold (queue_id, servings) WHERE retired_at IS NULL;
REVOKE DELETE ON gold FROM assay_app;

-- A gold serving takes no place of the item and passes nothing over.
CREATE OR REPLACE FUNCTION reservations_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before int := 0;
    after  int := (NEW.state IN ('held', 'labeled'))::int;
    passed int := (NEW.state IN ('skipped', 'put_off'))::int;
BEGIN
    IF NEW.purpose <> 'count' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        before := (OLD.state IN ('held', 'labeled'))::int;
        passed := passed * (OLD.state <> NEW.state)::int;
    END IF;
    IF after <> before OR passed <> 0 THEN
        UPDATE items
        SET taken = taken + after - before,
            passed_over = passed_over + passed
        WHERE id = NEW.item_id;
    END IF;
    RETURN NULL;
END
$$;
