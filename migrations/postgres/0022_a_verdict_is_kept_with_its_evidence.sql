-- What a validator said of a response. Codes only; what can hold a response's
-- own text lies in verdict_texts, which erasure may empty.
CREATE TABLE verdicts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id      uuid NOT NULL,
    session_id    text NOT NULL,
    task_class    text NOT NULL,
    model_version text NOT NULL,
    validator     text NOT NULL,
    version       text NOT NULL, -- of the check and its engines
    verdict       text NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
    reason        text NOT NULL,
    input_hash    text NOT NULL,
    sandbox       text NOT NULL, -- tier, and what it rests on
    limits        jsonb NOT NULL,
    elapsed_ms    double precision NOT NULL CHECK (elapsed_ms >= 0),
    -- The same input and versions had a verdict already: this is that one.
    kept_from     bigint REFERENCES verdicts ON DELETE SET NULL,
    round_id      bigint REFERENCES canary_rounds ON DELETE SET NULL, -- the canaries that vouch for it
    cause         text NOT NULL,
    asked_at      timestamptz NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT verdicts_once UNIQUE (event_id, validator, version, input_hash)
);
CREATE INDEX verdicts_same_input ON verdicts (input_hash, validator, version);
CREATE INDEX verdicts_lately ON verdicts (validator, made_at);
REVOKE UPDATE ON verdicts FROM assay_app;

CREATE TABLE verdict_texts (
    verdict_id bigint PRIMARY KEY REFERENCES verdicts ON DELETE CASCADE,
    message    text NOT NULL DEFAULT '',
    evidence   text NOT NULL DEFAULT '{}' -- JSON as it was made: it may hold numbers and characters that jsonb refuses
);

-- Verdicts that have not reached the telemetry store yet. The verdict's id is
-- the version there.
CREATE TABLE verdict_outbox (
    verdict_id bigint PRIMARY KEY REFERENCES verdicts ON DELETE CASCADE
);
