-- What the comparison of the daily totals with their events found, and when.
-- A figure that differed was put right; what it was is kept here.
CREATE TABLE daily_comparisons (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    compared_at timestamptz NOT NULL,
    first_day   date NOT NULL,
    last_day    date NOT NULL,
    cells       bigint NOT NULL CHECK (cells >= 0), -- rows that were compared
    differed    bigint NOT NULL CHECK (differed >= 0)
);

CREATE TABLE daily_differences (
    comparison_id bigint NOT NULL REFERENCES daily_comparisons,
    day           date NOT NULL,
    filed_under   text NOT NULL, -- task class / model version / template / environment
    figure        text NOT NULL,
    stored        bigint NOT NULL,
    counted       bigint NOT NULL
);
CREATE INDEX daily_differences_comparison ON daily_differences (comparison_id, day);
REVOKE UPDATE ON daily_comparisons, daily_differences FROM assay_app;
