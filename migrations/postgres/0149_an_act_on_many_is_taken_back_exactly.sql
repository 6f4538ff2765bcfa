-- Undo takes back what the act did and nothing that came after it: it asks
-- whether an item is still as the act left it, so the act keeps with what it
-- was done.
ALTER TABLE selections ADD COLUMN argument text NOT NULL DEFAULT '';
UPDATE selections s
SET argument = coalesce(CASE act
    WHEN 'first' THEN '1'
    WHEN 'last' THEN '-1'
    WHEN 'normal' THEN '0'
    WHEN 'assign' THEN (SELECT l.id::text FROM labelers l WHERE l.person_id::text = s.target)
    WHEN 'remove' THEN (SELECT i.removed_by FROM selection_items c JOIN items i ON i.id = c.item_id
                        WHERE c.selection_id = s.id AND c.changed AND i.removed_reason = 'bulk' LIMIT 1)
    WHEN 'move' THEN (SELECT i.removed_by FROM selection_items c JOIN items i ON i.id = c.item_id
                      WHERE c.selection_id = s.id AND c.changed AND i.removed_reason = 'moved' LIMIT 1)
    END, '')
WHERE act IS NOT NULL;
