-- Whoever may not label any more gives back what they hold at that moment, and
-- what was given to them alone is anybody's again. However it came: a page, a
-- command, a statement.
CREATE INDEX items_assigned ON items (assigned_to) WHERE assigned_to IS NOT NULL;

CREATE FUNCTION labeler_leaves(labeler bigint, why text) RETURNS void LANGUAGE sql AS $$
    UPDATE reservations SET state = 'released', reason = why, ended_at = clock_timestamp()
    WHERE labeler_id = labeler AND state = 'held';
    UPDATE items SET assigned_to = NULL WHERE assigned_to = labeler;
$$;

CREATE FUNCTION people_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM labeler_leaves(id, 'account disabled') FROM labelers WHERE person_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER people_leave AFTER UPDATE OF disabled_at ON people
    FOR EACH ROW
    WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL)
    EXECUTE FUNCTION people_leave();

-- Looked at when the change is whole: a labeler who becomes a reviewer goes on.
CREATE FUNCTION person_roles_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM person_roles WHERE person_id = OLD.person_id AND role IN ('labeler', 'reviewer')) THEN
        PERFORM labeler_leaves(id, 'role ended') FROM labelers WHERE person_id = OLD.person_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER person_roles_leave AFTER DELETE ON person_roles
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (OLD.role IN ('labeler', 'reviewer'))
    EXECUTE FUNCTION person_roles_leave();

CREATE FUNCTION keys_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM labeler_leaves(id, 'key revoked') FROM labelers WHERE key_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER keys_leave AFTER UPDATE OF revoked_at ON keys
    FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION keys_leave();
