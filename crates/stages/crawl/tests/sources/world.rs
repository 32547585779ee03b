//! Sources as the fakes of the testkit play their services, with real pictures.

use std::collections::HashSet;

use sightscan_crawl::fetch::Fetcher;
use sightscan_crawl::licence::{Policy, Verdict};
use sightscan_crawl::sights::{
    OpenStreetMap, OpenStreetMapConfig, Places, PlacesConfig, Wikidata, WikidataConfig,
};
use sightscan_crawl::sources::{
    ApiKey, Commons, CommonsConfig, CustomSearch, CustomSearchConfig, Flickr, FlickrConfig, Openverse,
    OpenverseConfig,
};
use sightscan_crawl::{Candidate, City, ImageSource, Picture, Sight, SightSource};
use sightscan_testkit::upstreams::wikimedia::Wikimedia;
use sightscan_testkit::upstreams::{
    Upstream, World, custom_search, flickr, openverse, overpass, places, world,
};

use super::{base, fetcher, pictures};

/// The world of the testkit; `None` where its data is missing.
fn world() -> Option<World> {
    World::of_sights()
}

fn city() -> City {
    let paris = world::City::paris();
    City {
        name: paris.name,
        country: Some("FR".to_owned()),
        latitude: Some(paris.latitude),
        longitude: Some(paris.longitude),
        geonames: Some(paris.geonames),
    }
}

/// The sights of the world by name.
fn known(world: &World) -> HashSet<String> {
    world.sights.iter().map(|sight| sight.name.clone()).collect()
}

fn names(sights: &[Sight]) -> HashSet<String> {
    sights.iter().map(|sight| sight.name.clone()).collect()
}

async fn can_be_fetched(fetcher: &Fetcher, candidate: &Candidate) {
    let Picture::At(url) = &candidate.picture else { panic!("it has an address") };
    let fetched = fetcher.picture(url).await.unwrap();
    assert!(!fetched.bytes.is_empty());
}

fn assert_is_free(candidates: &[Candidate]) {
    for candidate in candidates {
        assert_eq!(Policy::default().judge(candidate.licence.as_deref()), Verdict::Use, "{candidate:?}");
        assert!(candidate.page_url.is_some());
    }
}

#[tokio::test]
async fn wikidata_and_commons_name_sights_and_their_pictures() {
    let Some(world) = world() else { return };
    let wikimedia = Wikimedia::start(world).await;
    let (upstream, fetcher) = (&wikimedia.upstream, fetcher(&wikimedia.upstream));
    let wikidata = Wikidata::new(fetcher.clone(), &WikidataConfig { base: base(upstream) });
    let sights = wikidata.sights(&city(), 10).await.unwrap();
    assert_eq!(names(&sights), known(wikimedia.world()));
    let commons = Commons::new(fetcher.clone(), &CommonsConfig { base: base(upstream) });
    for sight in &sights {
        let candidates = pictures(&commons, sight).await;
        let of_sight = wikimedia.world().pictures.iter().filter(|picture| {
            let shown = picture.sight.map(|index| &wikimedia.world().sights[index]);
            shown.is_some_and(|shown| Some(&shown.wikidata) == sight.wikidata.as_ref())
        });
        assert!(candidates.len() >= of_sight.count(), "{}: {}", sight.name, candidates.len());
        let sources: HashSet<_> = candidates.iter().map(|candidate| &candidate.source).collect();
        assert_eq!(sources.len(), candidates.len());
        assert_is_free(&candidates);
        assert!(candidates.iter().all(|candidate| candidate.author.is_some()));
        can_be_fetched(&fetcher, &candidates[0]).await;
    }
}

#[tokio::test]
async fn w_l1_originals_are_not_fetched_where_there_are_thumbnails() {
    let Some(mut world) = world() else { return };
    let of_first = world.pictures[0].sight;
    world.pictures.retain(|picture| picture.sight == of_first);
    world.pictures.truncate(2);
    world.pictures[0].width = 1280;
    let wikimedia = Wikimedia::start(world).await;
    wikimedia.refuse_originals();
    let (upstream, fetcher) = (&wikimedia.upstream, fetcher(&wikimedia.upstream));
    let commons = Commons::new(fetcher.clone(), &CommonsConfig { base: base(upstream) });
    let shown = &wikimedia.world().sights[wikimedia.world().pictures[0].sight.unwrap()];
    let sight =
        Sight { name: shown.name.clone(), commons_category: shown.category.clone(), ..Sight::default() };
    let candidates = pictures(&commons, &sight).await;
    assert_eq!(candidates.len(), 2);
    for candidate in &candidates {
        can_be_fetched(&fetcher, candidate).await;
    }
}

#[tokio::test]
async fn places_and_openstreetmap_name_the_sights_too() {
    let Some(world) = world() else { return };
    let known = known(&world);
    let map = overpass::Overpass::start(world.clone()).await;
    let config = OpenStreetMapConfig { base: base(&map.upstream) };
    let openstreetmap = OpenStreetMap::new(fetcher(&map.upstream), &config);
    assert_eq!(names(&openstreetmap.sights(&city(), 10).await.unwrap()), known);
    let google = places::Places::start(world).await;
    let mut config = PlacesConfig::new(ApiKey::new(places::API_KEY));
    config.base = base(&google.upstream);
    let source = Places::new(fetcher(&google.upstream), config);
    let sights = source.sights(&city(), 20).await.unwrap();
    let ids: HashSet<_> = sights.iter().map(|sight| &sight.external_id).collect();
    assert_eq!((sights.len(), ids.len()), (known.len(), known.len()), "each place once, in German");
    assert_eq!(google.upstream.log().count(places::PATH), 2);
    google.refuse("REQUEST_DENIED", "This API key is not authorized.");
    assert!(!source.sights(&city(), 20).await.unwrap_err().is_transient());
}

/// Each picture of a sight that a service has, once, and one of them fetched.
async fn names_pictures(upstream: &Upstream, source: &dyn ImageSource, sight: &Sight) -> Vec<Candidate> {
    let candidates = pictures(source, sight).await;
    assert!(!candidates.is_empty(), "{}", source.name());
    let sources: HashSet<_> = candidates.iter().map(|candidate| &candidate.source).collect();
    assert_eq!(sources.len(), candidates.len());
    can_be_fetched(&fetcher(upstream), &candidates[0]).await;
    candidates
}

#[tokio::test]
async fn services_of_many_collections_name_pictures() {
    let Some(world) = world() else { return };
    let sight = Sight { name: world.sights[0].name.clone(), ..Sight::default() };
    let count = world.found_by(&sight.name).len();

    let fake = openverse::Openverse::start(world.clone()).await;
    let config = OpenverseConfig { base: base(&fake.upstream), ..OpenverseConfig::default() };
    let source = Openverse::new(fetcher(&fake.upstream), &config);
    let candidates = names_pictures(&fake.upstream, &source, &sight).await;
    assert_eq!(candidates.len(), count);
    assert_is_free(&candidates);

    let fake = flickr::Flickr::start(world.clone()).await;
    let mut config = FlickrConfig::new(ApiKey::new(flickr::API_KEY));
    config.base = base(&fake.upstream);
    let candidates =
        names_pictures(&fake.upstream, &Flickr::new(fetcher(&fake.upstream), config), &sight).await;
    assert_is_free(&candidates);

    let fake = custom_search::CustomSearch::start(world).await;
    let mut config = CustomSearchConfig::new(ApiKey::new(custom_search::API_KEY), custom_search::ENGINE);
    config.base = base(&fake.upstream);
    let source = CustomSearch::new(fetcher(&fake.upstream), config);
    let candidates = names_pictures(&fake.upstream, &source, &sight).await;
    assert_eq!(candidates.len(), count.min(100));
    assert!(candidates.iter().all(|candidate| candidate.licence.is_none()));
}
