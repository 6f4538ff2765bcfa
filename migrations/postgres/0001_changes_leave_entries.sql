-- Every change leaves an entry; entries become leaves of a signed Merkle tree
-- (internal/audit). Nothing here is ever updated or deleted: the application's
-- role has no grant for it, and a trigger refuses it to everyone who has.

CREATE TABLE audit_entries (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid         xid8        NOT NULL, -- the change's transaction; the sequencer's horizon
    at          timestamptz NOT NULL,
    actor_kind  text        NOT NULL CHECK (actor_kind IN ('person', 'key', 'system')),
    actor_id    bigint      NOT NULL,
    actor_name  text        NOT NULL COLLATE "C",
    actor_roles text        NOT NULL, -- held when it happened, comma-separated
    stepped_up  timestamptz,          -- when the person last proved who they are
    action      text        NOT NULL COLLATE "C" CHECK (action ~ '^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$'),
    object      text        NOT NULL COLLATE "C" CHECK (object ~ '^[a-z][a-z0-9_]*/.+$'),
    what        text        NOT NULL,
    reason      text        NOT NULL,
    before_hash bytea       CHECK (octet_length(before_hash) = 32),
    after_hash  bytea       CHECK (octet_length(after_hash) = 32)
);

CREATE INDEX audit_entries_xid ON audit_entries (xid, id);
CREATE INDEX audit_entries_object ON audit_entries (object, id);
CREATE INDEX audit_entries_action ON audit_entries (action, id);
CREATE INDEX audit_entries_actor ON audit_entries (actor_name, id);
CREATE INDEX audit_entries_at ON audit_entries (at);

-- The leaf of an entry: its place in the tree and its HMAC.
CREATE TABLE audit_leaves (
    leaf     bigint PRIMARY KEY CHECK (leaf >= 0),
    entry_id bigint NOT NULL CONSTRAINT audit_leaf_once UNIQUE REFERENCES audit_entries (id),
    key_id   text   NOT NULL,
    mac      bytea  NOT NULL CHECK (octet_length(mac) = 32)
);

-- Every complete subtree's hash, in the order tlog stores them.
CREATE TABLE audit_nodes (
    position bigint PRIMARY KEY CHECK (position >= 0),
    hash     bytea  NOT NULL CHECK (octet_length(hash) = 32)
);

-- One row a sequencing: how far the tree reached and which transactions were
-- over by then.
CREATE TABLE audit_batches (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size    bigint      NOT NULL CHECK (size >= 0), -- leaves of the tree afterwards
    horizon xid8        NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE audit_checkpoints (
    kind   text        NOT NULL CHECK (kind IN ('hourly', 'daily')),
    period timestamptz NOT NULL, -- the UTC hour or day it was made in
    size   bigint      NOT NULL CHECK (size >= 0),
    root   bytea       NOT NULL CHECK (octet_length(root) = 32),
    at     timestamptz NOT NULL,
    note   text        NOT NULL, -- signed: size, root and time
    PRIMARY KEY (kind, period)
);

-- Time and transaction are the database's to say, never the writer's.
CREATE FUNCTION audit_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.xid := pg_current_xact_id();
    NEW.at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE TRIGGER audit_stamp BEFORE INSERT ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_stamp();

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit_entries', 'audit_leaves', 'audit_nodes', 'audit_batches', 'audit_checkpoints'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION audit_refuse()', name);
        EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', name);
        EXECUTE format('REVOKE ALL ON %I FROM assay_app', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO assay_app', name);
    END LOOP;
END $$;
