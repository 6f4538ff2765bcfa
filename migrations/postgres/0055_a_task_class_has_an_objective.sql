-- What is agreed for a task class. An objective is not edited: another takes
-- its place and the old one is retired.
CREATE TABLE objectives (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_class text NOT NULL CHECK (length(task_class) BETWEEN 1 AND 100),
    metric     text NOT NULL CHECK (metric IN ('hallucination', 'not_correct')),
    max_share  double precision NOT NULL CHECK (max_share > 0 AND max_share < 1),
    since      timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE UNIQUE INDEX objectives_one_at_a_time ON objectives (task_class, metric) WHERE retired_at IS NULL;

INSERT INTO objectives (task_class, metric, max_share) VALUES
    ('summarization', 'hallucination', 0.02),
    ('code_generation', 'hallucination', 0.03),
    ('file_edit', 'hallucination', 0.03),
    ('spreadsheet_formula', 'hallucination', 0.04),
    ('sql_query', 'hallucination', 0.04);
