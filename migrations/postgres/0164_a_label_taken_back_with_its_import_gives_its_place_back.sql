-- An imported label takes a place of its item without a reservation. When it is
-- taken back, by its import or by the file it came in, the place is free again.
CREATE FUNCTION labels_give_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE items SET taken = taken - 1
    WHERE id = NEW.item_id
      AND EXISTS (SELECT FROM labels l
                  WHERE l.item_id = NEW.item_id AND l.labeler_id = NEW.labeler_id AND l.revision = NEW.revision - 1 AND l.label IS NOT NULL);
    RETURN NULL;
END
$$;
CREATE TRIGGER labels_give_back AFTER INSERT ON labels
    FOR EACH ROW WHEN (NEW.source = 'import' AND NEW.label IS NULL)
    EXECUTE FUNCTION labels_give_back();
