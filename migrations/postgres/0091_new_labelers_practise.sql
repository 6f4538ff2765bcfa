-- What a labeler said of practice cases. It never counts and moves nothing: a
-- case is explained as soon as it is answered.
CREATE TABLE practice_answers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    labeler_id  bigint NOT NULL REFERENCES labelers,
    guide_id    bigint NOT NULL REFERENCES guides, -- the version that explained it
    number      int NOT NULL CHECK (number > 0),   -- the case of that guide, from 1
    said        text NOT NULL CHECK (said IN ('correct', 'partially_correct', 'hallucinated', 'cannot_tell')),
    "right"     boolean NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (labeler_id, guide_id, number)
);
REVOKE UPDATE, DELETE ON practice_answers FROM assay_app;

-- When a labeler was done with practice; whoever has labeled before it came is.
ALTER TABLE labelers ADD COLUMN practised_at timestamptz;
UPDATE labelers w SET practised_at = now() WHERE EXISTS (SELECT FROM labels l WHERE l.labeler_id = w.id);
