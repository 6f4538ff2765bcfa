-- A file that a job writes and a link gives, until it expires. The parts are
-- its bytes in order.
CREATE TABLE exports (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version_id   bigint NOT NULL REFERENCES dataset_versions,
    format       text NOT NULL CHECK (format IN ('jsonl', 'csv', 'parquet')),
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed', 'expired')),
    total        bigint NOT NULL DEFAULT 0,
    done         bigint NOT NULL DEFAULT 0,
    bytes        bigint NOT NULL DEFAULT 0,
    sha256       bytea CHECK (length(sha256) = 32),
    requested_by text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX exports_of_version ON exports (version_id, id);
CREATE INDEX exports_to_expire ON exports (expires_at) WHERE state IN ('waiting', 'done', 'failed');
REVOKE DELETE ON exports FROM assay_app;

CREATE TABLE export_parts (
    export_id bigint NOT NULL REFERENCES exports,
    part      int NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (export_id, part)
);
ALTER TABLE export_parts ALTER COLUMN body SET STORAGE EXTERNAL; -- the formats compress for themselves
