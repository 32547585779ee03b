ALTER TABLE sights ADD COLUMN wikidata TEXT;         -- its item, Q82425
ALTER TABLE sights ADD COLUMN commons_category TEXT; -- its category in Wikimedia Commons
ALTER TABLE sights ADD COLUMN crawled_at BIGINT;     -- when its crawl was last finished
CREATE INDEX sights_by_wikidata ON sights (city_id, wikidata);

-- What became of each picture that a source has named for a sight. Nothing in here is fetched again.
CREATE TABLE crawled_pictures (
    sight_id   TEXT NOT NULL REFERENCES sights,
    source     TEXT NOT NULL,                -- as in image_origins
    city_id    TEXT NOT NULL REFERENCES cities,
    found_by   TEXT NOT NULL,                -- who named it: commons, openverse
    image_id   TEXT,                         -- no reference: the image may be withdrawn; NULL: set aside
    reason     TEXT,                         -- why it was set aside
    decided_at BIGINT NOT NULL,
    PRIMARY KEY (sight_id, source)
);
CREATE INDEX crawled_pictures_by_city ON crawled_pictures (city_id, reason);
