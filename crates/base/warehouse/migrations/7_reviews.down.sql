DROP TABLE label_assignments;
DROP TABLE label_reviews;
ALTER TABLE images DROP COLUMN doubt;
ALTER TABLE labels DROP COLUMN withdrawn_at;
