CREATE TABLE templates (
    template_id text PRIMARY KEY CHECK (length(template_id) BETWEEN 1 AND 200),
    text        text NOT NULL CHECK (length(text) BETWEEN 1 AND 200000),
    parameters  jsonb NOT NULL DEFAULT '{}',
    sha256      text NOT NULL,
    author_kind text NOT NULL,             -- person or key
    author_id   bigint NOT NULL,
    author_name text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    used_at     timestamptz                -- a handoff names it: from now on it stays as it is
);

CREATE FUNCTION refuse_used_template() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.used_at IS NOT NULL AND (TG_OP = 'DELETE' OR NEW.text <> OLD.text OR NEW.parameters <> OLD.parameters OR NEW.used_at IS NULL) THEN
        RAISE EXCEPTION 'template % is in use and does not change', OLD.template_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'templates_used_stay';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER templates_used_stay BEFORE UPDATE OR DELETE ON templates
    FOR EACH ROW EXECUTE FUNCTION refuse_used_template();
