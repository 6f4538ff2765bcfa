-- Trials of a validator's canaries before its batches. Rounds that passed
-- alike within an hour are one row; a wrong answer always has its own.
CREATE TABLE canary_rounds (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    validator text NOT NULL,
    version   text NOT NULL,
    sandbox   text NOT NULL DEFAULT '',
    passed    boolean NOT NULL,
    tried     jsonb NOT NULL, -- name, want, got, reason, took_ms
    rounds    int NOT NULL DEFAULT 1,
    began_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    at        timestamptz NOT NULL DEFAULT clock_timestamp(), -- of the latest
    -- Of a wrong answer: when the canaries were last right. What was said since
    -- is in doubt.
    doubt_from timestamptz,
    CHECK (passed = (doubt_from IS NULL))
);
CREATE INDEX canary_rounds_latest ON canary_rounds (validator, id DESC);
