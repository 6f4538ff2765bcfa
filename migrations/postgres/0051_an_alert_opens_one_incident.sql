CREATE TABLE alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    policy_id       text NOT NULL REFERENCES policies,
    invariant       text NOT NULL CHECK (invariant IN ('unsafe_claim_served', 'p95_ttft_ms', 'window_cost_usd')),
    severity        text NOT NULL CHECK (severity IN ('page', 'warn', 'ticket')),
    state           text NOT NULL DEFAULT 'firing' CHECK (state IN ('pending', 'firing', 'acknowledged', 'silenced', 'resolved')),
    fired_text      text NOT NULL, -- as it first fired
    latest_text     text NOT NULL, -- as it stands while the window still holds it
    fired_at        timestamptz NOT NULL,
    evaluated_at    timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by bigint REFERENCES people,
    silenced_until  timestamptz,
    resolved_at     timestamptz,
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
);

-- Evaluating again finds the alert that is open instead of firing another.
CREATE UNIQUE INDEX alerts_open_once ON alerts (policy_id, invariant) WHERE resolved_at IS NULL;
CREATE INDEX alerts_by_time ON alerts (fired_at DESC, id DESC);

CREATE TABLE incidents (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id            bigint NOT NULL UNIQUE REFERENCES alerts,
    policy_id           text NOT NULL REFERENCES policies,
    summary             text NOT NULL,
    exemplar_request_id text NOT NULL,
    exemplar_event_id   uuid NOT NULL,
    template_id         text NOT NULL,
    evidence_version    text,
    first_failed_stage  text NOT NULL,
    first_check         text NOT NULL,
    task_class          text NOT NULL DEFAULT '',
    opened_at           timestamptz NOT NULL,
    closed_at           timestamptz
);

-- The requests of the window, as the policy saw them: frozen at firing, and
-- those that came while the alert was open.
CREATE TABLE incident_requests (
    incident_id    bigint NOT NULL REFERENCES incidents,
    request_id     text NOT NULL,
    event_id       uuid NOT NULL,
    session_id     text NOT NULL,
    case_id        text NOT NULL,
    template_id    text NOT NULL,
    evidence_version text,
    route          text NOT NULL,
    first_failed_stage text NOT NULL,
    unsafe         boolean NOT NULL,
    ttft_ms        bigint NOT NULL,
    total_ms       bigint NOT NULL,
    happened_at    timestamptz NOT NULL,
    at_firing      boolean NOT NULL,
    PRIMARY KEY (incident_id, request_id)
);

CREATE TABLE runbook_steps (
    incident_id bigint NOT NULL REFERENCES incidents,
    position    integer NOT NULL,
    step        text NOT NULL,
    done_at     timestamptz,
    done_by     text NOT NULL DEFAULT '', -- a person's name, or 'assay'
    PRIMARY KEY (incident_id, position)
);
