ALTER TABLE labels ADD COLUMN withdrawn_at BIGINT;   -- whoever made it took it back: it does not count any more

-- What the labellings of machines leave open, 0 (nothing) to 1. NULL: none of them has looked.
ALTER TABLE images ADD COLUMN doubt DOUBLE PRECISION;

-- What people have said about labels.
CREATE TABLE label_reviews (
    review_id     TEXT NOT NULL PRIMARY KEY,     -- UUIDv7: in the order of time
    image_id      TEXT NOT NULL REFERENCES images,
    reviewer      TEXT NOT NULL,
    verdict       TEXT NOT NULL,                 -- accept, correct, negative, reject, skip
    label_id      TEXT REFERENCES labels,        -- the labelling that it made
    review_before TEXT NOT NULL,                 -- images.review until then
    reviewed_at   BIGINT NOT NULL,
    undone_at     BIGINT,
    undone_by     TEXT
);
CREATE INDEX label_reviews_by_image ON label_reviews (image_id, review_id);

-- Who looks at an image now: nobody else is shown it until then.
CREATE TABLE label_assignments (
    image_id TEXT NOT NULL PRIMARY KEY REFERENCES images,
    reviewer TEXT NOT NULL,
    until    BIGINT NOT NULL
);
