DROP TABLE label_merges;
ALTER TABLE boxes DROP COLUMN mid;
