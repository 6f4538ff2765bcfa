-- Each label changes its item twice and its reservation once, and each change
-- that touches an indexed column is written to every index of the table. So
-- an index is there for a question that is asked, and a column that moves with
-- every label is in none it need not be in.

-- That an item has a label is no longer in an index: saying so moves none.
-- Some room on each page lets the row stay where it is.
DROP INDEX items_frame;
CREATE INDEX items_frame ON items (frame_day, queue_id, priority_class);
ALTER TABLE items SET (fillfactor = 85);

-- One response is in a queue once; by response first, that index also finds it.
ALTER TABLE items DROP CONSTRAINT items_queue_id_event_id_key;
ALTER TABLE items ADD CONSTRAINT items_one_per_response UNIQUE (event_id, queue_id);
DROP INDEX items_event;
DROP INDEX items_added;

-- Labels and consensus of a response are found by its item.
DROP INDEX labels_of_event;
DROP INDEX consensus_event;

-- A token is asked for with its item and its labeler, whose it is.
ALTER TABLE reservations DROP CONSTRAINT reservations_token_key;
ALTER TABLE reservations ADD CONSTRAINT reservations_token_once UNIQUE (item_id, labeler_id, token);
DROP INDEX reservations_of_item;

-- What is copied and forgotten need not hold its item.
ALTER TABLE label_outbox DROP CONSTRAINT label_outbox_item_id_fkey;

-- A reservation is in the queue of its item, which is more than in any queue,
-- and locks no row that all labelers of the queue share.
ALTER TABLE reservations DROP CONSTRAINT reservations_queue_id_fkey;
CREATE OR REPLACE FUNCTION reservations_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before int := 0;
    after  int := (NEW.state IN ('held', 'labeled'))::int;
    passed int := (NEW.state IN ('skipped', 'put_off'))::int;
BEGIN
    IF NEW.purpose <> 'count' THEN -- takes no place
        after := 0;
        passed := 0;
    ELSIF TG_OP = 'UPDATE' THEN
        before := (OLD.state IN ('held', 'labeled'))::int;
        passed := passed * (OLD.state <> NEW.state)::int;
    END IF;
    IF after <> before OR passed <> 0 THEN
        UPDATE items
        SET taken = taken + after - before,
            passed_over = passed_over + passed
        WHERE id = NEW.item_id AND queue_id = NEW.queue_id;
    ELSE
        PERFORM FROM items WHERE id = NEW.item_id AND queue_id = NEW.queue_id;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'item % is not in queue %', NEW.item_id, NEW.queue_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'reservations_in_the_queue_of_its_item';
    END IF;
    RETURN NULL;
END
$$;
