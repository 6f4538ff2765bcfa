-- What each UTC day held, by what it is filed under; kept longer than events.
-- A day is counted from deduplicated rows as a whole and written with the time
-- it was counted at: the latest counting stands, and one that found less than
-- the one before writes the zeros that say so.
CREATE TABLE IF NOT EXISTS daily_totals
(
    day                Date,
    task_class         LowCardinality(String),
    model_version      LowCardinality(String),
    prompt_template_id LowCardinality(String),
    env                LowCardinality(String),
    events             UInt64,
    responses          UInt64,
    sessions           UInt64, -- with a response of this row on this day
    errors             UInt64,
    timed              UInt64, -- responses with a possible time
    malformed          UInt64,
    took_ms            UInt64, -- of the timed, together
    exposures          UInt64,
    input_tokens       UInt64,
    cached_tokens      UInt64,
    output_tokens      UInt64,
    counted_at         DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(counted_at)}}
PARTITION BY toYYYYMM(day)
ORDER BY (day, task_class, model_version, prompt_template_id, env);
