-- A suspension is opened by a wrong answer to a canary and ended by a person,
-- with a reason and after every canary was answered as it must be. A new
-- version of the validator that answers all of them ends it too.
CREATE TABLE suspensions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    validator  text NOT NULL,
    version    text NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    doubt_from timestamptz NOT NULL, -- when its canaries were last right
    canary     jsonb NOT NULL, -- the first that was answered wrongly: name, want, got, reason, took_ms
    lifted_at  timestamptz,
    lifted_by  text, -- a person's name; '' for a new version
    reason     text NOT NULL DEFAULT '',
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);
CREATE UNIQUE INDEX suspensions_one_open ON suspensions (validator) WHERE lifted_at IS NULL;

INSERT INTO suspensions (validator, version, since, doubt_from, canary)
SELECT DISTINCT ON (r.validator) r.validator, r.version, r.began_at, r.doubt_from,
       coalesce((SELECT t FROM jsonb_array_elements(r.tried) AS t WHERE NOT (t ->> 'ok')::boolean LIMIT 1), '{}')
FROM canary_rounds r
WHERE NOT r.passed AND r.id > coalesce((SELECT max(p.id) FROM canary_rounds p WHERE p.validator = r.validator AND p.passed), 0)
ORDER BY r.validator, r.id;
