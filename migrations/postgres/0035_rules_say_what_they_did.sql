-- One row per run of the rules over what landed. The end of the newest
-- finished run is where the next one begins.
CREATE TABLE rule_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    landed_from timestamptz NOT NULL,
    landed_to   timestamptz NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    considered  bigint NOT NULL DEFAULT 0,
    decided     bigint NOT NULL DEFAULT 0,
    added       bigint NOT NULL DEFAULT 0,
    flagged     bigint NOT NULL DEFAULT 0,
    left_out    bigint NOT NULL DEFAULT 0,
    unread      bigint NOT NULL DEFAULT 0,
    CHECK (landed_from <= landed_to)
);
CREATE INDEX rule_runs_finished ON rule_runs (landed_to DESC) WHERE finished_at IS NOT NULL;
