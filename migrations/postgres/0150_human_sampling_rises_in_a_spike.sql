-- While the rate of a task class spikes, or an incident of it is open, people
-- read more of it: the caps and shares of its queue's rules are taken times the
-- factor of the day. A day keeps the largest factor that was in force on it, so
-- that its stratum stays whole: a raise takes in what had been left out that
-- day, and a fall begins with the next one.
CREATE TABLE queue_raises (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id bigint NOT NULL REFERENCES queues,
    factor   double precision NOT NULL CHECK (factor BETWEEN 1 AND 16),
    why      text NOT NULL CHECK (why IN ('spike', 'incident', 'calm')),
    at       timestamptz NOT NULL
);
CREATE INDEX queue_raises_of_queue ON queue_raises (queue_id, at);
REVOKE UPDATE, DELETE ON queue_raises FROM assay_app;

-- What the rule of adapting remembers between two evaluations.
CREATE TABLE queue_adapting (
    queue_id     bigint PRIMARY KEY REFERENCES queues,
    rate         double precision NOT NULL CHECK (rate > 0 AND rate <= 1),
    epoch        int NOT NULL,
    raised_at    timestamptz,
    evaluated_at timestamptz,
    quiet        int NOT NULL
);
