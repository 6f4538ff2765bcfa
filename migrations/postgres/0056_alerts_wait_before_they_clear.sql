-- A warning resolves when its breach has been gone for a while, so that a value
-- that swings about its limit is one alert and not twenty.
ALTER TABLE alerts
    ADD COLUMN clear_since         timestamptz, -- the breach is gone since then, on windows with data
    ADD COLUMN silenced_by         bigint REFERENCES people,
    ADD COLUMN exemplar_request_id text NOT NULL DEFAULT '',
    ADD COLUMN exemplar_session_id text NOT NULL DEFAULT '',
    ADD CONSTRAINT alerts_silenced_until CHECK (state <> 'silenced' OR silenced_until IS NOT NULL);

-- What the last evaluation of a policy saw. No request at all is no data: it
-- fires nothing, resolves nothing and is said.
ALTER TABLE policies
    ADD COLUMN evaluated_at timestamptz,
    ADD COLUMN requests     bigint CHECK (requests >= 0),
    ADD COLUMN data_at      timestamptz; -- the last evaluation that saw any
