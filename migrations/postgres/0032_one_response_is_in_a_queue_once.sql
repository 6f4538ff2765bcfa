CREATE TABLE items (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id           bigint NOT NULL REFERENCES queues,
    event_id           uuid NOT NULL,
    session_id         text NOT NULL,
    task_class         text NOT NULL,
    model_version      text NOT NULL,
    prompt_template_id text NOT NULL DEFAULT '',
    evidence_version   text NOT NULL DEFAULT '',
    event_time         timestamptz NOT NULL,
    frame_day          date NOT NULL,
    priority_class     text NOT NULL CHECK (priority_class IN ('safety', 'negative', 'implicit', 'random')),
    -- The order in which people meet the classes: the class as a number, so
    -- that one index serves the queue from its head.
    harm               smallint NOT NULL GENERATED ALWAYS AS
                       (CASE priority_class WHEN 'safety' THEN 0 WHEN 'negative' THEN 1 WHEN 'implicit' THEN 2 ELSE 3 END) STORED,
    design             text NOT NULL CHECK (design IN ('bottom_k', 'census', 'discovery')),
    salt_id            text NOT NULL REFERENCES sampling_salts,
    u                  double precision NOT NULL CHECK (u >= 0 AND u < 1),
    pi                 double precision CHECK (pi > 0 AND pi <= 1), -- written when the frame closes
    rule_id            bigint NOT NULL REFERENCES queue_rules,
    keep               double precision NOT NULL DEFAULT 1 CHECK (keep > 0 AND keep <= 1),
    overlap            double precision NOT NULL DEFAULT 0 CHECK (overlap BETWEEN 0 AND 1), -- probability of a second reading
    impact             smallint NOT NULL DEFAULT 1 CHECK (impact BETWEEN 1 AND 5),
    flags              jsonb NOT NULL DEFAULT '[]', -- why it is here, with time and source; never shortened
    reasons            text[] NOT NULL DEFAULT '{}', -- the flags' names, for counting
    source             text NOT NULL DEFAULT 'rule' CHECK (source IN ('rule', 'import', 'hand')),
    title              text NOT NULL DEFAULT '', -- redacted, of the prompt; erasure empties it
    snapshot           jsonb, -- the response as it was when it came here; erasure empties it
    wanted             smallint NOT NULL DEFAULT 1 CHECK (wanted BETWEEN 1 AND 99),
    taken              smallint NOT NULL DEFAULT 0, -- held or labeled now; kept by reservations_count
    labeled            smallint NOT NULL DEFAULT 0 CHECK (labeled >= 0), -- labelers whose latest revision stands
    passed_over        smallint NOT NULL DEFAULT 0 CHECK (passed_over >= 0), -- skipped or put off so often
    added_at           timestamptz NOT NULL DEFAULT now(),
    done_at            timestamptz,
    removed_at         timestamptz,
    removed_by         text,
    removed_reason     text,
    UNIQUE (queue_id, event_id),
    -- At most as many labelers as wanted, whatever a query forgets to ask.
    CONSTRAINT items_never_taken_too_often CHECK (taken BETWEEN 0 AND wanted),
    CHECK ((removed_at IS NULL) = (removed_by IS NULL)),
    CHECK (frame_day = (event_time AT TIME ZONE 'UTC')::date)
);
-- The head of the queue: what nobody has touched. The smallest u of it is the
-- threshold below which the labeled are a simple random sample.
CREATE INDEX items_untouched ON items (queue_id, harm, frame_day DESC, u)
    WHERE taken = 0 AND passed_over = 0 AND removed_at IS NULL;
-- What wants another labeler than those who had it.
CREATE INDEX items_want_another ON items (queue_id, harm, frame_day DESC, u)
    WHERE taken < wanted AND (taken > 0 OR passed_over > 0) AND removed_at IS NULL;
CREATE INDEX items_frame ON items (frame_day, queue_id, priority_class) INCLUDE (u, labeled, taken, passed_over);
CREATE INDEX items_event ON items (event_id);
CREATE INDEX items_session ON items (session_id);
CREATE INDEX items_added ON items (queue_id, added_at);
