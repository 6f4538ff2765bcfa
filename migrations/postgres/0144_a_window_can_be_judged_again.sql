-- A re-run puts the responses of a window before a validator again. What was
-- said before stays; what is said now stands beside it.
CREATE TABLE reruns (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    validator     text NOT NULL,
    version       text NOT NULL, -- that was to judge when it was asked for
    from_time     timestamptz NOT NULL, -- of the responses, half-open
    to_time       timestamptz NOT NULL,
    task_class    text NOT NULL DEFAULT '', -- '' is all
    model_version text NOT NULL DEFAULT '',
    was           text NOT NULL DEFAULT '' CHECK (was IN ('', 'pass', 'fail', 'inconclusive', 'none', 'older', 'doubted')),
    reason        text NOT NULL,
    counted       bigint NOT NULL CHECK (counted >= 0), -- what it was said to be before it was asked for
    state         text NOT NULL DEFAULT 'listing' CHECK (state IN ('listing', 'running', 'paused', 'cancelled', 'done')),
    asked_by      text NOT NULL,
    asked_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at      timestamptz,
    CHECK (from_time < to_time),
    CHECK ((state IN ('cancelled', 'done')) = (ended_at IS NOT NULL))
);
-- One at a time of each validator: asking twice asks once.
CREATE UNIQUE INDEX reruns_one_open ON reruns (validator) WHERE ended_at IS NULL;

CREATE TABLE rerun_items (
    rerun_id      bigint NOT NULL REFERENCES reruns ON DELETE CASCADE,
    event_id      uuid NOT NULL,
    session_id    text NOT NULL,
    task_class    text NOT NULL,
    model_version text NOT NULL,
    before_id     bigint REFERENCES verdicts ON DELETE SET NULL, -- what stood; NULL: nothing
    after_id      bigint REFERENCES verdicts ON DELETE SET NULL, -- what stands now; NULL: its text is gone
    settled_at    timestamptz,
    PRIMARY KEY (rerun_id, event_id)
);
CREATE INDEX rerun_items_open ON rerun_items (rerun_id) WHERE settled_at IS NULL;

ALTER TABLE checks ADD COLUMN rerun_id bigint REFERENCES reruns ON DELETE SET NULL;
CREATE INDEX checks_of_rerun ON checks (rerun_id) WHERE rerun_id IS NOT NULL;
ALTER TABLE checks DROP CONSTRAINT checks_cause_check;
ALTER TABLE checks ADD CONSTRAINT checks_cause_known CHECK (cause IN ('arrival', 'schedule', 'incident', 'run', 'request', 'rerun'));

-- A re-run may make a verdict of the same input and versions again, where the
-- one from before was made while canaries were in doubt.
ALTER TABLE verdicts ADD COLUMN rerun_id bigint;
ALTER TABLE verdicts DROP CONSTRAINT verdicts_once;
ALTER TABLE verdicts ADD CONSTRAINT verdicts_once UNIQUE NULLS NOT DISTINCT (event_id, validator, version, input_hash, rerun_id);
