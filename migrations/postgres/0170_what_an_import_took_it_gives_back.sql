-- A label made elsewhere takes a place without a reservation, and gives it back
-- when its import is withdrawn. What reservations hold stays theirs.
CREATE OR REPLACE FUNCTION items_places_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.taken < (SELECT count(*) FROM reservations
                    WHERE item_id = NEW.id AND purpose = 'count' AND state IN ('held', 'labeled')) THEN
        RAISE EXCEPTION 'item % has % places taken: the end of a reservation gives one back', OLD.id, OLD.taken
            USING ERRCODE = 'check_violation', CONSTRAINT = 'items_places_stay';
    END IF;
    RETURN NEW;
END
$$;
