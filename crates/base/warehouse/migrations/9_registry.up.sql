-- Models are candidates until the gate has judged them: live, retired (was live), or rejected with the reason in the ledger.
ALTER TABLE models ADD COLUMN state TEXT NOT NULL DEFAULT 'candidate';
-- The model whose weights the training started from.
ALTER TABLE models ADD COLUMN parent_id TEXT;
UPDATE models SET state = 'retired';
UPDATE models SET state = 'live'
WHERE version = (SELECT MAX(n.version) FROM models n WHERE n.city_id = models.city_id);
CREATE UNIQUE INDEX models_live ON models (city_id) WHERE state = 'live';

-- What became of models, and why. Rows are added, never changed.
CREATE TABLE model_ledger (
    city_id     TEXT NOT NULL REFERENCES cities,
    number      BIGINT NOT NULL,             -- counts from 1 for each city
    model_id    TEXT NOT NULL REFERENCES models,
    replaced_id TEXT,                        -- the model that was live until then
    action      TEXT NOT NULL,               -- registered, promoted, rejected, rolled-back
    actor       TEXT NOT NULL,
    why         TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (city_id, number)
);
INSERT INTO model_ledger (city_id, number, model_id, action, actor, why, at)
SELECT city_id, 1, model_id, 'promoted', 'schema', 'it was the newest one', created_at FROM models WHERE state = 'live';

DROP VIEW mart_current_models;
CREATE VIEW mart_current_models AS
SELECT c.city_id, c.slug, c.name, c.legacy_name, m.model_id, m.version, m.sha256, m.size, m.created_at
FROM cities c JOIN models m ON m.city_id = c.city_id WHERE m.state = 'live';
