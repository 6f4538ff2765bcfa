CREATE TABLE reservations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token       uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), -- a label must carry it
    item_id     bigint NOT NULL REFERENCES items,
    queue_id    bigint NOT NULL REFERENCES queues,
    labeler_id  bigint NOT NULL REFERENCES labelers,
    number      int NOT NULL DEFAULT 1, -- the how-manieth item of the queue this is for the labeler
    state       text NOT NULL DEFAULT 'held'
                CHECK (state IN ('held', 'labeled', 'skipped', 'put_off', 'released', 'expired')),
    reserved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL,
    opened_at   timestamptz, -- first shown; a page fetched ahead is not open yet
    ended_at    timestamptz,
    reason      text NOT NULL DEFAULT '', -- why it was skipped, in codes
    CHECK ((state = 'held') = (ended_at IS NULL))
);
-- Never the same labeler twice, also from two tabs at the same moment.
CREATE UNIQUE INDEX reservations_one_per_labeler ON reservations (item_id, labeler_id)
    WHERE state IN ('held', 'labeled');
CREATE INDEX reservations_of_item ON reservations (item_id, labeler_id, state);
CREATE INDEX reservations_of_labeler ON reservations (labeler_id, queue_id, id);
CREATE INDEX reservations_numbered ON reservations (labeler_id, queue_id, number);
CREATE INDEX reservations_held ON reservations (lease_until) WHERE state = 'held';
CREATE INDEX reservations_held_in_queue ON reservations (queue_id, lease_until) WHERE state = 'held';

-- Keeps items.taken and items.passed_over. With the check on items this is
-- what refuses labeler N+1, in whatever way a reservation is made.
CREATE FUNCTION reservations_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before int := 0;
    after  int := (NEW.state IN ('held', 'labeled'))::int;
    passed int := (NEW.state IN ('skipped', 'put_off'))::int;
BEGIN
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
CREATE TRIGGER reservations_count AFTER INSERT OR UPDATE OF state ON reservations
    FOR EACH ROW EXECUTE FUNCTION reservations_count();

-- A place in the queue is kept by a row that stays: the history is the proof.
REVOKE DELETE ON reservations FROM assay_app;

-- What was being written, by labeler and item. Never lost with a lease.
CREATE TABLE drafts (
    labeler_id bigint NOT NULL REFERENCES labelers,
    item_id    bigint NOT NULL REFERENCES items,
    body       jsonb NOT NULL,
    page       text NOT NULL DEFAULT '', -- which tab wrote it last
    refused    text NOT NULL DEFAULT '', -- why a submit did not count, in words
    saved_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (labeler_id, item_id)
);
