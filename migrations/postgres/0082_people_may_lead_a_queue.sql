-- What a person put first or last, or gave to somebody, is served apart from
-- the order of the rest. It stays in its stratum with its u, so that a rate
-- waits for it as for any other.
ALTER TABLE items
    ADD COLUMN assigned_to bigint REFERENCES labelers,
    ADD COLUMN lifted smallint NOT NULL DEFAULT 0 CHECK (lifted BETWEEN -1 AND 1);
CREATE INDEX items_by_hand ON items (queue_id, lifted DESC, harm, frame_day DESC, u)
    WHERE (assigned_to IS NOT NULL OR lifted <> 0) AND taken = 0 AND passed_over = 0 AND removed_at IS NULL;
DROP INDEX items_untouched;
CREATE INDEX items_untouched ON items (queue_id, harm, frame_day DESC, u)
    WHERE taken = 0 AND passed_over = 0 AND removed_at IS NULL AND assigned_to IS NULL AND lifted = 0;

-- A selection is frozen when it is made: what comes into the queue later is
-- not in it, and its number is exact.
CREATE TABLE selections (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id   bigint NOT NULL REFERENCES queues,
    made_by    bigint NOT NULL,
    filter     text NOT NULL, -- in words
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    act        text CHECK (act IN ('remove', 'requeue', 'first', 'last', 'normal', 'assign', 'move')),
    target     text NOT NULL DEFAULT '',
    changed    int NOT NULL DEFAULT 0,
    acted_at   timestamptz,
    undone     int NOT NULL DEFAULT 0,
    undone_at  timestamptz
);
CREATE TABLE selection_items (
    selection_id bigint NOT NULL REFERENCES selections,
    item_id      bigint NOT NULL REFERENCES items,
    changed      boolean NOT NULL DEFAULT false,
    -- What the act took away, for undo.
    assigned_to  bigint,
    lifted       smallint NOT NULL DEFAULT 0,
    wanted       smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (selection_id, item_id)
);
