-- Whose hold a reservation is, and of what, is said once. A place of an item is
-- counted when a reservation is made or ends: moved to another item, to another
-- labeler or out of the count, it would be a place more than the item has.
CREATE FUNCTION reservations_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'reservation % stays with its item, its labeler, its token and its purpose', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'reservations_stay';
END
$$;
CREATE TRIGGER reservations_stay BEFORE UPDATE OF item_id, queue_id, labeler_id, token, purpose ON reservations
    FOR EACH ROW
    WHEN (ROW(OLD.item_id, OLD.queue_id, OLD.labeler_id, OLD.token, OLD.purpose)
          IS DISTINCT FROM ROW(NEW.item_id, NEW.queue_id, NEW.labeler_id, NEW.token, NEW.purpose))
    EXECUTE FUNCTION reservations_stay();

-- A place is given back by the reservation that had it, and in no other way.
CREATE FUNCTION items_places_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'item % has % places taken: the end of a reservation gives one back', OLD.id, OLD.taken
        USING ERRCODE = 'check_violation', CONSTRAINT = 'items_places_stay';
END
$$;
CREATE TRIGGER items_places_stay BEFORE UPDATE OF taken ON items
    FOR EACH ROW
    WHEN (NEW.taken < OLD.taken AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION items_places_stay();
