-- What a labeler can judge: task classes and languages. Without an entry of a
-- kind they can judge all of it, so nobody has to be set up before they start.
ALTER TABLE labelers
    ADD COLUMN task_classes text[] NOT NULL DEFAULT '{}',
    ADD COLUMN languages text[] NOT NULL DEFAULT '{}';

-- The language a response is written in, as ISO 639-1; empty where its text
-- does not say, which needs no skill.
ALTER TABLE items ADD COLUMN language text NOT NULL DEFAULT '' CHECK (language ~ '^([a-z]{2})?$');
