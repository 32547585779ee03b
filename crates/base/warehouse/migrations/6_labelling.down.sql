DROP TABLE label_merges;
