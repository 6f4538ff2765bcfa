-- The borderline cases of a guide, each with its answer and why, as they are
-- written; versioned with the guide.
ALTER TABLE guides ADD COLUMN cases text NOT NULL DEFAULT '';
