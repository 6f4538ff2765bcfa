-- Why a person put a response into a queue by hand, in their words. They go
-- with the text of the item.
CREATE TABLE put_texts (
    item_id bigint PRIMARY KEY REFERENCES items,
    why     text NOT NULL CHECK (char_length(why) BETWEEN 1 AND 200)
);
