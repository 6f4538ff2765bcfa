-- Signals ask for more gold and for a second reading of everything a labeler
-- says, until they end or a reviewer has looked. They never take a label away.
ALTER TABLE labelers ADD COLUMN watched boolean NOT NULL DEFAULT false;
