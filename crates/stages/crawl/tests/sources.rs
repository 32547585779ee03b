//! Sources over real sockets.

mod files;
mod pictures;
mod sights;
mod world;

use futures_util::StreamExt;
use serde_json::Value;
use sightscan_crawl::fetch::{FetchConfig, Fetcher};
use sightscan_crawl::sources::ApiKey;
use sightscan_crawl::{Candidate, City, ImageSource, Picture, Sight, SourceError};
use sightscan_testkit::upstreams::{Answer, Upstream};
use std::time::Duration;

/// A key that nobody could write by chance.
const KEY: &str = "AIza-key+of/tests";

fn key() -> ApiKey {
    ApiKey::new(KEY)
}

fn fetcher(upstream: &Upstream) -> Fetcher {
    let config = FetchConfig {
        user_agent: "SightScan/0.1 (https://sightscan.example; tests@sightscan.example)".to_owned(),
        pace: Duration::ZERO,
        back_off: Duration::from_millis(1),
        tries: 2,
        trusted_hosts: vec![upstream.host().to_owned()],
        ..FetchConfig::default()
    };
    Fetcher::new(config).unwrap()
}

fn base<T: std::str::FromStr<Err: std::fmt::Debug>>(upstream: &Upstream) -> T {
    upstream.url().parse().unwrap()
}

fn berlin() -> City {
    City {
        name: "Berlin".to_owned(),
        country: Some("DE".to_owned()),
        latitude: Some(52.52437),
        longitude: Some(13.41053),
        geonames: Some(2_950_159),
    }
}

fn gate() -> Sight {
    Sight {
        name: "Brandenburg Gate".to_owned(),
        latitude: Some(52.516_272),
        longitude: Some(13.377_722),
        wikidata: Some("Q82425".to_owned()),
        commons_category: Some("Brandenburger Tor".to_owned()),
        source: "wikidata".to_owned(),
        external_id: Some("Q82425".to_owned()),
    }
}

/// Gives a path this answer in JSON.
fn answer(upstream: &Upstream, path: &str, value: &Value) {
    upstream.fix(path, Answer::json(value));
}

/// All that a source names, and the error that ended it.
async fn named(source: &dyn ImageSource, sight: &Sight) -> (Vec<Candidate>, Option<SourceError>) {
    let city = berlin();
    let (mut candidates, mut error) = (Vec::new(), None);
    let mut stream = source.pictures(&city, sight);
    while let Some(next) = stream.next().await {
        assert!(error.is_none(), "nothing comes after an error");
        match next {
            Ok(candidate) => candidates.push(candidate),
            Err(failure) => error = Some(failure),
        }
    }
    (candidates, error)
}

/// All that a source names without an error.
async fn pictures(source: &dyn ImageSource, sight: &Sight) -> Vec<Candidate> {
    let (candidates, error) = named(source, sight).await;
    assert!(error.is_none(), "{error:?}");
    candidates
}

fn sources_of(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|candidate| candidate.source.as_str()).collect()
}

fn address(candidate: &Candidate) -> &str {
    match &candidate.picture {
        Picture::At(url) => url.as_str(),
        Picture::Here(_) => panic!("it has an address"),
    }
}

/// The parameters of the requests for a path, in the order in which they came.
fn asked(upstream: &Upstream, path: &str, parameter: &str) -> Vec<Option<String>> {
    let requests = upstream.log().requests_to(path);
    let value = |query: &str| {
        let url = reqwest::Url::parse(&format!("http://fake/?{query}")).unwrap();
        url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned())
    };
    requests.iter().map(|request| value(request.query())).collect()
}

fn assert_hides_key(error: &SourceError) {
    let texts = format!("{error} {error:?}");
    let encoded = "AIza-key%2Bof%2Ftests";
    assert!(!texts.contains(KEY) && !texts.contains(encoded), "{texts}");
}
