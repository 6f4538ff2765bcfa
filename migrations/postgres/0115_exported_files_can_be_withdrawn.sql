-- A file whose text a person's erasure, or its time, has ended elsewhere is
-- taken back before its link ends.
ALTER TABLE exports
    DROP CONSTRAINT exports_state_check,
    ADD CONSTRAINT exports_state_check CHECK (state IN ('waiting', 'done', 'failed', 'expired', 'withdrawn'));
