-- Whether a validator looks at what arrives, and of which task classes. One
-- without a row looks at everything of its kinds.
CREATE TABLE validator_settings (
    validator    text PRIMARY KEY,
    on_arrival   boolean NOT NULL DEFAULT true,
    task_classes text[] NOT NULL DEFAULT '{}', -- empty is all
    set_by       text NOT NULL,
    set_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A schedule puts what landed since its last run before a validator.
CREATE TABLE validator_schedules (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    validator     text NOT NULL,
    every_minutes int CHECK (every_minutes BETWEEN 1 AND 10080), -- or else at a time of day
    at_minute     int CHECK (at_minute BETWEEN 0 AND 1439), -- minutes after midnight by the clock on the wall
    weekdays      smallint[] NOT NULL DEFAULT '{}', -- 0 is Sunday; empty is each day
    zone          text NOT NULL DEFAULT 'UTC',
    task_class    text NOT NULL DEFAULT '', -- '' is all
    share         double precision NOT NULL DEFAULT 1 CHECK (share > 0 AND share <= 1), -- of what landed, by a hash of its id
    landed_to     timestamptz NOT NULL, -- how far it has looked
    next_at       timestamptz NOT NULL,
    held_until    timestamptz, -- a worker has it; one that died gives it back by then
    added_by      text NOT NULL,
    added_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    paused_at     timestamptz,
    retired_at    timestamptz,
    CHECK ((every_minutes IS NULL) <> (at_minute IS NULL))
);
CREATE INDEX validator_schedules_due ON validator_schedules (next_at) WHERE retired_at IS NULL AND paused_at IS NULL;

-- What a schedule did. A run of one due time exists once.
CREATE TABLE schedule_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id bigint NOT NULL REFERENCES validator_schedules ON DELETE CASCADE,
    due_at      timestamptz NOT NULL,
    began_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at    timestamptz,
    landed_from timestamptz NOT NULL,
    landed_to   timestamptz NOT NULL,
    missed      int NOT NULL DEFAULT 0, -- earlier times that this run makes up for
    seen        bigint NOT NULL DEFAULT 0, -- responses that landed and were drawn
    asked       bigint NOT NULL DEFAULT 0, -- of them, that had no verdict of this version
    trouble     text NOT NULL DEFAULT '',
    CONSTRAINT schedule_runs_once UNIQUE (schedule_id, due_at)
);
CREATE INDEX schedule_runs_lately ON schedule_runs (schedule_id, id DESC);
