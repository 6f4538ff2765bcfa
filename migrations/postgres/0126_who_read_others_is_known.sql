-- From when on a labeler knew what others said of an item. A label they change
-- after that is no second look of their own, and says so wherever it goes.
CREATE TABLE labels_read (
    labeler_id bigint NOT NULL REFERENCES labelers,
    item_id    bigint NOT NULL REFERENCES items,
    first_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (labeler_id, item_id)
);
REVOKE UPDATE, DELETE ON labels_read FROM assay_app;
