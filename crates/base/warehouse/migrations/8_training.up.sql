-- The blob with what the dataset holds: SHA-256s of its images, their splits and boxes, as JSON. NULL: written down before.
ALTER TABLE datasets ADD COLUMN manifest TEXT;
