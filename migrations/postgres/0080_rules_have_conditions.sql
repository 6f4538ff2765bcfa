-- A queue may have several rules, each a line of versions with a name. The one
-- without a name takes what no other takes.
ALTER TABLE queue_rules
    ADD COLUMN part text NOT NULL DEFAULT '' CHECK (part ~ '^([a-z0-9][a-z0-9_-]{0,39})?$'),
    ADD COLUMN conditions jsonb NOT NULL DEFAULT '{}',
    -- Of what the conditions name, this share is drawn, by u.
    ADD COLUMN share double precision NOT NULL DEFAULT 1 CHECK (share > 0 AND share <= 1),
    ADD COLUMN retired boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT queue_rules_queue_id_version_key,
    ADD CONSTRAINT queue_rules_version UNIQUE (queue_id, part, version),
    ADD CONSTRAINT queue_rules_the_rest_stays CHECK (part <> '' OR NOT retired AND conditions = '{}');

-- What a rule takes is sampled with caps of its own, and so is a stratum of
-- its own: its smallest u that nobody touched, its probability.
ALTER TABLE sampling_decisions ADD COLUMN part text NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN part text NOT NULL DEFAULT '';
ALTER TABLE frame_closings
    ADD COLUMN part text NOT NULL DEFAULT '',
    DROP CONSTRAINT frame_closings_queue_id_frame_day_priority_class_closing_key,
    ADD CONSTRAINT frame_closings_closing UNIQUE (queue_id, frame_day, priority_class, part, closing);

-- What each version of a rule did on a day, and last.
CREATE TABLE rule_doings (
    rule_id        bigint NOT NULL REFERENCES queue_rules,
    day            date NOT NULL,
    decided        bigint NOT NULL DEFAULT 0,
    added          bigint NOT NULL DEFAULT 0,
    left_out       bigint NOT NULL DEFAULT 0,
    unread         bigint NOT NULL DEFAULT 0,
    last_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (rule_id, day)
);

-- A person had a rule applied to what came before it.
CREATE TABLE rule_backfills (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id    bigint NOT NULL REFERENCES queues,
    since       timestamptz NOT NULL,
    asked_by    text NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    considered  bigint NOT NULL DEFAULT 0,
    added       bigint NOT NULL DEFAULT 0
);

-- Within a class and day items of some queues are served by their size, the
-- impact times the uncertainty of a response, and not by u alone. Only queues
-- that measure nothing may be: a size bends a rate.
ALTER TABLE queues
    ADD COLUMN by_size boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT queues_measure_in_the_order_of_u CHECK (NOT by_size OR kind = 'discovery');
