//! Google as far as labels are concerned, and pictures to show it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use sightscan_jobs::Backoff;
use sightscan_label::Picture;
use sightscan_label::vision::{Credentials, Vision, VisionConfig};
use sightscan_pictures::{Encoding, encode};
use sightscan_testkit::upstreams::oauth::OAuth;
use sightscan_testkit::upstreams::vision::{self, API_KEY, Landmark, PATH, Sighting};
use sightscan_types::ImageId;
use tempfile::TempDir;

/// Vision and the tokens of service accounts.
pub(crate) struct Google {
    pub(crate) vision: vision::Vision,
    pub(crate) oauth: OAuth,
    folder: TempDir,
}

impl Google {
    pub(crate) async fn start() -> Self {
        let oauth = OAuth::start().await;
        let vision = vision::Vision::start_with(&oauth).await;
        Self { vision, oauth, folder: tempfile::tempdir().unwrap() }
    }

    /// What is seen in these pictures from now on; nothing in others.
    pub(crate) fn sees(&self, sightings: Vec<(Bytes, Sighting)>) {
        self.vision.answer_with(move |bytes| {
            let known = sightings.iter().find(|(picture, _)| picture == bytes);
            known.map_or(Sighting::Landmarks(vec![]), |(_, sighting)| sighting.clone())
        });
    }

    /// How many pictures each request had that was answered well.
    pub(crate) fn batches(&self) -> Vec<usize> {
        let requests = self.vision.upstream.log().requests_to(PATH).into_iter();
        let good = requests.filter(|seen| seen.status == Some(200));
        let pictures = good.map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
        pictures.map(|body| body["requests"].as_array().unwrap().len()).collect()
    }

    /// How many requests Vision got.
    pub(crate) fn requests(&self) -> usize {
        self.vision.upstream.log().count(PATH)
    }

    pub(crate) fn config(&self) -> VisionConfig {
        let (base, cap) = (Duration::from_millis(1), Duration::from_millis(5));
        VisionConfig {
            base_url: self.vision.upstream.url().to_owned(),
            backoff: Backoff { base, cap },
            ..VisionConfig::default()
        }
    }

    pub(crate) fn by_key(&self) -> Vision {
        by_key(self.config())
    }

    pub(crate) fn by_account(&self) -> Vision {
        self.by_account_with(self.config())
    }

    pub(crate) fn by_account_with(&self, config: VisionConfig) -> Vision {
        let file = self.oauth.write_service_account(self.folder.path());
        Vision::new(config, Credentials::service_account(&file).unwrap()).unwrap()
    }
}

pub(crate) fn by_key(config: VisionConfig) -> Vision {
    Vision::new(config, Credentials::api_key(API_KEY).unwrap()).unwrap()
}

/// Different pictures of 120x80 pixels.
pub(crate) fn pictures(count: usize) -> Vec<Picture> {
    (0..count).map(|number| plain(120, 80, [number as u8, (number >> 8) as u8, 90])).collect()
}

/// A picture of one colour, as PNG.
pub(crate) fn plain(width: u32, height: u32, colour: [u8; 3]) -> Picture {
    painted(width, height, colour.repeat(width as usize * height as usize))
}

/// A picture with these pixels, as PNG.
pub(crate) fn painted(width: u32, height: u32, rgb: Vec<u8>) -> Picture {
    let bytes = encode(&sightscan_pictures::Picture { width, height, rgb }, Encoding::Png).unwrap();
    Picture { id: ImageId::new(), bytes: bytes.into(), width, height }
}

/// A landmark in the upper left quarter of a picture of 120x80 pixels, where coordinates are zero.
pub(crate) fn landmark(name: &str) -> Landmark {
    Landmark {
        mid: "/m/0b_5z".to_owned(),
        location: Some((52.5, 13.25)),
        ..Landmark::new(name, [0, 0, 60, 40])
    }
}

/// What nothing that is shown or logged may hold.
pub(crate) fn assert_no_secret(shown: &impl fmt::Debug) {
    let text = format!("{shown:?}");
    for secret in [API_KEY, "ya29", "PRIVATE KEY"] {
        assert!(!text.contains(secret), "{text}");
    }
}
