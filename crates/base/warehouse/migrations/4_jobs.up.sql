-- Work that takes minutes. A job stays here until it is finished; then it moves to jobs_archive.
CREATE TABLE jobs (
    job_id            TEXT NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,             -- which kind of work
    queue             TEXT NOT NULL,             -- crawl, label, train, upkeep
    priority          BIGINT NOT NULL,           -- the greater, the sooner
    deduplication_key TEXT,                      -- of two live jobs with the same key one is enqueued
    city_id           TEXT,                      -- whose life it is part of
    payload           TEXT NOT NULL,             -- JSON
    state             TEXT NOT NULL,             -- waiting, running
    run_at            BIGINT NOT NULL,           -- not before
    attempts          BIGINT NOT NULL DEFAULT 0, -- runs that were begun
    max_attempts      BIGINT NOT NULL,
    worker            TEXT,                      -- who runs it
    lease             TEXT,                      -- proves that a worker's claim is the latest
    lease_until       BIGINT,
    cancel_requested  BOOLEAN NOT NULL DEFAULT FALSE,
    done              BIGINT NOT NULL DEFAULT 0,
    total             BIGINT,
    message           TEXT,
    last_error        TEXT,
    request_id        TEXT,                      -- of the HTTP request that asked for it
    created_at        BIGINT NOT NULL,
    started_at        BIGINT
);
CREATE UNIQUE INDEX jobs_deduplicated ON jobs (name, deduplication_key) WHERE deduplication_key IS NOT NULL;
CREATE INDEX jobs_waiting ON jobs (name, priority DESC, run_at, job_id) WHERE state = 'waiting';
CREATE INDEX jobs_running ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_by_city ON jobs (city_id);

-- Finished jobs.
CREATE TABLE jobs_archive (
    job_id      TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    queue       TEXT NOT NULL,
    priority    BIGINT NOT NULL,
    deduplication_key TEXT,
    city_id     TEXT,
    payload     TEXT NOT NULL,
    outcome     TEXT NOT NULL,                   -- done, dead, cancelled
    reason      TEXT,                            -- why it is dead or cancelled
    attempts    BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    worker      TEXT,
    done        BIGINT NOT NULL,
    total       BIGINT,
    message     TEXT,
    request_id  TEXT,
    created_at  BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT NOT NULL
);
CREATE INDEX jobs_archive_by_time ON jobs_archive (finished_at, job_id);
CREATE INDEX jobs_archive_by_city ON jobs_archive (city_id);
CREATE INDEX jobs_archive_dead ON jobs_archive (finished_at, job_id) WHERE outcome = 'dead';

-- Who leads: the holder of a role may act until then.
CREATE TABLE leaderships (
    role   TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);

-- The scheduler's tasks and how their last run went.
CREATE TABLE scheduled_tasks (
    task             TEXT NOT NULL PRIMARY KEY,
    runs             BIGINT NOT NULL DEFAULT 0,
    failures         BIGINT NOT NULL DEFAULT 0,
    last_started_at  BIGINT,
    last_finished_at BIGINT,
    last_error       TEXT                        -- NULL: the last run went well
);
