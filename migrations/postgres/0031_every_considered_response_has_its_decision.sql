-- The salt of the permanent random numbers. It is secret from clients, who
-- could otherwise choose event ids that are never read. A new salt is a new
-- row and a new epoch; nothing is overwritten.
CREATE TABLE sampling_salts (
    id         text PRIMARY KEY,
    salt       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE UPDATE, DELETE ON sampling_salts FROM assay_app;
INSERT INTO sampling_salts (id, salt)
VALUES ('epoch-1', gen_random_uuid()::text || gen_random_uuid()::text);

-- One row per considered response and decision. A later flag, or text that
-- became readable, makes a new row that supersedes the last one.
CREATE TABLE sampling_decisions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id       bigint NOT NULL REFERENCES queues,
    event_id       uuid NOT NULL,
    event_time     timestamptz NOT NULL,
    frame_day      date NOT NULL, -- UTC day of event_time
    task_class     text NOT NULL,
    priority_class text NOT NULL CHECK (priority_class IN ('safety', 'negative', 'implicit', 'random')),
    model_version  text NOT NULL,
    design         text NOT NULL CHECK (design IN ('bottom_k', 'census', 'discovery')),
    salt_id        text NOT NULL REFERENCES sampling_salts,
    u              double precision NOT NULL CHECK (u >= 0 AND u < 1),
    rule_id        bigint NOT NULL REFERENCES queue_rules, -- the policy version
    -- The probability with which the text of such a response is kept. Within
    -- a stratum it parts the frame: text kept one time in ten stands for ten.
    keep           double precision NOT NULL DEFAULT 1 CHECK (keep >= 0 AND keep <= 1),
    readable       boolean NOT NULL,
    selected       boolean NOT NULL,
    reason         text NOT NULL CHECK (reason IN ('selected', 'cap', 'no_text', 'not_kept', 'removed', 'import')),
    supersedes     bigint UNIQUE REFERENCES sampling_decisions,
    decided_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (readable OR NOT selected),
    CHECK (frame_day = (event_time AT TIME ZONE 'UTC')::date)
);
CREATE UNIQUE INDEX sampling_decisions_first ON sampling_decisions (queue_id, event_id) WHERE supersedes IS NULL;
CREATE INDEX sampling_decisions_event ON sampling_decisions (event_id, id);
CREATE INDEX sampling_decisions_frame ON sampling_decisions (frame_day, queue_id);
CREATE INDEX sampling_decisions_left_out ON sampling_decisions (queue_id, frame_day, priority_class, u)
    WHERE readable AND NOT selected;
REVOKE UPDATE, DELETE ON sampling_decisions FROM assay_app;

-- Exact counts of each stratum and domain, counted by the telemetry store on
-- all events. Newer counts replace older ones: late events change a frame.
CREATE TABLE frame_totals (
    frame_day      date NOT NULL,
    task_class     text NOT NULL,
    priority_class text NOT NULL,
    model_version  text NOT NULL,
    responses      bigint NOT NULL CHECK (responses >= 0),
    readable       bigint NOT NULL CHECK (readable >= 0),
    counted_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (frame_day, task_class, priority_class, model_version),
    CHECK (readable <= responses)
);

-- What a frame came to when it closed, and again each time late events or
-- late labels changed it: the inclusion probability and how it was found.
CREATE TABLE frame_closings (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id       bigint NOT NULL REFERENCES queues,
    frame_day      date NOT NULL,
    priority_class text NOT NULL,
    closing        int NOT NULL CHECK (closing > 0),
    tau            double precision NOT NULL CHECK (tau >= 0 AND tau <= 1), -- the threshold; 1 when all were reached
    responses      bigint NOT NULL,
    readable       bigint NOT NULL,
    sampled        bigint NOT NULL, -- readable with u below tau
    labeled        bigint NOT NULL, -- of these, labeled
    pi             double precision NOT NULL CHECK (pi >= 0 AND pi <= 1), -- sampled / readable
    closed_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (queue_id, frame_day, priority_class, closing)
);
REVOKE UPDATE, DELETE ON frame_closings FROM assay_app;
