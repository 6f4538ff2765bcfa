-- A link that signs a person in once: the first sign-in, or a lost password.
-- Only the hash is kept.
CREATE TABLE sign_in_links (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    person_id  bigint NOT NULL REFERENCES people,
    made_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE INDEX sign_in_links_of_person ON sign_in_links (person_id);
