-- The answer to a POST that carried an Idempotency-Key, kept for a day so that
-- the same request sent again gets the same answer and changes nothing more.
-- Without a status the first request is still being answered.
CREATE TABLE idempotent_answers (
    actor_kind   text NOT NULL,
    actor_id     bigint NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    asked_at     timestamptz NOT NULL,
    status       integer,
    content_type text,
    body         bytea,
    PRIMARY KEY (actor_kind, actor_id, key)
);

CREATE INDEX idempotent_answers_by_age ON idempotent_answers (asked_at);
