-- Second readings are the second phase of sampling: each has a probability,
-- known when the first label is, and an estimate weighs it by one over that.

-- Drawn by a number of its own before anybody read the item. What comes to a
-- second reading otherwise (somebody asked, a late submit) is no sample.
ALTER TABLE items ADD COLUMN second_drawn boolean NOT NULL DEFAULT false;
UPDATE items SET second_drawn = true WHERE wanted >= 2 AND source = 'rule' AND overlap > 0;

-- Whether every "hallucinated" of the queue is read again. It is, wherever
-- labels reach a gate.
ALTER TABLE queues ADD COLUMN hallucinated_again boolean NOT NULL DEFAULT true;

ALTER TABLE consensus
    -- The probability of a second reading, given the first label and who gave
    -- it; NULL where there is none to speak of (imports, discovery).
    ADD COLUMN second_probability double precision CHECK (second_probability >= 0 AND second_probability <= 1),
    -- The design asks for a second reading of this item.
    ADD COLUMN second_due boolean NOT NULL DEFAULT false,
    -- The standing labels by what they say, for items that wait for a decision.
    ADD COLUMN votes smallint[] NOT NULL DEFAULT '{0,0,0,0}' CHECK (cardinality(votes) = 4);

UPDATE consensus c
SET second_probability = CASE WHEN q.labels_wanted > 1 THEN 1 ELSE i.overlap END,
    second_due = q.labels_wanted > 1 OR i.second_drawn
FROM items i JOIN queues q ON q.id = i.queue_id
WHERE i.id = c.item_id AND i.design = 'bottom_k' AND q.kind = 'standard' AND c.first_reading IS NOT NULL;

UPDATE consensus c
SET votes = v.votes
FROM (
    SELECT item_id, ARRAY[
               count(*) FILTER (WHERE label = 'correct'), count(*) FILTER (WHERE label = 'partially_correct'),
               count(*) FILTER (WHERE label = 'hallucinated'), count(*) FILTER (WHERE label = 'cannot_tell')]::smallint[] AS votes
    FROM (SELECT DISTINCT ON (item_id, labeler_id) item_id, label FROM labels ORDER BY item_id, labeler_id, revision DESC) AS latest
    GROUP BY item_id
) AS v
WHERE v.item_id = c.item_id;
