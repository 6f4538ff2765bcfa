-- Where the raw text of an event lies sealed, a keyed hash of texts that are
-- not kept at all, and the decision about its class's rate that the keep draw
-- was made under (capture_rates; 0: its key's own terms).
ALTER TABLE events ADD COLUMN IF NOT EXISTS raw_payload_ref String;
ALTER TABLE events ADD COLUMN IF NOT EXISTS prompt_hash String;
ALTER TABLE events ADD COLUMN IF NOT EXISTS response_hash String;
ALTER TABLE events ADD COLUMN IF NOT EXISTS capture_rate Int64;
