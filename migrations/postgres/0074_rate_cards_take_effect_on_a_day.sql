-- A card prices calls from a day on, of every model version or of one. What a
-- window cost "as in effect" is computed by the card of each call's own day; a
-- card is never edited, so that figure stays what it was.
ALTER TABLE rate_cards
    ADD COLUMN effective_from date NOT NULL DEFAULT '2020-01-01',
    ADD COLUMN model_version  text NOT NULL DEFAULT '', -- '' prices every version without a card of its own
    ADD COLUMN added_by       text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX rate_cards_one_a_day ON rate_cards (model_version, effective_from, currency);
