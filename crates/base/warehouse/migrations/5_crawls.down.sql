DROP TABLE crawled_pictures;
DROP INDEX sights_by_wikidata;
ALTER TABLE sights DROP COLUMN crawled_at;
ALTER TABLE sights DROP COLUMN commons_category;
ALTER TABLE sights DROP COLUMN wikidata;
