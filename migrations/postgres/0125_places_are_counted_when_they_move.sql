-- A held reservation that is labeled keeps its place: the item need not be
-- counted again. Only what takes a place, gives one back or passes over does.
DROP TRIGGER reservations_count ON reservations;
CREATE TRIGGER reservations_count AFTER INSERT ON reservations
    FOR EACH ROW EXECUTE FUNCTION reservations_count();
CREATE TRIGGER reservations_recount AFTER UPDATE OF state ON reservations
    FOR EACH ROW
    WHEN ((OLD.state IN ('held', 'labeled')) <> (NEW.state IN ('held', 'labeled'))
          OR OLD.state <> NEW.state AND NEW.state IN ('skipped', 'put_off'))
    EXECUTE FUNCTION reservations_count();
