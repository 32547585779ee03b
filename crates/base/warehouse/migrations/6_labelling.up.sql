ALTER TABLE boxes ADD COLUMN mid TEXT;          -- the sight's id in Google's Knowledge Graph, /m/01g5v

-- Names of labels that mean the same sight: which one a producer's name is read as. Nothing is renamed in `boxes`.
CREATE TABLE label_merges (
    merge_id  TEXT NOT NULL PRIMARY KEY,
    city_id   TEXT NOT NULL REFERENCES cities,
    label     TEXT NOT NULL,                 -- as its producer wrote it
    canonical TEXT NOT NULL,                 -- what it is read as
    sight_id  TEXT REFERENCES sights,        -- the sight, where it is known
    reason    TEXT NOT NULL,
    merged_at BIGINT NOT NULL,
    undone_at BIGINT,                        -- when somebody said that it is wrong: it is not merged again
    undone_by TEXT
);
CREATE INDEX label_merges_by_city ON label_merges (city_id);
