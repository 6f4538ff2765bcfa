-- A response that a validator has been asked to look at and has not judged
-- yet. A row leaves with its verdict; what cannot be judged stays, dead, with
-- its trouble.
CREATE TABLE checks (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id      uuid NOT NULL,
    session_id    text NOT NULL,
    task_class    text NOT NULL DEFAULT '',
    model_version text NOT NULL DEFAULT '',
    validator     text NOT NULL,
    cause         text NOT NULL CHECK (cause IN ('arrival', 'schedule', 'incident', 'run', 'request')),
    asked_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A batch holds its checks until then; one whose holder died is free again.
    held_until    timestamptz,
    attempts      int NOT NULL DEFAULT 0,
    dead_at       timestamptz,
    trouble       text NOT NULL DEFAULT '', -- of infrastructure; never text of a response
    CONSTRAINT checks_once UNIQUE (event_id, validator)
);
CREATE INDEX checks_waiting ON checks (validator, id) WHERE dead_at IS NULL;
CREATE INDEX checks_dead ON checks (validator, dead_at) WHERE dead_at IS NOT NULL;

-- How far the telemetry store has been looked through for responses to check.
CREATE TABLE check_scans (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    landed_to timestamptz NOT NULL
);
