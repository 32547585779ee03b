-- A city and where it is in its life: requested, approved, crawling, labelling, training, live, failed, paused, rejected.
CREATE TABLE cities (
    city_id       TEXT NOT NULL PRIMARY KEY,
    slug          TEXT NOT NULL UNIQUE,      -- new-york: in our URLs
    name          TEXT NOT NULL,             -- New York: shown to people
    legacy_name   TEXT NOT NULL,             -- NEW_YORK: on the original's routes
    place_id      BIGINT,                    -- GeoNames; NULL: a name that the gazetteer does not know
    country       TEXT,                      -- ISO 3166-1 alpha-2
    latitude      DOUBLE PRECISION,          -- degrees, WGS 84
    longitude     DOUBLE PRECISION,
    state         TEXT NOT NULL,
    failed_stage  TEXT,                      -- crawl, label, train: where it failed
    reason        TEXT,                      -- why it failed, is paused or rejected
    resumes       TEXT,                      -- the state that a paused city goes on with
    state_since   BIGINT NOT NULL,
    done          BIGINT NOT NULL DEFAULT 0, -- progress of the stage that runs
    total         BIGINT,
    message       TEXT,
    last_event    BIGINT NOT NULL DEFAULT 0, -- the number of its newest event
    label_budget  BIGINT,                    -- paid labelling calls in the city's lifetime; NULL: the configured number
    label_calls   BIGINT NOT NULL DEFAULT 0, -- those already made
    created_at    BIGINT NOT NULL
);
CREATE INDEX cities_by_state ON cities (state, created_at);
CREATE INDEX cities_by_legacy_name ON cities (legacy_name);
CREATE INDEX cities_by_place ON cities (place_id);

-- Who asked for a city, and how often. The requester is a keyed hash of the client's address or API key.
CREATE TABLE city_requesters (
    city_id   TEXT NOT NULL REFERENCES cities,
    requester TEXT NOT NULL,
    requests  BIGINT NOT NULL,
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    PRIMARY KEY (city_id, requester)
);

-- What happened to a city, in order: changes of state with who and why, progress, remarks.
CREATE TABLE city_events (
    city_id    TEXT NOT NULL REFERENCES cities,
    number     BIGINT NOT NULL,              -- counts from 1 for each city
    at         BIGINT NOT NULL,
    kind       TEXT NOT NULL,                -- state, progress, log
    actor      TEXT NOT NULL,                -- admin, scheduler, the worker's name, requesters
    from_state TEXT,
    state      TEXT,
    stage      TEXT,
    done       BIGINT,
    total      BIGINT,
    message    TEXT,
    PRIMARY KEY (city_id, number)
);
CREATE INDEX city_events_of_states ON city_events (city_id, number) WHERE kind = 'state';

CREATE TABLE sights (
    sight_id    TEXT NOT NULL PRIMARY KEY,
    city_id     TEXT NOT NULL REFERENCES cities,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,               -- the name folded for comparison
    latitude    DOUBLE PRECISION,
    longitude   DOUBLE PRECISION,
    source      TEXT,                        -- which service knew it
    external_id TEXT,                        -- its id there
    created_at  BIGINT NOT NULL,
    UNIQUE (city_id, name_key)
);
