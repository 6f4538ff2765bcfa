-- What the events of an ingest key are taken under. A key without a row has
-- the strictest terms: counted, and no text kept.
CREATE TABLE ingest_terms (
    key_id       bigint PRIMARY KEY,
    consent      text NOT NULL CHECK (consent IN ('none', 'aggregate', 'redacted', 'full')),
    capture      text NOT NULL CHECK (capture IN ('hash', 'redacted', 'raw')),
    keep         double precision NOT NULL CHECK (keep BETWEEN 0 AND 1),
    keep_flagged double precision NOT NULL CHECK (keep_flagged BETWEEN 0 AND 1),
    -- Times stand as sent, without the skew rule: a replay of what was recorded elsewhere.
    historical   boolean NOT NULL,
    allowed_skew interval NOT NULL CHECK (allowed_skew > '0'),
    text_days    int NOT NULL CHECK (text_days > 0),
    row_days     int NOT NULL CHECK (row_days >= text_days),
    legal_hold   boolean NOT NULL,
    changed_at   timestamptz NOT NULL DEFAULT now()
);

-- The salt of the draw that keeps or drops a session's text. It is secret
-- from clients, who could otherwise choose sessions that are never kept.
CREATE TABLE keep_salts (
    id         text PRIMARY KEY,
    salt       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE UPDATE, DELETE ON keep_salts FROM assay_app;
INSERT INTO keep_salts (id, salt)
VALUES ('keep-1', gen_random_uuid()::text || gen_random_uuid()::text);
