-- What people say to one another about an item, after they labeled it.
CREATE TABLE comments (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id    bigint NOT NULL REFERENCES items,
    person_id  bigint NOT NULL REFERENCES people,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX comments_of_item ON comments (item_id, id);
REVOKE UPDATE, DELETE ON comments FROM assay_app;

-- What people wrote; erasure may empty it.
CREATE TABLE comment_texts (
    comment_id bigint PRIMARY KEY REFERENCES comments,
    body       text NOT NULL
);

-- What waits for a person to read it: a mention, a dispute of their label, its
-- decision. It names the item; the words stay there.
CREATE TABLE notices (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id  bigint NOT NULL REFERENCES people,
    kind       text NOT NULL CHECK (kind IN ('mention', 'disputed', 'decided')),
    item_id    bigint NOT NULL REFERENCES items,
    from_id    bigint REFERENCES people,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at    timestamptz
);
CREATE INDEX notices_unread ON notices (person_id) WHERE read_at IS NULL;
CREATE INDEX notices_of_person ON notices (person_id, id);
REVOKE DELETE ON notices FROM assay_app;
