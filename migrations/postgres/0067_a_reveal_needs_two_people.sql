-- A look at the raw text of one event: asked for with a reason, decided by a
-- second person, opened for a quarter of an hour. It holds no text and not
-- whose text it is; the payload lies in the vault.
CREATE TABLE reveals (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid        NOT NULL,
    session_id      text        NOT NULL,
    payload         text        NOT NULL,
    task_class      text        NOT NULL,
    reason          text        NOT NULL CHECK (char_length(reason) BETWEEN 10 AND 500),
    requested_by    bigint      NOT NULL,
    requester       text        NOT NULL,
    requested_at    timestamptz NOT NULL,
    answer_by       timestamptz NOT NULL, -- nobody decided until then: it expires
    state           text        NOT NULL DEFAULT 'waiting'
                    CHECK (state IN ('waiting', 'approved', 'denied', 'withdrawn', 'expired')),
    decided_by      bigint,
    decider         text,
    decided_at      timestamptz,
    decision_reason text        NOT NULL DEFAULT '',
    open_by         timestamptz, -- an approval that is not used until then ends
    closes_at       timestamptz, -- a quarter of an hour after the first opening
    openings        int         NOT NULL DEFAULT 0 CHECK (openings >= 0),
    ended_at        timestamptz, -- denied, withdrawn, expired
    CONSTRAINT reveals_need_two_people CHECK (decided_by <> requested_by),
    CONSTRAINT reveals_approved_are_decided CHECK (state NOT IN ('approved', 'denied') OR decided_by IS NOT NULL),
    CONSTRAINT reveals_open_when_approved CHECK (openings = 0 OR decided_by IS NOT NULL AND closes_at IS NOT NULL),
    CONSTRAINT reveals_end CHECK ((ended_at IS NULL) = (state IN ('waiting', 'approved')))
);
-- Asked twice for the same text, the first request stands.
CREATE UNIQUE INDEX reveals_once ON reveals (event_id, requested_by) WHERE state IN ('waiting', 'approved');
CREATE INDEX reveals_live ON reveals (answer_by) WHERE state IN ('waiting', 'approved');
REVOKE DELETE ON reveals FROM assay_app;
