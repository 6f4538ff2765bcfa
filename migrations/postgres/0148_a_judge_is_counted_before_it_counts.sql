-- What a language model says of responses is kept beside what people say of
-- them, and reaches nobody else until a person who saw the agreement lets it
-- count.
ALTER TABLE verdicts ADD COLUMN shadow boolean NOT NULL DEFAULT false;

CREATE TABLE judge_standings (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version     text NOT NULL, -- a new version begins in the shadow
    counts      boolean NOT NULL,
    sensitivity double precision, -- as it was shown then
    specificity double precision,
    reason      text NOT NULL,
    set_by      text NOT NULL,
    set_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX judge_standings_latest ON judge_standings (version, id DESC);

-- What asking the judge took, by day and model.
CREATE TABLE judge_usage (
    day        date NOT NULL,
    model      text NOT NULL,
    questions  bigint NOT NULL DEFAULT 0,
    attempts   bigint NOT NULL DEFAULT 0,
    failed     bigint NOT NULL DEFAULT 0, -- questions that got no answer
    tokens_in  bigint NOT NULL DEFAULT 0,
    tokens_out bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, model)
);
