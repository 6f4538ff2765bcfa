CREATE TABLE handoffs (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id           bigint REFERENCES incidents,
    policy_id             text NOT NULL DEFAULT '',
    failing_template_id   text NOT NULL CHECK (length(failing_template_id) BETWEEN 1 AND 200),
    candidate_template_id text NOT NULL CHECK (length(candidate_template_id) BETWEEN 1 AND 200),
    baseline_template_id  text NOT NULL DEFAULT '',
    exemplar_request_id   text NOT NULL DEFAULT '',
    evidence_version      text,
    required_metric       text NOT NULL,
    required_metric_hash  text NOT NULL,
    contract              jsonb NOT NULL, -- everything a decision depends on, frozen
    max_rate              double precision NOT NULL CHECK (max_rate > 0 AND max_rate < 1),
    alpha                 double precision NOT NULL CHECK (alpha > 0 AND alpha <= 0.05),
    holdout_needed        integer NOT NULL CHECK (holdout_needed >= 0),
    repeats               integer NOT NULL CHECK (repeats BETWEEN 1 AND 10),
    promotion_status      text NOT NULL DEFAULT 'BLOCKED_PENDING_EVALUATION' CHECK (promotion_status IN (
                              'BLOCKED_PENDING_EVALUATION', 'EVALUATING', 'VIOLATION_UNDER_REVIEW', 'FAILED', 'INCONCLUSIVE',
                              'READY_FOR_APPROVAL', 'APPROVED', 'REJECTED', 'PROMOTED', 'REVOKED')),
    evidence_hash         text NOT NULL,
    requested_by_kind     text NOT NULL,
    requested_by          bigint NOT NULL,
    requested_by_name     text NOT NULL,
    opened_at             timestamptz NOT NULL,
    changed_at            timestamptz NOT NULL,
    CHECK (candidate_template_id <> failing_template_id)
);
CREATE UNIQUE INDEX handoffs_one_per_candidate ON handoffs (COALESCE(incident_id, 0), failing_template_id, candidate_template_id);
CREATE INDEX handoffs_by_time ON handoffs (opened_at DESC, id DESC);

-- One run of a template on one case. A run that broke may be repeated; one that
-- was scored is evidence and stays.
CREATE TABLE runs (
    handoff_id    bigint NOT NULL REFERENCES handoffs,
    "window"      text NOT NULL CHECK ("window" IN ('regression', 'holdout', 'baseline')),
    case_id       text NOT NULL CHECK (length(case_id) BETWEEN 1 AND 200),
    repeat        integer NOT NULL CHECK (repeat BETWEEN 1 AND 100),
    result        jsonb NOT NULL,
    output        text NOT NULL DEFAULT '',
    failed        boolean NOT NULL,
    input_tokens  bigint, cached_input_tokens bigint, output_tokens bigint,
    ttft_ms       bigint, total_ms bigint,
    uploaded_at   timestamptz NOT NULL,
    uploaded_by   text NOT NULL,
    PRIMARY KEY (handoff_id, "window", case_id, repeat)
);
REVOKE DELETE ON runs FROM assay_app;

CREATE FUNCTION refuse_scored_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT OLD.failed AND (NEW.result - ARRAY['label', 'label_revision', 'adjudicated']) IS DISTINCT FROM (OLD.result - ARRAY['label', 'label_revision', 'adjudicated']) THEN
        RAISE EXCEPTION 'a scored run is evidence and stays' USING ERRCODE = 'check_violation', CONSTRAINT = 'runs_scored_stay';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER runs_scored_stay BEFORE UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION refuse_scored_run();

-- What was decided on which evidence; a change of mind is another row.
CREATE TABLE decisions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handoff_id    bigint NOT NULL REFERENCES handoffs,
    status        text NOT NULL,
    decision      jsonb NOT NULL,
    evidence_hash text NOT NULL,
    decided_at    timestamptz NOT NULL,
    why           text NOT NULL
);
CREATE INDEX decisions_of_handoff ON decisions (handoff_id, id);
REVOKE UPDATE, DELETE ON decisions FROM assay_app;

CREATE TABLE handoff_comments (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handoff_id bigint NOT NULL REFERENCES handoffs,
    author     bigint NOT NULL REFERENCES people,
    text       text NOT NULL CHECK (length(text) BETWEEN 1 AND 5000),
    written_at timestamptz NOT NULL
);

CREATE TABLE window_openings (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handoff_id bigint NOT NULL REFERENCES handoffs,
    "window"   text NOT NULL,
    person_id  bigint NOT NULL REFERENCES people,
    opened_at  timestamptz NOT NULL
);
