-- Events that could not be taken or stored. The body is redacted like any
-- other, cut, and empty where consent allows no text.
CREATE TABLE dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    key_id      bigint NOT NULL,
    origin      text NOT NULL CHECK (origin IN ('door', 'drain')),
    event_id    uuid,
    reason      text NOT NULL,
    body        text NOT NULL,
    times       int NOT NULL DEFAULT 1 CHECK (times > 0), -- sent again and refused again
    digest      bytea NOT NULL, -- of reason and body, so that a stubborn client fills one row
    replayed_at timestamptz,
    replayed_by text,
    outcome     text CHECK (outcome IN ('accepted', 'duplicate', 'refused')),
    CHECK ((replayed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX dead_letters_newest ON dead_letters (id DESC) WHERE outcome IS DISTINCT FROM 'accepted';
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (key_id, origin, digest) WHERE replayed_at IS NULL;
