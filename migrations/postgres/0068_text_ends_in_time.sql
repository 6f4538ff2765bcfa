-- For how long what people wrote is kept. A change is a new version; the
-- newest stands. An ingest key may keep its events for less, never for more.
CREATE TABLE retention_policies (
    version      int         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text_days    int         NOT NULL CHECK (text_days BETWEEN 1 AND 90),
    labeled_days int         NOT NULL CHECK (labeled_days >= text_days AND labeled_days <= 3650),
    row_days     int         NOT NULL CHECK (row_days >= text_days AND row_days <= 3650),
    reason       text        NOT NULL,
    author       text        NOT NULL,
    at           timestamptz NOT NULL
);
REVOKE UPDATE, DELETE ON retention_policies FROM assay_app;
INSERT INTO retention_policies (text_days, labeled_days, row_days, reason, author, at)
VALUES (90, 365, 365, 'as shipped', 'assay', now());

-- A legal hold keeps what it names beyond every time and every erasure.
CREATE TABLE legal_holds (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id text        NOT NULL DEFAULT '',
    person     text        NOT NULL DEFAULT '', -- a hashed user id
    reason     text        NOT NULL CHECK (char_length(reason) BETWEEN 3 AND 500),
    placed_by  text        NOT NULL,
    placed_at  timestamptz NOT NULL,
    ended_by   text,
    ended_at   timestamptz,
    CONSTRAINT legal_holds_name_one CHECK ((session_id = '') <> (person = '') OR ended_at IS NOT NULL) -- an erasure blanks whom an ended one was about
);
CREATE UNIQUE INDEX legal_holds_once ON legal_holds (session_id, person) WHERE ended_at IS NULL;
REVOKE DELETE ON legal_holds FROM assay_app;

-- The sessions a hold covers; of a person, also those that came after it.
CREATE TABLE legal_hold_sessions (
    hold_id    bigint NOT NULL REFERENCES legal_holds,
    session_id text   NOT NULL,
    PRIMARY KEY (hold_id, session_id)
);
CREATE INDEX legal_hold_sessions_by_session ON legal_hold_sessions (session_id);

-- What a deletion did in each place and what was left there afterwards, signed.
CREATE TABLE retention_proofs (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text        NOT NULL CHECK (kind IN ('schedule', 'erasure')),
    erasure_id bigint,
    began_at   timestamptz NOT NULL,
    made_at    timestamptz NOT NULL,
    places     jsonb       NOT NULL, -- name, removed, left
    clean      boolean     NOT NULL,
    note       text        NOT NULL  -- the signed statement
);
CREATE INDEX retention_proofs_newest ON retention_proofs (made_at DESC);
REVOKE UPDATE, DELETE ON retention_proofs FROM assay_app;
