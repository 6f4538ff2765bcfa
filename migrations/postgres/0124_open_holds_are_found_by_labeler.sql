-- What a labeler holds or put off is asked for with every page and every
-- reservation; their history only grows. All holds of a queue are few and are
-- found among all holds.
DROP INDEX reservations_held_in_queue;
CREATE INDEX reservations_open ON reservations (labeler_id, queue_id, id) WHERE state IN ('held', 'put_off');
