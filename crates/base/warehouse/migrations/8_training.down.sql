ALTER TABLE datasets DROP COLUMN manifest;
