-- What a person consented to stays, as the record that the rest was kept
-- lawfully; the name their events carried goes. In its place stands a hash
-- under a salt of this installation: whoever knows the name can still ask what
-- was said, and what was withdrawn still holds for what comes later.
CREATE FUNCTION forget_in_consent_log(person text, hashed text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    n bigint;
BEGIN
    IF person = '' OR hashed NOT LIKE 'erased:%' THEN
        RAISE EXCEPTION 'a person is forgotten under a hash';
    END IF;
    UPDATE consent_log
    SET user_id_hash = hashed,
        said_id = gen_random_uuid() -- the old one was made from the name
    WHERE user_id_hash = person;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION forget_in_consent_log FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_in_consent_log TO assay_app;
