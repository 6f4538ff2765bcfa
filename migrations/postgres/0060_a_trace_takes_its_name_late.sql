-- A trace may be named after its first spans came, and what was said in it may
-- come apart from its spans, as log records. Both are put right when it is
-- known: late says that the trace's own id is an old name of its session,
-- speaks that records hold text of its spans.
ALTER TABLE trace_threads
    ADD COLUMN late boolean NOT NULL DEFAULT false,
    ADD COLUMN speaks boolean NOT NULL DEFAULT false;
CREATE INDEX trace_threads_gather ON trace_threads (trace_id) WHERE late OR speaks;
