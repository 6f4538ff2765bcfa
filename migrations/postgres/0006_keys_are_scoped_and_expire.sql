-- An API key: wb_<public_id>_<secret>, the secret kept as its hash alone.
CREATE TABLE keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id    text NOT NULL UNIQUE CHECK (public_id ~ '^[a-z2-7]{10}$'),
    secret_hash  bytea NOT NULL CHECK (length(secret_hash) = 32),
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes       text[] NOT NULL CHECK (cardinality(scopes) > 0
                     AND scopes <@ ARRAY['ingest', 'read', 'label', 'validate', 'handoff', 'check']),
    made_by      bigint REFERENCES people, -- NULL: made at the machine itself
    made_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL CHECK (expires_at > made_at),
    revoked_at   timestamptz,
    last_used_at timestamptz
);
