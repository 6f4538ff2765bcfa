-- What a usage record costs is computed against a named card, so that old
-- traces stay readable when prices change. A card is never edited.
CREATE TABLE rate_cards (
    version                  text PRIMARY KEY CHECK (length(version) BETWEEN 1 AND 100),
    input_per_million        double precision NOT NULL CHECK (input_per_million >= 0),
    cached_input_per_million double precision NOT NULL CHECK (cached_input_per_million >= 0),
    output_per_million       double precision NOT NULL CHECK (output_per_million >= 0),
    currency                 text NOT NULL DEFAULT 'USD',
    created_at               timestamptz NOT NULL DEFAULT now()
);
REVOKE UPDATE, DELETE ON rate_cards FROM assay_app;

CREATE TABLE policies (
    policy_id            text PRIMARY KEY CHECK (length(policy_id) BETWEEN 1 AND 100),
    max_unsafe_serves    integer NOT NULL CHECK (max_unsafe_serves >= 0),
    max_p95_ttft_ms      bigint NOT NULL CHECK (max_p95_ttft_ms > 0),
    max_window_cost_usd  double precision NOT NULL CHECK (max_window_cost_usd >= 0),
    rate_card            text NOT NULL REFERENCES rate_cards,
    summary              text NOT NULL CHECK (length(summary) BETWEEN 1 AND 500),
    task_class           text NOT NULL DEFAULT '', -- '' watches every class
    -- A day and an hour: what arrives a day late still counts where the skew rule puts it.
    window_minutes       integer NOT NULL DEFAULT 1500 CHECK (window_minutes BETWEEN 1 AND 43200),
    created_at           timestamptz NOT NULL DEFAULT now()
);

INSERT INTO rate_cards (version, input_per_million, cached_input_per_million, output_per_million)
VALUES ('internal-fixture-2026-05-27', 1.00, 0.10, 5.00);

INSERT INTO policies (policy_id, max_unsafe_serves, max_p95_ttft_ms, max_window_cost_usd, rate_card, summary)
VALUES ('delivery-grounding-slo-v1', 0, 500, 0.002, 'internal-fixture-2026-05-27',
        'Unsupported delivery claim reached customer response.');
