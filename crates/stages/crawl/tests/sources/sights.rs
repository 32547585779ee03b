//! Sources of sights.

use serde_json::{Value, json};
use sightscan_crawl::sights::{
    Merged, OpenStreetMap, OpenStreetMapConfig, Places, PlacesConfig, SightsFile, Wikidata, WikidataConfig,
};
use sightscan_crawl::{City, Sight, SightSource, SourceError};
use sightscan_testkit::upstreams::{Answer, Upstream};

use super::{answer, asked, assert_hides_key, base, berlin, fetcher, key};

fn names(sights: &[Sight]) -> Vec<&str> {
    sights.iter().map(|sight| sight.name.as_str()).collect()
}

fn wikidata(upstream: &Upstream) -> Wikidata {
    Wikidata::new(fetcher(upstream), &WikidataConfig { base: base(upstream) })
}

fn row(item: &str, label: &str, point: &str, category: Option<&str>) -> Value {
    let mut row = json!({
        "item": {"type": "uri", "value": format!("http://www.wikidata.org/entity/{item}")},
        "itemLabel": {"xml:lang": "en", "type": "literal", "value": label},
        "coordinate": {
            "datatype": "http://www.opengis.net/ont/geosparql#wktLiteral", "type": "literal", "value": point,
        },
        "links": {
            "datatype": "http://www.w3.org/2001/XMLSchema#integer", "type": "literal", "value": "120",
        },
    });
    if let Some(category) = category {
        row["category"] = json!({"type": "literal", "value": category});
    }
    row
}

fn rows(rows: &[Value]) -> Value {
    json!({"head": {"vars": ["item", "itemLabel", "coordinate", "category", "links"]}, "results": {"bindings": rows}})
}

/// Shaped after <https://www.w3.org/TR/sparql11-results-json/> and
/// <https://www.mediawiki.org/wiki/Wikidata_Query_Service/User_Manual>.
#[tokio::test]
async fn wikidata_names_sights_with_item_category_and_place() {
    let upstream = Upstream::blank().await;
    let answered = rows(&[
        row("Q82425", "Brandenburg Gate", "Point(13.377722 52.516272)", Some("Brandenburger Tor")),
        row("Q82425", "Brandenburg Gate", "Point(13.4 52.5)", Some("Brandenburg Gate")),
        row("Q999999", "Q999999", "Point(13.4 52.5)", None),
        row("Q151356", "Berlin Cathedral", "Point(13.401 52.519)", None),
        row("Q2109", "Fernsehturm", "Point(13.409 52.521)", None),
    ]);
    answer(&upstream, "/sparql", &answered);
    let sights = wikidata(&upstream).sights(&berlin(), 2).await.unwrap();
    assert_eq!(names(&sights), ["Brandenburg Gate", "Berlin Cathedral"]);
    assert_eq!(sights[0], super::gate());
    assert_eq!(sights[1].commons_category, None);
    let queries = asked(&upstream, "/sparql", "query");
    assert_eq!(queries.len(), 1);
    assert!(queries[0].as_ref().unwrap().contains("wdt:P1566 \"2950159\""));
    assert_eq!(asked(&upstream, "/sparql", "format"), [Some("json".to_owned())]);
}

#[tokio::test]
async fn a_city_that_wikidata_does_not_know_by_its_id_is_found_by_name_or_place() {
    let upstream = Upstream::blank().await;
    answer(&upstream, "/sparql", &rows(&[]));
    let sights = wikidata(&upstream).sights(&berlin(), 5).await.unwrap();
    assert_eq!(sights, []);
    let queries: Vec<String> = asked(&upstream, "/sparql", "query").into_iter().flatten().collect();
    let [by_id, by_name, by_place] = &queries[..] else { panic!("{} queries", queries.len()) };
    assert!(by_id.contains("\"2950159\"") && !by_id.contains("\"Berlin\""));
    assert!(by_name.contains("\"Berlin\"@en"));
    assert!(by_place.contains("Point(13.41053 52.52437)") && !by_place.contains("Berlin"));
}

#[tokio::test]
async fn a_query_service_that_is_too_slow_is_asked_later() {
    let upstream = Upstream::blank().await;
    let timeout = "java.util.concurrent.TimeoutException";
    upstream.fix("/sparql", Answer::new("text/plain", timeout).status(500));
    let error = wikidata(&upstream).sights(&berlin(), 5).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().starts_with("wikidata: "), "{error}");
}

fn places(upstream: &Upstream) -> Places {
    let mut config = PlacesConfig::new(key());
    config.base = base(upstream);
    Places::new(fetcher(upstream), config)
}

const TEXT_SEARCH: &str = "/maps/api/place/textsearch/json";

fn place(id: &str, name: &str) -> Value {
    json!({
        "name": name,
        "place_id": id,
        "formatted_address": "Pariser Platz, 10117 Berlin, Germany",
        "geometry": {"location": {"lat": 52.516_272, "lng": 13.377_722}},
        "types": ["tourist_attraction", "point_of_interest"],
    })
}

/// The two addresses that are asked, without the key.
fn text_search(language: &str) -> String {
    format!("{TEXT_SEARCH}?query=sights+Berlin{language}&key=AIza-key%2Bof%2Ftests")
}

/// Shaped after <https://developers.google.com/maps/documentation/places/web-service/legacy/search-text>.
#[tokio::test]
async fn row_09_two_text_searches_are_merged_and_cut() {
    let upstream = Upstream::blank().await;
    let german = json!({"status": "OK", "html_attributions": [], "results": [
        place("a", "Brandenburger Tor"), place("b", "Berliner Dom"), place("c", "Fernsehturm"),
    ]});
    let default = json!({"status": "OK", "html_attributions": [], "results": [
        place("a", "Brandenburg Gate"), place("d", "Reichstag"), place("e", "Berliner Dom"), place("f", "Zoo"),
    ]});
    answer(&upstream, &text_search("&language=de"), &german);
    answer(&upstream, &text_search(""), &default);
    let sights = places(&upstream).sights(&berlin(), 4).await.unwrap();
    assert_eq!(names(&sights), ["Brandenburger Tor", "Berliner Dom", "Fernsehturm", "Reichstag"]);
    let mut languages = asked(&upstream, TEXT_SEARCH, "language");
    languages.sort();
    assert_eq!(languages, [None, Some("de".to_owned())]);
}

#[tokio::test]
async fn w_c44_ids_and_coordinates_of_places_are_kept() {
    let upstream = Upstream::blank().await;
    answer(&upstream, TEXT_SEARCH, &json!({"status": "OK", "results": [place("ChIJ", "Brandenburger Tor")]}));
    let [sight] = &places(&upstream).sights(&berlin(), 10).await.unwrap()[..] else { panic!("not one") };
    assert_eq!(sight.external_id.as_deref(), Some("ChIJ"));
    assert_eq!((sight.latitude, sight.longitude), (Some(52.516_272), Some(13.377_722)));
    assert_eq!(sight.source, "places");
}

#[tokio::test]
async fn what_places_refuses_is_told_apart() {
    let upstream = Upstream::blank().await;
    for (status, is_transient, word) in [
        ("OVER_QUERY_LIMIT", true, "quota"),
        ("REQUEST_DENIED", false, "refused"),
        ("UNKNOWN_ERROR", true, "now"),
        ("INVALID_REQUEST", false, "INVALID_REQUEST"),
    ] {
        let message = format!("The provided API key {} is invalid.", super::KEY);
        answer(&upstream, TEXT_SEARCH, &json!({"status": status, "error_message": message, "results": []}));
        let error = places(&upstream).sights(&berlin(), 10).await.unwrap_err();
        assert!(matches!(error, SourceError::Answer { .. }));
        assert_eq!(error.is_transient(), is_transient, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert_hides_key(&error);
    }
    answer(&upstream, TEXT_SEARCH, &json!({"status": "ZERO_RESULTS", "results": []}));
    assert_eq!(places(&upstream).sights(&berlin(), 10).await.unwrap(), []);
}

#[tokio::test]
async fn w_s9_a_service_that_is_down_does_not_show_the_key() {
    let upstream = Upstream::blank().await;
    for status in [403, 404, 503] {
        upstream.fix(TEXT_SEARCH, Answer::empty(status));
        assert_hides_key(&places(&upstream).sights(&berlin(), 10).await.unwrap_err());
    }
}

fn openstreetmap(upstream: &Upstream) -> OpenStreetMap {
    OpenStreetMap::new(fetcher(upstream), &OpenStreetMapConfig { base: base(upstream) })
}

/// Shaped after <https://wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL> and `OverpassJSON`.
#[tokio::test]
async fn openstreetmap_names_what_has_an_item_the_most_named_first() {
    let upstream = Upstream::blank().await;
    let elements = json!({"version": 0.6, "generator": "Overpass API", "elements": [
        {"type": "node", "id": 1, "lat": 52.5, "lon": 13.4, "tags": {
            "name": "Gedenkstein", "historic": "memorial", "wikidata": "Q1"}},
        {"type": "way", "id": 518_071_791, "center": {"lat": 52.516_27, "lon": 13.377_72}, "tags": {
            "name": "Brandenburger Tor", "name:en": "Brandenburg Gate", "name:fr": "Porte de Brandebourg",
            "tourism": "attraction", "wikidata": "Q82425", "wikimedia_commons": "Category:Brandenburger Tor"}},
        {"type": "relation", "id": 3, "center": {"lat": 52.5, "lon": 13.4}, "tags": {
            "name": "Brandenburger Tor (Platz)", "historic": "yes", "wikidata": "Q82425"}},
        {"type": "node", "id": 4, "lat": 52.5, "lon": 13.4, "tags": {
            "name": "Museum", "name:en": "Museum", "tourism": "museum", "wikidata": "Q2"}},
        {"type": "node", "id": 5, "lat": 52.5, "lon": 13.4, "tags": {
            "name": "Two items", "tourism": "museum", "wikidata": "Q3;Q4"}},
    ]});
    answer(&upstream, "/api/interpreter", &elements);
    let sights = openstreetmap(&upstream).sights(&berlin(), 10).await.unwrap();
    assert_eq!(names(&sights), ["Brandenburg Gate", "Museum", "Gedenkstein"]);
    assert_eq!(sights[0].external_id.as_deref(), Some("way/518071791"));
    assert_eq!(sights[0].latitude, Some(52.516_27));
    assert_eq!(sights[0].commons_category.as_deref(), Some("Brandenburger Tor"));
    let queries = asked(&upstream, "/api/interpreter", "data");
    assert!(queries[0].as_ref().unwrap().contains("is_in(52.52437,13.41053)"));
}

#[tokio::test]
async fn openstreetmap_looks_around_where_there_is_no_area_and_tells_timeouts() {
    let upstream = Upstream::blank().await;
    answer(&upstream, "/api/interpreter", &json!({"elements": []}));
    assert_eq!(openstreetmap(&upstream).sights(&berlin(), 10).await.unwrap(), []);
    let queries = asked(&upstream, "/api/interpreter", "data");
    assert!(queries.len() == 2 && queries[1].as_ref().unwrap().contains("around:5000"));
    let remark = "runtime error: Query timed out in \"query\" at line 1 after 51 seconds.";
    answer(&upstream, "/api/interpreter", &json!({"elements": [], "remark": remark}));
    assert!(openstreetmap(&upstream).sights(&berlin(), 10).await.unwrap_err().is_transient());
    let nowhere = City { name: "Berlin".to_owned(), ..City::default() };
    assert_eq!(openstreetmap(&upstream).sights(&nowhere, 10).await.unwrap(), []);
}

#[tokio::test]
async fn several_sources_make_one_list() {
    let upstream = Upstream::blank().await;
    let gate = row("Q82425", "Brandenburg Gate", "Point(13.377722 52.516272)", None);
    answer(&upstream, "/sparql", &rows(&[gate]));
    let elements = json!({"elements": [
        {"type": "way", "id": 1, "center": {"lat": 52.516, "lon": 13.377}, "tags": {
            "name": "Brandenburger Tor", "tourism": "attraction", "wikidata": "Q82425",
            "wikimedia_commons": "Category:Brandenburger Tor"}},
        {"type": "node", "id": 2, "lat": 52.5, "lon": 13.4, "tags": {
            "name": "Museum", "tourism": "museum", "wikidata": "Q2"}},
    ]});
    answer(&upstream, "/api/interpreter", &elements);
    let merged = Merged::new(vec![Box::new(wikidata(&upstream)), Box::new(openstreetmap(&upstream))]);
    let sights = merged.sights(&berlin(), 10).await.unwrap();
    assert_eq!(names(&sights), ["Brandenburg Gate", "Museum"]);
    assert_eq!(sights[0].commons_category.as_deref(), Some("Brandenburger Tor"));
    assert_eq!(names(&merged.sights(&berlin(), 1).await.unwrap()), ["Brandenburg Gate"]);
    upstream.fix("/api/interpreter", Answer::empty(504));
    assert_eq!(names(&merged.sights(&berlin(), 10).await.unwrap()), ["Brandenburg Gate"]);
    upstream.fix("/sparql", Answer::empty(503));
    assert!(merged.sights(&berlin(), 10).await.unwrap_err().is_transient());
}

async fn of_file(text: &str) -> Result<Vec<Sight>, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sights.csv");
    fs_err::write(&path, text).unwrap();
    SightsFile::new(path).sights(&berlin(), 3).await
}

#[tokio::test]
async fn sights_are_read_from_a_file() {
    let text = "name,latitude,longitude,wikidata\n# the old centre\nBrandenburg Gate,52.516272,13.377722,q82425\n\
                \"Dom, Berliner\"\nFernsehturm,,,Q2109\nNot any more\n";
    let sights = of_file(text).await.unwrap();
    assert_eq!(names(&sights), ["Brandenburg Gate", "Dom, Berliner", "Fernsehturm"]);
    assert_eq!(sights[0].wikidata.as_deref(), Some("Q82425"));
    assert_eq!((sights[0].latitude, sights[1].latitude), (Some(52.516_272), None));
    assert_eq!(names(&of_file("Gate\nTower\n").await.unwrap()), ["Gate", "Tower"]);
}

#[tokio::test]
async fn what_is_wrong_in_a_file_is_told_with_its_place() {
    for (text, word) in [
        ("Gate\nDom, Berliner", "entry 2: `Berliner`"),
        ("Gate,91,0", "`91`"),
        ("Gate,1", "both latitude and longitude"),
        ("Gate,1,2,Brandenburg", "item of Wikidata"),
        (",1,2", "no name"),
    ] {
        let error = of_file(text).await.unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = SightsFile::new("/nowhere/sights.csv".into()).sights(&berlin(), 3).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/sights.csv"), "{error}");
}
