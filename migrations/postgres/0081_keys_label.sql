-- A program may label under a key of its own. It is one labeler, named after
-- its key wherever a person's name would stand, and judged like any other.
ALTER TABLE labelers
    ADD COLUMN key_id bigint UNIQUE,
    DROP CONSTRAINT labelers_check,
    ADD CONSTRAINT labelers_are_one CHECK (num_nonnulls(person_id, import_name, key_id) = 1);
ALTER TABLE keys
    DROP CONSTRAINT keys_scopes_check,
    ADD CONSTRAINT keys_scopes_known CHECK (cardinality(scopes) > 0
        AND scopes <@ ARRAY['ingest', 'read', 'label', 'labeler', 'validate', 'handoff', 'check']);
