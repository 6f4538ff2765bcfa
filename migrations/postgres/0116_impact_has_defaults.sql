-- How grave a wrong answer is, 1 to 5, where its event does not say: by task
-- class and by what the assistant did. The newest row of a pair is in force;
-- 0 gives it back to the product's own defaults.
CREATE TABLE impact_defaults (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_class  text        NOT NULL CHECK (length(task_class) <= 100), -- '': any
    action_type text        NOT NULL CHECK (action_type IN ('', 'read', 'write', 'transform', 'send')),
    impact      int         NOT NULL CHECK (impact BETWEEN 0 AND 5),
    reason      text        NOT NULL CHECK (char_length(reason) BETWEEN 3 AND 500),
    author      text        NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX impact_defaults_newest ON impact_defaults (task_class, action_type, id DESC);
REVOKE UPDATE, DELETE ON impact_defaults FROM assay_app;
