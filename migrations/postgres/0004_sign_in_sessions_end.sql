-- A sign-in session: the cookie's secret is kept as its hash alone. It ends
-- after 30 minutes without a request, after 12 hours, by its person, or with
-- its person's account.
CREATE TABLE sign_in_sessions (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash       bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    person_id        bigint NOT NULL REFERENCES people,
    started_at       timestamptz NOT NULL,
    seen_at          timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    second_factor_at timestamptz, -- when the second factor was given in this session
    stepped_up_at    timestamptz, -- when the person last proved again who they are
    address          text NOT NULL DEFAULT '',
    browser          text NOT NULL DEFAULT '' CHECK (length(browser) <= 60),
    ended_at         timestamptz
);

CREATE INDEX sign_in_sessions_of_person ON sign_in_sessions (person_id) WHERE ended_at IS NULL;
CREATE INDEX sign_in_sessions_by_age ON sign_in_sessions (expires_at);
