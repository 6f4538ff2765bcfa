-- The approved right of named labelers to read a queue's unredacted text for a
-- while. It holds once two people who neither asked nor read have agreed, and
-- ends by its time, a denial or a revocation.
CREATE TABLE reading_grants (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id     bigint NOT NULL REFERENCES queues,
    reason       text NOT NULL CHECK (length(reason) BETWEEN 10 AND 2000),
    requested_by bigint NOT NULL REFERENCES people,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    until        timestamptz NOT NULL,
    ended_at     timestamptz, -- denied or revoked
    ended_by     bigint REFERENCES people,
    CHECK (until > requested_at AND until <= requested_at + interval '31 days'),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX reading_grants_of_queue ON reading_grants (queue_id, until);
REVOKE DELETE ON reading_grants FROM assay_app;

CREATE TABLE reading_grant_labelers (
    grant_id  bigint NOT NULL REFERENCES reading_grants,
    person_id bigint NOT NULL REFERENCES people,
    PRIMARY KEY (grant_id, person_id)
);
REVOKE UPDATE, DELETE ON reading_grant_labelers FROM assay_app;

CREATE TABLE reading_grant_approvals (
    grant_id    bigint NOT NULL REFERENCES reading_grants,
    person_id   bigint NOT NULL REFERENCES people,
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (grant_id, person_id)
);
REVOKE UPDATE, DELETE ON reading_grant_approvals FROM assay_app;

-- Whatever a query forgets: who asked and who reads approves nothing.
CREATE FUNCTION reading_grant_approved_by_others() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM reading_grants g WHERE g.id = NEW.grant_id AND g.requested_by = NEW.person_id)
       OR EXISTS (SELECT FROM reading_grant_labelers l WHERE l.grant_id = NEW.grant_id AND l.person_id = NEW.person_id) THEN
        RAISE EXCEPTION 'person % asked for or reads under grant %', NEW.person_id, NEW.grant_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER reading_grant_approved_by_others BEFORE INSERT ON reading_grant_approvals
    FOR EACH ROW EXECUTE FUNCTION reading_grant_approved_by_others();
