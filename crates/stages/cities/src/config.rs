//! The section `[cities]` of the configuration.

use serde::{Deserialize, Serialize};

/// The section `[cities]` of the configuration. Sizes are in bytes, intervals in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// So many different requesters approve a city; the original waited for 100 requests.
    pub request_threshold: u32,
    /// A crawl that a request starts looks for at most so many sights.
    pub max_sights_per_city: u32,
    /// And stores at most so many images of each.
    pub max_images_per_sight: u32,
    /// Paid labelling calls in the lifetime of a city, unless the city has a number of its own.
    pub max_label_calls_per_city: u32,
    /// A city is trained once it has more labelled images than this.
    pub min_labelled_images: u32,
    /// And again once more labelled images than this are not in its newest model.
    pub retrain_after_images: u32,
    /// Labels with fewer images are left out of a training.
    pub min_images_per_label: u32,
    /// Passes over the training images.
    pub epochs: u32,
    /// Bytes of one donated picture.
    pub max_upload_bytes: u64,
    /// Pixels of one donated picture.
    pub max_upload_pixels: u64,
    /// Requests that one client may make in a minute.
    pub requests_per_minute: u32,
    /// Uploads and requests for cities that one client may make in a minute.
    pub writes_per_minute: u32,
    /// Proxies (addresses or networks) whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Names under which the server answers; on loopback any unless given.
    pub allowed_hosts: Vec<String>,
    /// The address of the server as clients see it, for links in answers; the request's host unless given.
    pub public_url: Option<String>,
    /// How often the marts are refreshed and arrivals moved on.
    pub refresh_seconds: u64,
    /// How often labelling is planned.
    pub plan_labelling_seconds: u64,
    /// How often training is planned.
    pub plan_training_seconds: u64,
    /// How often blobs that nothing refers to and finished jobs are cleared away.
    pub clean_up_seconds: u64,
    /// For so many days finished jobs are kept.
    pub keep_jobs_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_threshold: 1,
            max_sights_per_city: 10,
            max_images_per_sight: 100,
            max_label_calls_per_city: 1000,
            min_labelled_images: 100,
            retrain_after_images: 100,
            min_images_per_label: 30,
            epochs: 100,
            max_upload_bytes: 20 << 20,
            max_upload_pixels: 50_000_000,
            requests_per_minute: 600,
            writes_per_minute: 60,
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
            public_url: None,
            refresh_seconds: 3600,
            plan_labelling_seconds: 3600,
            plan_training_seconds: 3600,
            clean_up_seconds: 3600,
            keep_jobs_days: 30,
        }
    }
}
