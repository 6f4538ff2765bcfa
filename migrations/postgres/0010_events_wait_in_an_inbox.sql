-- What is acknowledged is here first. A row is one batch as it was taken:
-- redacted, one line of JSON per event, compressed. Drained rows stay in
-- their day until the day is dropped, so that ClickHouse can be rebuilt.
CREATE SEQUENCE inbox_ids;
CREATE TABLE inbox (
    day           date NOT NULL, -- UTC day of receipt
    id            bigint NOT NULL DEFAULT nextval('inbox_ids'),
    received_at   timestamptz NOT NULL,
    key_id        bigint NOT NULL, -- 0: the product itself
    events        int NOT NULL CHECK (events > 0),
    bytes         int NOT NULL CHECK (bytes > 0), -- of body
    size          int NOT NULL CHECK (size > 0),  -- of it unpacked
    body          bytea NOT NULL,
    -- The block a batch was claimed for. It keeps it until it is confirmed, so
    -- that a second write of the same block is recognised by ClickHouse.
    block         uuid,
    claimed_until timestamptz,
    drained_at    timestamptz,
    PRIMARY KEY (day, id),
    CHECK (block IS NOT NULL OR drained_at IS NULL)
) PARTITION BY RANGE (day);
ALTER TABLE inbox ALTER body SET STORAGE EXTERNAL; -- compressed already
CREATE INDEX inbox_waiting ON inbox (id) INCLUDE (bytes, events, size) WHERE drained_at IS NULL;

-- Every event id that was taken, by day of receipt: what makes "duplicate" an
-- exact count, whatever time the event claims to be from.
CREATE TABLE event_ids (
    day      date NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (event_id, day)
) PARTITION BY RANGE (day);

-- For each day that is over, which ids it cannot hold: a Bloom filter of them,
-- so that a new event is not looked up in every day there is.
CREATE TABLE event_id_filters (
    day  date PRIMARY KEY,
    ids  bigint NOT NULL CHECK (ids >= 0),
    bits bytea NOT NULL
);
ALTER TABLE event_id_filters ALTER bits SET STORAGE EXTERNAL; -- noise: nothing to compress

-- The program owns nothing, so the days are opened and dropped by these two.
-- A day is made apart and attached, which does not stop those who write.
CREATE FUNCTION open_inbox_day(d date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    child  text;
BEGIN
    -- First of all: a name looked up in vain before would be remembered as missing.
    PERFORM pg_advisory_xact_lock(hashtext('open_inbox_day'));
    FOREACH parent IN ARRAY ARRAY['event_ids', 'inbox'] LOOP
        child := parent || to_char(d, '_YYYYMMDD');
        IF to_regclass(child) IS NOT NULL THEN
            CONTINUE;
        END IF;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, d, d + 1);
    END LOOP;
END
$$;

-- Drops days before the given ones. A day with a batch that was not drained
-- stays, however old it is.
CREATE FUNCTION drop_inbox_days(inbox_before date, ids_before date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    part    record;
    waiting boolean;
    dropped int := 0;
BEGIN
    FOR part IN
        SELECT p.relname AS parent, c.relname AS child, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        JOIN pg_class p ON p.oid = i.inhparent
        WHERE p.oid IN ('inbox'::regclass, 'event_ids'::regclass)
        ORDER BY c.relname
    LOOP
        IF part.day >= (CASE part.parent WHEN 'inbox' THEN inbox_before ELSE ids_before END) THEN
            CONTINUE;
        END IF;
        IF part.parent = 'inbox' THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE drained_at IS NULL)', part.child) INTO waiting;
            IF waiting THEN
                CONTINUE;
            END IF;
        END IF;
        EXECUTE format('DROP TABLE %I', part.child);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION open_inbox_day(date), drop_inbox_days(date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_inbox_day(date), drop_inbox_days(date, date) TO assay_app;
