-- What is kept of a task class's text: the mode, the share of sessions while
-- nothing is wrong, and how far it may rise in a spike. A change is a new
-- version; a class without one is kept by the terms of the key that sends it.
CREATE TABLE capture_policies (
    id           bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_class   text             NOT NULL CHECK (length(task_class) BETWEEN 1 AND 100),
    version      int              NOT NULL CHECK (version > 0),
    capture      text             NOT NULL CHECK (capture IN ('hash', 'redacted', 'raw')),
    base         double precision NOT NULL CHECK (base > 0 AND base <= 1),
    base_flagged double precision NOT NULL CHECK (base_flagged >= base AND base_flagged <= 1),
    most         double precision NOT NULL CHECK (most >= base AND most <= 1),
    reason       text             NOT NULL,
    author       text             NOT NULL,
    at           timestamptz      NOT NULL,
    UNIQUE (task_class, version)
);
REVOKE UPDATE, DELETE ON capture_policies FROM assay_app;

-- Every rate that was ever in force. An event names the one its text was kept
-- or dropped under, so that its probability can always be traced to why.
CREATE TABLE capture_rates (
    id           bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_class   text             NOT NULL,
    policy_id    bigint           NOT NULL REFERENCES capture_policies,
    keep         double precision NOT NULL CHECK (keep > 0 AND keep <= 1),
    keep_flagged double precision NOT NULL CHECK (keep_flagged >= keep AND keep_flagged <= 1),
    why          text             NOT NULL CHECK (why IN ('set', 'raised', 'decayed')),
    at           timestamptz      NOT NULL
);
CREATE INDEX capture_rates_newest ON capture_rates (task_class, id DESC);
REVOKE UPDATE, DELETE ON capture_rates FROM assay_app;

-- What the rule remembers of a class between two evaluations.
CREATE TABLE capture_states (
    task_class   text             PRIMARY KEY,
    rate         double precision NOT NULL CHECK (rate > 0 AND rate <= 1),
    epoch        int              NOT NULL DEFAULT 0,
    raised_at    timestamptz,
    evaluated_at timestamptz,
    quiet        int              NOT NULL DEFAULT 0
);
