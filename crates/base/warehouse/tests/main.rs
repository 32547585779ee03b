//! The contract of the warehouse, on both engines.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod arrivals;
mod cities;
mod collection;
mod consents;
mod crawls;
mod hostile;
mod images;
mod jobs;
mod label_log;
mod labelled_images;
mod labelling;
mod labels;
mod leaderships;
mod limits;
mod marts;
mod migrations;
mod models;
mod planning;
mod processes;
mod queues;
mod reviews;
mod scheduled_tasks;
mod settings;
mod support;
