DROP TABLE scheduled_tasks;
DROP TABLE leaderships;
DROP TABLE jobs_archive;
DROP TABLE jobs;
