-- The narrow twin, by hour: what lists, counts, rates and measures read. It
-- has no text, and lives as long as its event.
CREATE TABLE IF NOT EXISTS event_facts
(
    event_id            UUID,
    event_type          LowCardinality(String),
    event_time          DateTime64(3, 'UTC'),
    effective_time      DateTime64(3, 'UTC'),
    server_ingest_time  DateTime64(3, 'UTC') DEFAULT now64(3),
    seq                 UInt64,
    session_id          String,
    session_hash        UInt64 DEFAULT xxHash64(session_id),
    trace_id            String,
    request_id          String,
    case_id             String,
    assistant_version   LowCardinality(String),
    model_version       LowCardinality(String),
    prompt_template_id  LowCardinality(String),
    evidence_version    Nullable(String),
    task_class          LowCardinality(String),
    env                 LowCardinality(String),
    user_id_hash        Nullable(String),
    consent             LowCardinality(String),
    experiment_id       Nullable(String),
    variant             Nullable(String),
    outcome             LowCardinality(String),
    input_tokens        Nullable(Int64),
    cached_input_tokens Nullable(Int64),
    output_tokens       Nullable(Int64),
    prompt_tokens       Nullable(Int64),
    ttft_ms             Nullable(Int64),
    latency_ms          Nullable(Int64),
    total_ms            Nullable(Int64),
    route               LowCardinality(String),
    first_failed_stage  LowCardinality(String),
    unsafe_claim_served Nullable(Bool),
    explicit_feedback   String,
    error_type          String,
    retry_count         Nullable(Int64),
    stop_reason         String,
    prompt_chars        Int64,
    response_chars      Int64,
    keep_u              Float64,
    keep                Float64,
    keep_flagged        Float64,
    text_kept           Bool,
    quarantined         Bool,
    expires_at          DateTime('UTC'),
    text_expires_at     DateTime('UTC'),
    INDEX ids event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX requests request_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{ReplacingMergeTree(server_ingest_time)}}
PARTITION BY toYYYYMM(effective_time)
ORDER BY (toStartOfHour(effective_time), session_hash, effective_time, event_id)
SAMPLE BY session_hash
TTL expires_at
SETTINGS non_replicated_deduplication_window = 1000;
