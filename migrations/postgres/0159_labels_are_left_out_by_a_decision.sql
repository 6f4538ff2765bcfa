-- Which of a labeler's labels count is a person's decision, kept as versions:
-- the newest says from when to when they are left out, or that none are. The
-- labels stay as they are, and what is made of them is made again.
CREATE TABLE exclusions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    labeler_id  bigint NOT NULL REFERENCES labelers,
    version     int NOT NULL CHECK (version > 0),
    excluded    boolean NOT NULL, -- false: all of them count again
    from_at     timestamptz, -- of labels given since; null: from the first on
    to_at       timestamptz, -- and before; at most when it was decided
    reason      text NOT NULL CHECK (reason <> ''),
    labels      bigint NOT NULL, -- that it concerned when it was decided
    decided_by  bigint NOT NULL, -- the person
    decided_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    replayed_at timestamptz, -- when all that rests on them had been made again
    UNIQUE (labeler_id, version),
    CHECK (excluded = (to_at IS NOT NULL) AND (excluded OR from_at IS NULL)),
    CHECK (from_at < to_at)
);
REVOKE DELETE ON exclusions FROM assay_app;
REVOKE UPDATE ON exclusions FROM assay_app;
GRANT UPDATE (replayed_at) ON exclusions TO assay_app;

-- What the newest version says, beside the labeler: asked for with every label.
ALTER TABLE labelers ADD COLUMN left_out tstzrange NOT NULL DEFAULT 'empty';
