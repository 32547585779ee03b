-- The time dimension, by the hour (UTC): time_id = hours since 1970-01-01.
CREATE TABLE times (
    time_id BIGINT NOT NULL PRIMARY KEY,
    date    TEXT   NOT NULL,                 -- 2026-11-21
    year    BIGINT NOT NULL,
    month   BIGINT NOT NULL,
    day     BIGINT NOT NULL,
    hour    BIGINT NOT NULL,
    weekday BIGINT NOT NULL                  -- 1 Monday to 7 Sunday (ISO 8601)
);

-- One row for each different content. The bytes are the blob with this SHA-256.
CREATE TABLE images (
    image_id        TEXT NOT NULL PRIMARY KEY,
    sha256          TEXT NOT NULL UNIQUE,
    media_type      TEXT NOT NULL,
    size            BIGINT NOT NULL,         -- bytes
    width           BIGINT NOT NULL,         -- pixels, upright
    height          BIGINT NOT NULL,
    perceptual_hash BIGINT,                  -- near-duplicates differ in few bits
    review          TEXT NOT NULL,           -- accepted, pending, rejected: only accepted ones are trained on
    label_id        TEXT,                    -- the current labelling
    label_attempts  BIGINT NOT NULL DEFAULT 0,
    created_at      BIGINT NOT NULL
);

-- The consent of somebody who donated pictures.
CREATE TABLE consents (
    consent_id     TEXT NOT NULL PRIMARY KEY,
    kind           TEXT NOT NULL,            -- explicit, legacy-checkbox
    text_version   TEXT NOT NULL,            -- which text was agreed to
    requester      TEXT NOT NULL,            -- keyed hash of the client
    deletion_token TEXT NOT NULL UNIQUE,     -- SHA-256 of the token in the deletion link
    given_at       BIGINT NOT NULL,
    revoked_at     BIGINT
);

-- Where an image came from; the same image may have come from several places.
CREATE TABLE image_origins (
    origin_id    TEXT NOT NULL PRIMARY KEY,
    image_id     TEXT NOT NULL REFERENCES images,
    kind         TEXT NOT NULL,              -- crawl, donation, import
    source       TEXT NOT NULL,              -- the picture's address, or the id of the donation
    page_url     TEXT,
    author       TEXT,
    licence      TEXT,                       -- SPDX identifier or the source's own words
    licence_url  TEXT,
    retrieved_at BIGINT NOT NULL,
    consent_id   TEXT REFERENCES consents,
    UNIQUE (image_id, source)
);
CREATE INDEX image_origins_by_source ON image_origins (source);
CREATE INDEX image_origins_by_consent ON image_origins (consent_id) WHERE consent_id IS NOT NULL;

-- The fact table: this image shows something of this city.
CREATE TABLE city_images (
    city_id  TEXT NOT NULL REFERENCES cities,
    image_id TEXT NOT NULL REFERENCES images,
    sight_id TEXT REFERENCES sights,
    time_id  BIGINT NOT NULL REFERENCES times,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (city_id, image_id)
);
CREATE INDEX city_images_by_image ON city_images (image_id);

-- One labelling of one image. Never changed: a newer one is a new row.
CREATE TABLE labels (
    label_id      TEXT NOT NULL PRIMARY KEY,
    image_id      TEXT NOT NULL REFERENCES images,
    producer_kind TEXT NOT NULL,             -- human, vision, model, import
    producer      TEXT NOT NULL,             -- who: a user, a model's version, a program
    outcome       TEXT NOT NULL,             -- found, nothing, failed
    reason        TEXT,                      -- why it failed
    summary       TEXT NOT NULL,             -- JSON of its boxes, for readers of the mart
    made_at       BIGINT NOT NULL
);
CREATE INDEX labels_by_image ON labels (image_id, made_at);

CREATE TABLE boxes (
    label_id TEXT NOT NULL REFERENCES labels,
    number   BIGINT NOT NULL,                -- counts from 0 within its labelling
    label    TEXT NOT NULL,                  -- the sight's name as its producer wrote it
    x        DOUBLE PRECISION NOT NULL,      -- left edge; all four relative to the image, from its top left corner
    y        DOUBLE PRECISION NOT NULL,      -- top edge
    w        DOUBLE PRECISION NOT NULL,
    h        DOUBLE PRECISION NOT NULL,
    score    DOUBLE PRECISION,               -- 0 to 1; NULL: people give none
    PRIMARY KEY (label_id, number)
);

-- A frozen selection of labelled images that models are trained on.
CREATE TABLE datasets (
    dataset_id TEXT NOT NULL PRIMARY KEY,
    city_id    TEXT NOT NULL REFERENCES cities,
    classes    TEXT NOT NULL,                -- JSON array of names, in the order of their numbers
    created_at BIGINT NOT NULL,
    tainted_at BIGINT,                       -- an image in it was withdrawn
    taint      TEXT                          -- why
);

CREATE TABLE dataset_images (
    dataset_id TEXT NOT NULL REFERENCES datasets,
    image_id   TEXT NOT NULL,                -- no reference: the image may be withdrawn
    split      TEXT NOT NULL,                -- train, validation, test
    PRIMARY KEY (dataset_id, image_id)
);
CREATE INDEX dataset_images_by_image ON dataset_images (image_id);

CREATE TABLE models (
    model_id          TEXT NOT NULL PRIMARY KEY,
    city_id           TEXT NOT NULL REFERENCES cities,
    version           BIGINT NOT NULL,       -- counts from 1 for each city
    sha256            TEXT NOT NULL,         -- the ONNX file is the blob with this SHA-256
    size              BIGINT NOT NULL,       -- bytes
    specification     TEXT NOT NULL,         -- its model.toml
    dataset_id        TEXT REFERENCES datasets,
    considered_images BIGINT NOT NULL,       -- labelled images of the city that it was trained on
    metrics           TEXT NOT NULL,         -- JSON object
    created_at        BIGINT NOT NULL,
    tainted_at        BIGINT,
    taint             TEXT,
    UNIQUE (city_id, version)
);

-- Arrivals as other programs send them. A row is moved on and deleted by the next run of the scheduler; a row that
-- cannot be moved stays, with the reason.
CREATE TABLE load_images (
    load_id     TEXT NOT NULL PRIMARY KEY DEFAULT {random_id},
    image       {bytes} NOT NULL,            -- the picture file
    city        TEXT NOT NULL,               -- any form of its name
    source      TEXT NOT NULL,               -- where it is from
    page_url    TEXT,
    author      TEXT,
    licence     TEXT,
    licence_url TEXT,
    sight       TEXT,
    width       BIGINT,                      -- what the sender believes; measured when it is moved on
    height      BIGINT,
    arrived_at  BIGINT NOT NULL DEFAULT {now},
    refused     TEXT                         -- why it could not be moved on
);

CREATE TABLE load_labels (
    load_id    TEXT NOT NULL PRIMARY KEY DEFAULT {random_id},
    source     TEXT NOT NULL,                -- the image's source
    boxes      TEXT NOT NULL,                -- JSON: [{"label","ul_x","ul_y","lr_x","lr_y"}], y upwards, or [{"label","x","y","w","h"}], y downwards
    producer   TEXT NOT NULL DEFAULT 'load_labels',
    arrived_at BIGINT NOT NULL DEFAULT {now},
    refused    TEXT
);

CREATE TABLE load_models (
    load_id           TEXT NOT NULL PRIMARY KEY DEFAULT {random_id},
    city              TEXT NOT NULL,
    model             {bytes} NOT NULL,      -- an ONNX file
    considered_images BIGINT NOT NULL DEFAULT 0,
    arrived_at        BIGINT NOT NULL DEFAULT {now},
    refused           TEXT
);

-- Marts, for readers. The first two are views, so that a new model or image is seen at once.
CREATE VIEW mart_current_models AS
SELECT c.city_id, c.slug, c.name, c.legacy_name, m.model_id, m.version, m.sha256, m.size, m.created_at
FROM cities c JOIN models m ON m.city_id = c.city_id
WHERE m.version = (SELECT MAX(n.version) FROM models n WHERE n.city_id = c.city_id);

-- Of several origins the first one with a licence is shown: that is what the image may be used under. `label_producer` and
-- `labels` (JSON) are the current labelling; NULL and '[]': not labelled.
CREATE VIEW mart_city_images AS
SELECT f.city_id, f.image_id, c.slug, i.sha256, i.media_type, i.width, i.height, o.source, o.licence, s.name AS sight,
       i.review, l.producer_kind AS label_producer, COALESCE(l.summary, '[]') AS labels, f.added_at
FROM city_images f JOIN cities c ON c.city_id = f.city_id JOIN images i ON i.image_id = f.image_id
JOIN image_origins o ON o.image_id = f.image_id AND o.origin_id =
    (SELECT p.origin_id FROM image_origins p WHERE p.image_id = f.image_id ORDER BY p.licence IS NULL, p.origin_id LIMIT 1)
LEFT JOIN sights s ON s.sight_id = f.sight_id LEFT JOIN labels l ON l.label_id = i.label_id;

-- The others are tables that the refresh counts anew, for the cities that changed since the last one: those in here.
CREATE TABLE mart_changes (
    city_id TEXT NOT NULL
);

CREATE TABLE mart_city_progress (
    city_id      TEXT NOT NULL PRIMARY KEY,
    slug         TEXT NOT NULL,
    images       BIGINT NOT NULL,
    labelled     BIGINT NOT NULL,            -- with at least one current box
    empty        BIGINT NOT NULL,            -- looked at, nothing found
    unlabelled   BIGINT NOT NULL,
    donated      BIGINT NOT NULL,
    boxes        BIGINT NOT NULL,
    sights       BIGINT NOT NULL,
    models       BIGINT NOT NULL,
    refreshed_at BIGINT NOT NULL
);

CREATE TABLE mart_label_statistics (
    city_id      TEXT NOT NULL,
    label        TEXT NOT NULL,
    images       BIGINT NOT NULL,
    boxes        BIGINT NOT NULL,
    human_boxes  BIGINT NOT NULL,
    mean_score   DOUBLE PRECISION,
    refreshed_at BIGINT NOT NULL
);
-- Not unique by label: a label has any length, a key of PostgreSQL at most 2,704 bytes.
CREATE INDEX mart_label_statistics_by_city ON mart_label_statistics (city_id);
