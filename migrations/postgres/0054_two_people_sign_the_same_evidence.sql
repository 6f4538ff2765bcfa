CREATE TABLE approvals (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handoff_id    bigint NOT NULL REFERENCES handoffs,
    person_id     bigint NOT NULL REFERENCES people,
    person_name   text NOT NULL,
    decision      text NOT NULL CHECK (decision IN ('approve', 'reject')),
    meaning       text NOT NULL,         -- what the signature says, in the first person
    evidence_hash text NOT NULL,
    comment       text NOT NULL DEFAULT '' CHECK (length(comment) <= 5000),
    unopened      jsonb NOT NULL DEFAULT '[]', -- windows the signer had not opened
    stepped_up_at timestamptz NOT NULL,
    signed_at     timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL CHECK (expires_at > signed_at),
    voided_at     timestamptz,
    void_reason   text,
    signature     jsonb NOT NULL,
    CONSTRAINT approvals_step_up_is_fresh CHECK (stepped_up_at BETWEEN signed_at - INTERVAL '10 minutes' AND signed_at + INTERVAL '1 minute'),
    CHECK ((voided_at IS NULL) = (void_reason IS NULL))
);
CREATE UNIQUE INDEX approvals_one_per_person ON approvals (handoff_id, person_id) WHERE voided_at IS NULL;
REVOKE DELETE ON approvals FROM assay_app;

-- The rules that must hold whatever the program does: who signs is a release
-- manager, did not ask for it and did not write it, and signs what is there now.
CREATE FUNCTION refuse_wrong_signer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    handoff handoffs;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.voided_at, NEW.void_reason) IS DISTINCT FROM (OLD.voided_at, OLD.void_reason) AND OLD.voided_at IS NULL
           AND (to_jsonb(NEW) - ARRAY['voided_at', 'void_reason']) = (to_jsonb(OLD) - ARRAY['voided_at', 'void_reason']) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a signature is only ever voided' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_stay';
    END IF;
    SELECT * INTO handoff FROM handoffs WHERE id = NEW.handoff_id FOR UPDATE;
    IF NOT EXISTS (SELECT FROM person_roles r JOIN people p ON p.id = r.person_id
                   WHERE r.person_id = NEW.person_id AND r.role = 'release_manager' AND p.disabled_at IS NULL) THEN
        RAISE EXCEPTION 'only a release manager signs' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_by_release_managers';
    END IF;
    IF handoff.requested_by_kind = 'person' AND handoff.requested_by = NEW.person_id THEN
        RAISE EXCEPTION 'nobody signs what they asked for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_not_by_the_requester';
    END IF;
    IF EXISTS (SELECT FROM templates WHERE template_id = handoff.candidate_template_id AND author_kind = 'person' AND author_id = NEW.person_id) THEN
        RAISE EXCEPTION 'nobody signs what they wrote' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_not_by_the_author';
    END IF;
    IF handoff.evidence_hash <> NEW.evidence_hash THEN
        RAISE EXCEPTION 'the evidence has changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_of_this_evidence';
    END IF;
    IF NEW.decision = 'approve' AND handoff.promotion_status NOT IN ('READY_FOR_APPROVAL', 'APPROVED') THEN
        RAISE EXCEPTION 'nothing is approved before it is ready' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_when_ready';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_wrong_signer BEFORE INSERT OR UPDATE ON approvals
    FOR EACH ROW EXECUTE FUNCTION refuse_wrong_signer();

CREATE FUNCTION valid_approvals(handoff bigint, evidence text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT person_id)
    FROM approvals
    WHERE handoff_id = handoff
      AND evidence_hash = evidence
      AND decision = 'approve'
      AND voided_at IS NULL
      AND expires_at > now()
$$;

-- No row becomes approved or promoted without two valid signatures on the
-- evidence it carries, and what is final stays final.
CREATE FUNCTION refuse_unsigned_promotion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.promotion_status <> 'BLOCKED_PENDING_EVALUATION' THEN
            RAISE EXCEPTION 'a handoff begins blocked' USING ERRCODE = 'check_violation', CONSTRAINT = 'handoffs_begin_blocked';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.contract <> NEW.contract OR OLD.required_metric_hash <> NEW.required_metric_hash
       OR OLD.candidate_template_id <> NEW.candidate_template_id OR OLD.failing_template_id <> NEW.failing_template_id
       OR OLD.requested_by <> NEW.requested_by THEN
        RAISE EXCEPTION 'what a handoff froze does not change' USING ERRCODE = 'check_violation', CONSTRAINT = 'handoffs_frozen';
    END IF;
    IF OLD.promotion_status IN ('FAILED', 'REJECTED', 'REVOKED') AND NEW.promotion_status <> OLD.promotion_status THEN
        RAISE EXCEPTION 'a final status stays' USING ERRCODE = 'check_violation', CONSTRAINT = 'handoffs_final_stay';
    END IF;
    IF NEW.promotion_status IN ('APPROVED', 'PROMOTED') AND NEW.promotion_status <> OLD.promotion_status
       AND valid_approvals(NEW.id, NEW.evidence_hash) < 2 THEN
        RAISE EXCEPTION 'two release managers sign first' USING ERRCODE = 'check_violation', CONSTRAINT = 'handoffs_two_sign';
    END IF;
    IF NEW.promotion_status = 'PROMOTED' AND OLD.promotion_status NOT IN ('APPROVED', 'PROMOTED') THEN
        RAISE EXCEPTION 'only what is approved is promoted' USING ERRCODE = 'check_violation', CONSTRAINT = 'handoffs_approved_first';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER handoffs_unsigned_promotion BEFORE INSERT OR UPDATE ON handoffs
    FOR EACH ROW EXECUTE FUNCTION refuse_unsigned_promotion();
REVOKE DELETE ON handoffs FROM assay_app;
