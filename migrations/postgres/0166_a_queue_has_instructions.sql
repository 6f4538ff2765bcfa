-- What whoever owns a queue tells those who label in it, above the guide of
-- its task class: what to look for here, whom to ask.
ALTER TABLE queues ADD COLUMN instructions text NOT NULL DEFAULT '' CHECK (char_length(instructions) <= 2000);
