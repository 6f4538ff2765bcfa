-- Raw text is kept sealed, each payload under a data key of its own
-- (internal/vault). Shredding empties the payload and deletes its key, so that
-- neither this table nor a copy of it can be read again.

CREATE TABLE vault_payloads (
    id          uuid        PRIMARY KEY,
    event_id    text        NOT NULL,
    field       text        NOT NULL,
    subject     text        NOT NULL, -- whose text it is: the hashed user id; '' when unknown
    ciphertext  bytea,
    sealed_at   timestamptz NOT NULL DEFAULT now(),
    keep_until  timestamptz NOT NULL,
    held_at     timestamptz, -- a legal hold keeps it beyond everything else
    shredded_at timestamptz,
    CONSTRAINT vault_shredded_is_empty CHECK ((ciphertext IS NULL) = (shredded_at IS NOT NULL)),
    CONSTRAINT vault_held_is_kept CHECK (held_at IS NULL OR shredded_at IS NULL)
);

CREATE INDEX vault_payloads_event ON vault_payloads (event_id);
CREATE INDEX vault_payloads_subject ON vault_payloads (subject) WHERE shredded_at IS NULL;
CREATE INDEX vault_payloads_due ON vault_payloads (keep_until) WHERE shredded_at IS NULL AND held_at IS NULL;

-- Apart from the payloads, so that a backup can leave it out:
-- pg_dump --exclude-table-data=vault_keys
CREATE TABLE vault_keys (
    payload uuid  PRIMARY KEY REFERENCES vault_payloads (id),
    kek_id  text  NOT NULL, -- the key-encryption key that wrapped it
    wrapped bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);

CREATE INDEX vault_keys_kek ON vault_keys (kek_id);
