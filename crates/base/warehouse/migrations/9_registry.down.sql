DROP VIEW mart_current_models;
CREATE VIEW mart_current_models AS
SELECT c.city_id, c.slug, c.name, c.legacy_name, m.model_id, m.version, m.sha256, m.size, m.created_at
FROM cities c JOIN models m ON m.city_id = c.city_id
WHERE m.version = (SELECT MAX(n.version) FROM models n WHERE n.city_id = c.city_id);
DROP TABLE model_ledger;
DROP INDEX models_live;
ALTER TABLE models DROP COLUMN parent_id;
ALTER TABLE models DROP COLUMN state;
