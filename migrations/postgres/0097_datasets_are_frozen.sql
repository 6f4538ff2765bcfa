-- A named selection of labels. Each version is frozen: its rows keep what they
-- said, in codes, when they were taken; texts are joined from where erasure
-- may empty them.
CREATE TABLE datasets (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9_-]{0,79}$'),
    title      text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE UPDATE, DELETE ON datasets FROM assay_app;

CREATE TABLE dataset_versions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset_id bigint NOT NULL REFERENCES datasets,
    version    int NOT NULL CHECK (version > 0),
    filter     jsonb NOT NULL,
    state      text NOT NULL DEFAULT 'freezing' CHECK (state IN ('freezing', 'frozen', 'failed')),
    total      bigint NOT NULL DEFAULT 0, -- labels to freeze, counted before
    done       bigint NOT NULL DEFAULT 0,
    items      bigint NOT NULL DEFAULT 0,
    sha256     bytea CHECK (length(sha256) = 32),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    frozen_at  timestamptz,
    UNIQUE (dataset_id, version),
    CHECK ((state = 'frozen') = (sha256 IS NOT NULL))
);
REVOKE DELETE ON dataset_versions FROM assay_app;

CREATE TABLE dataset_rows (
    version_id bigint NOT NULL REFERENCES dataset_versions,
    position   bigint NOT NULL,
    label_id   bigint NOT NULL REFERENCES labels,
    record     json NOT NULL, -- json, not jsonb: the bytes are what is hashed
    PRIMARY KEY (version_id, position)
);
REVOKE UPDATE ON dataset_rows FROM assay_app;

-- What is frozen stays so.
CREATE FUNCTION dataset_rows_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT state FROM dataset_versions WHERE id = coalesce(NEW.version_id, OLD.version_id)) = 'frozen' THEN
        RAISE EXCEPTION 'dataset version % is frozen', coalesce(NEW.version_id, OLD.version_id);
    END IF;
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE TRIGGER dataset_rows_frozen BEFORE INSERT OR DELETE ON dataset_rows
    FOR EACH ROW EXECUTE FUNCTION dataset_rows_frozen();
