-- Who allowed what, and when it was withdrawn: every word a person said about
-- their telemetry, in order. The last one is the most that is kept of what
-- comes afterwards. People stand here by the hash their events carry.
CREATE TABLE consent_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    said_id      uuid NOT NULL UNIQUE, -- made from the content: said twice it is one
    user_id_hash text NOT NULL DEFAULT '',
    consent_id   text NOT NULL DEFAULT '', -- of the dialog; events name it
    action       text NOT NULL CHECK (action IN ('given', 'withdrawn')),
    consent      text NOT NULL CHECK (consent IN ('none', 'aggregate', 'redacted', 'full')), -- the most that may be kept from then on
    dialog       text NOT NULL DEFAULT '', -- "telemetry", "file_access"
    said_at      timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    recorded_by  text NOT NULL,
    CHECK (user_id_hash != '' OR consent_id != ''),
    CHECK (action = 'given' OR consent IN ('none', 'aggregate'))
);
CREATE INDEX consent_log_person ON consent_log (user_id_hash, id DESC) WHERE user_id_hash != '';
CREATE INDEX consent_log_dialog ON consent_log (consent_id, id DESC) WHERE consent_id != '';
REVOKE UPDATE, DELETE ON consent_log FROM assay_app;
