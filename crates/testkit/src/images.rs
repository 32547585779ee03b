//! Images for a warehouse.

use sightscan_types::{OriginKind, Provenance, Review};
use sightscan_warehouse::images::NewImage;

/// An image of 640x480 pixels that may be used and was found at this address.
pub fn crawled(source: &str) -> NewImage {
    let provenance = Provenance {
        kind: OriginKind::Crawl,
        source: source.to_owned(),
        page_url: None,
        author: None,
        licence: Some("CC-BY-4.0".to_owned()),
        licence_url: None,
        retrieved_at: 1,
    };
    NewImage {
        media_type: "image/jpeg".to_owned(),
        width: 640,
        height: 480,
        perceptual_hash: None,
        review: Review::Accepted,
        provenance,
        consent: None,
        sight: None,
    }
}
