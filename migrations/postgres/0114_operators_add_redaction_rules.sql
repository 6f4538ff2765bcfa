-- The operator's own rules of redaction, all of them in each version. The
-- newest is in force; an event names the version it was taken under, so that
-- what it was redacted by can always be read here. Version 0 is no row: the
-- product's own kinds alone.
CREATE TABLE redaction_policies (
    version int         PRIMARY KEY CHECK (version > 0),
    rules   jsonb       NOT NULL CHECK (jsonb_typeof(rules) = 'array' AND octet_length(rules::text) <= 200000),
    reason  text        NOT NULL CHECK (char_length(reason) BETWEEN 3 AND 500),
    author  text        NOT NULL,
    at      timestamptz NOT NULL
);
REVOKE UPDATE, DELETE ON redaction_policies FROM assay_app;
