-- A view is a named set of filters of the sessions list, one person's own
-- until they share it. Which view the list opens on is each person's choice,
-- and may be a shared one of somebody else.
CREATE TABLE session_views (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id   bigint NOT NULL REFERENCES people,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    query      text NOT NULL CHECK (length(query) <= 2000), -- of the list's address
    shared     boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner_id, name)
);

CREATE TABLE session_view_defaults (
    person_id bigint PRIMARY KEY REFERENCES people,
    view_id   bigint NOT NULL REFERENCES session_views ON DELETE CASCADE
);
CREATE INDEX session_view_defaults_view ON session_view_defaults (view_id);
