-- What other stages know about a response, copied so that lists can filter by
-- it. The latest revision stands; PostgreSQL holds the truth.
CREATE TABLE IF NOT EXISTS event_flags
(
    event_id        UUID, -- of the response
    session_id      String,
    session_hash    UInt64 DEFAULT xxHash64(session_id),
    response_time   DateTime64(3, 'UTC'), -- its effective time
    reason          LowCardinality(String),
    priority_class  LowCardinality(String),
    at              DateTime64(3, 'UTC'),
    detail          String,
    source_event_id UUID,
    readable        Bool,
    copied_at       DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{ReplacingMergeTree(copied_at)}}
PARTITION BY toYYYYMM(response_time)
ORDER BY (session_hash, event_id, reason, source_event_id);

CREATE TABLE IF NOT EXISTS labels
(
    event_id           UUID,
    session_id         String,
    session_hash       UInt64 DEFAULT xxHash64(session_id),
    task_class         LowCardinality(String),
    model_version      LowCardinality(String),
    prompt_template_id LowCardinality(String),
    label              LowCardinality(String), -- '' when withdrawn
    counted            Bool,                   -- false: gold, practice, discovery
    response_time      DateTime64(3, 'UTC'),
    labeled_at         DateTime64(3, 'UTC'),
    labels             UInt32,
    source             LowCardinality(String),
    revision           Int64,
    INDEX times response_time TYPE minmax GRANULARITY 1
)
ENGINE = {{ReplacingMergeTree(revision)}}
ORDER BY event_id;

CREATE TABLE IF NOT EXISTS verdicts
(
    event_id      UUID,
    session_id    String,
    session_hash  UInt64 DEFAULT xxHash64(session_id),
    task_class    LowCardinality(String),
    model_version LowCardinality(String),
    validator     LowCardinality(String),
    version       LowCardinality(String),
    verdict       LowCardinality(String),
    reason        LowCardinality(String),
    message       String,
    evidence      String CODEC(ZSTD(1)),
    input_hash    String,
    sandbox       LowCardinality(String),
    elapsed_ms    Int64,
    at            DateTime64(3, 'UTC'),
    copied_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    revision      Int64,
    INDEX copied copied_at TYPE minmax GRANULARITY 1
)
ENGINE = {{ReplacingMergeTree(revision)}}
ORDER BY (session_hash, event_id, validator);
