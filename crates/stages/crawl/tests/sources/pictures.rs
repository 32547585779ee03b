//! Services that name pictures.

use futures_util::StreamExt;
use serde_json::{Value, json};
use sightscan_crawl::ImageSource;
use sightscan_crawl::sources::{
    Commons, CommonsConfig, CustomSearch, CustomSearchConfig, Flickr, FlickrConfig, Openverse,
    OpenverseConfig,
};
use sightscan_testkit::upstreams::{Answer, Upstream};

use super::{
    address, answer, asked, assert_hides_key, base, berlin, fetcher, gate, key, named, pictures, sources_of,
};

const API: &str = "/w/api.php";

fn commons(upstream: &Upstream) -> Commons {
    Commons::new(fetcher(upstream), &CommonsConfig { base: base(upstream) })
}

fn file(number: u32, mime: &str) -> Value {
    let original = format!("https://upload.wikimedia.org/wikipedia/commons/a/ab/Gate_{number}.jpg");
    json!({
        "pageid": 1000 + number,
        "ns": 6,
        "title": format!("File:Gate {number}.jpg"),
        "imagerepository": "local",
        "imageinfo": [{
            "user": "Uploader",
            "size": 5_000_000,
            "width": 4000,
            "height": 3000,
            "thumburl": format!("https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/Gate_{number}.jpg/1280px-Gate_{number}.jpg"),
            "thumbwidth": 1280,
            "thumbheight": 960,
            "url": original,
            "descriptionurl": format!("https://commons.wikimedia.org/wiki/File:Gate_{number}.jpg"),
            "mime": mime,
            "extmetadata": {
                "Artist": {"value": "<a href=\"//commons.wikimedia.org/wiki/User:Ann\">Ann &amp; Bob</a>", "source": "commons-desc-page"},
                "LicenseShortName": {"value": "CC BY-SA 4.0", "source": "commons-desc-page", "hidden": ""},
                "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0", "source": "commons-desc-page", "hidden": ""},
            },
        }],
    })
}

fn original(number: u32) -> String {
    format!("https://upload.wikimedia.org/wikipedia/commons/a/ab/Gate_{number}.jpg")
}

/// Shaped after <https://www.mediawiki.org/wiki/API:Imageinfo>,
/// <https://www.mediawiki.org/wiki/API:Continue> and
/// <https://www.mediawiki.org/wiki/Extension:CommonsMetadata>.
#[tokio::test]
async fn commons_names_author_licence_and_thumbnail() {
    let upstream = Upstream::blank().await;
    let mut bare = file(4, "image/png");
    bare["imageinfo"][0]["extmetadata"] = json!([]);
    let files = json!([
        file(1, "image/jpeg"), file(2, "image/svg+xml"), file(3, "application/pdf"), bare,
        {"pageid": 9, "ns": 6, "title": "File:Its info comes in the next part.jpg"},
    ]);
    answer(&upstream, API, &json!({"batchcomplete": true, "query": {"pages": files}}));
    let candidates = pictures(&commons(&upstream), &gate()).await;
    assert_eq!(sources_of(&candidates), [original(1), original(4)]);
    let [full, bare] = &candidates[..] else { unreachable!() };
    assert!(address(full).ends_with("/thumb/a/ab/Gate_1.jpg/1280px-Gate_1.jpg"));
    assert_eq!(full.author.as_deref(), Some("Ann & Bob"));
    assert_eq!(full.licence.as_deref(), Some("CC-BY-SA-4.0"));
    assert_eq!(full.licence_url.as_deref(), Some("https://creativecommons.org/licenses/by-sa/4.0"));
    assert_eq!(full.page_url.as_deref(), Some("https://commons.wikimedia.org/wiki/File:Gate_1.jpg"));
    assert_eq!((bare.author.as_deref(), bare.licence.as_deref()), (Some("Uploader"), None));
}

#[tokio::test]
async fn commons_is_asked_by_category_item_name_and_place() {
    let upstream = Upstream::blank().await;
    let members = json!([{"pageid": 1, "ns": 14, "title": "Category:Brandenburger Tor at night"}]);
    answer(&upstream, API, &json!({"query": {"categorymembers": members}}));
    assert_eq!(pictures(&commons(&upstream), &gate()).await, []);
    let titles: Vec<_> = asked(&upstream, API, "gcmtitle").into_iter().flatten().collect();
    assert_eq!(titles, ["Category:Brandenburger Tor", "Category:Brandenburger Tor at night"]);
    let searches: Vec<_> = asked(&upstream, API, "gsrsearch").into_iter().flatten().collect();
    assert_eq!(
        searches,
        ["filetype:bitmap haswbstatement:P180=Q82425", "filetype:bitmap \"Brandenburg Gate\" Berlin"]
    );
    let generators = asked(&upstream, API, "generator");
    let order = ["categorymembers", "", "categorymembers", "search", "search", "geosearch"];
    assert_eq!(generators.iter().map(|one| one.as_deref().unwrap_or("")).collect::<Vec<_>>(), order);
    assert_eq!(asked(&upstream, API, "ggscoord").last().unwrap().as_deref(), Some("52.516272|13.377722"));
    let widths = asked(&upstream, API, "iiurlwidth");
    assert!(widths.iter().flatten().all(|width| width == "1280"));
}

#[tokio::test]
async fn a_category_with_many_subcategories_is_not_gone_into() {
    let upstream = Upstream::blank().await;
    let member = |number: u32| json!({"pageid": number, "ns": 14, "title": format!("Category:{number}")});
    let members: Vec<Value> = (0..13).map(member).collect();
    answer(&upstream, API, &json!({"query": {"categorymembers": members}}));
    pictures(&commons(&upstream), &gate()).await;
    assert_eq!(asked(&upstream, API, "gcmtitle").iter().flatten().count(), 1);
}

#[tokio::test]
async fn commons_is_asked_for_more_only_when_more_is_read() {
    let upstream = Upstream::blank().await;
    let page = |number: u32| {
        json!({
            "continue": {"gcmcontinue": format!("file|{number}"), "iistart": number, "continue": "gcmcontinue||"},
            "query": {"pages": [file(number, "image/jpeg")]},
        })
    };
    answer(&upstream, API, &page(1));
    let (commons, city, gate) = (commons(&upstream), berlin(), gate());
    let mut stream = commons.pictures(&city, &gate);
    assert_eq!(stream.next().await.unwrap().unwrap().source, original(1));
    assert_eq!(upstream.log().count(API), 1);
    answer(&upstream, API, &page(2));
    assert_eq!(stream.next().await.unwrap().unwrap().source, original(2));
    let next = |parameter| asked(&upstream, API, parameter).pop().unwrap();
    assert_eq!(next("gcmcontinue").as_deref(), Some("file|1"));
    assert_eq!(next("iistart").as_deref(), Some("1"), "numbers come back as texts");
}

#[tokio::test]
async fn w_c24_commons_ends_though_it_gives_the_same_page_for_ever() {
    let upstream = Upstream::blank().await;
    let page = json!({
        "continue": {"gcmcontinue": "file|1", "continue": "gcmcontinue||"},
        "query": {"pages": [file(1, "image/jpeg")]},
    });
    answer(&upstream, API, &page);
    assert_eq!(sources_of(&pictures(&commons(&upstream), &gate()).await), [original(1)]);
}

#[tokio::test]
async fn search_results_come_in_their_order() {
    let upstream = Upstream::blank().await;
    let indexed = |number: u32, index: i64| {
        let mut file = file(number, "image/jpeg");
        file["index"] = json!(index);
        file
    };
    answer(&upstream, API, &json!({"query": {"pages": [indexed(1, 3), indexed(2, 1), indexed(3, 2)]}}));
    let candidates = pictures(&commons(&upstream), &gate()).await;
    assert_eq!(sources_of(&candidates), [original(2), original(3), original(1)]);
}

/// Shaped after <https://www.mediawiki.org/wiki/API:Errors_and_warnings>.
#[tokio::test]
async fn errors_of_commons_are_told_apart() {
    let upstream = Upstream::blank().await;
    for (code, is_transient) in [("ratelimited", true), ("maxlag", true), ("invalidcategory", false)] {
        answer(&upstream, API, &json!({"error": {"code": code, "info": "Why."}, "servedby": "mw1"}));
        let (candidates, error) = named(&commons(&upstream), &gate()).await;
        let error = error.unwrap();
        assert_eq!((candidates.len(), error.is_transient()), (0, is_transient), "{error}");
        assert!(error.to_string().contains(code), "{error}");
    }
}

const IMAGES: &str = "/v1/images/";

fn openverse(upstream: &Upstream) -> Openverse {
    Openverse::new(fetcher(upstream), &OpenverseConfig { base: base(upstream), only_free: true })
}

fn openverse_page(number: u32, pages: u32) -> Value {
    json!({
        "result_count": 41, "page_count": pages, "page_size": 20, "page": number,
        "results": [{
            "id": format!("4bc43a04-ef46-4544-a0c1-{number:012}"),
            "title": "Brandenburg Gate",
            "foreign_landing_url": "https://www.flickr.com/photos/1/2",
            "url": format!("https://live.staticflickr.com/2/{number}_b.jpg"),
            "creator": "Ann", "license": "by-sa", "license_version": "2.0",
            "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
            "thumbnail": "https://api.openverse.org/v1/images/4bc43a04/thumb/",
            "height": 683, "width": 1024,
        }, {"id": "no address", "url": "not an address"}],
    })
}

/// Shaped after <https://api.openverse.org/v1/#tag/images/operation/images_search>.
#[tokio::test]
async fn openverse_names_all_pages() {
    let upstream = Upstream::blank().await;
    for page in 1..=3 {
        let query = "q=Brandenburg+Gate+Berlin&page_size=20";
        let path = format!("{IMAGES}?{query}&page={page}&license_type=commercial%2Cmodification");
        answer(&upstream, &path, &openverse_page(page, 3));
    }
    let candidates = pictures(&openverse(&upstream), &gate()).await;
    assert_eq!(candidates.len(), 3);
    assert_eq!(candidates[0].source, "https://live.staticflickr.com/2/1_b.jpg");
    assert_eq!(address(&candidates[0]), candidates[0].source);
    assert_eq!(candidates[0].licence.as_deref(), Some("CC-BY-SA-2.0"));
    assert_eq!(candidates[0].author.as_deref(), Some("Ann"));
    assert_eq!(candidates[0].page_url.as_deref(), Some("https://www.flickr.com/photos/1/2"));
}

#[tokio::test]
async fn openverse_is_not_asked_for_more_than_it_gives_to_anybody() {
    let upstream = Upstream::blank().await;
    answer(&upstream, IMAGES, &openverse_page(1, 500));
    assert_eq!(pictures(&openverse(&upstream), &gate()).await.len(), 1);
    assert!(upstream.log().count(IMAGES) <= 12);
    answer(&upstream, IMAGES, &json!({"result_count": 0, "page_count": 0, "results": []}));
    assert_eq!(pictures(&openverse(&upstream), &gate()).await, []);
}

const REST: &str = "/services/rest/";

fn flickr(upstream: &Upstream) -> Flickr {
    let mut config = FlickrConfig::new(key());
    config.base = base(upstream);
    Flickr::new(fetcher(upstream), config)
}

/// Shaped after <https://www.flickr.com/services/api/flickr.photos.search.html>.
#[tokio::test]
async fn flickr_names_owner_and_licence() {
    let upstream = Upstream::blank().await;
    let photos = json!({"photos": {"page": 1, "pages": 1, "perpage": 100, "total": 3, "photo": [
        {"id": "1", "owner": "47@N00", "secret": "s", "server": "65535", "farm": 66, "title": "Gate",
         "license": "5", "ownername": "Ann", "url_l": "https://live.staticflickr.com/65535/1_s_b.jpg",
         "height_l": 683, "width_l": "1024", "url_o": "https://live.staticflickr.com/65535/1_o.jpg"},
        {"id": "2", "owner": "47@N00", "title": "Small", "license": 9, "ownername": ""},
        {"id": "3", "owner": "48@N00", "title": "Gate", "license": 9, "ownername": "",
         "url_o": "https://live.staticflickr.com/65535/3_o.jpg"},
    ]}, "stat": "ok"});
    answer(&upstream, REST, &photos);
    let candidates = pictures(&flickr(&upstream), &gate()).await;
    let pages = ["https://www.flickr.com/photos/47@N00/1", "https://www.flickr.com/photos/48@N00/3"];
    assert_eq!(sources_of(&candidates), pages);
    assert_eq!(address(&candidates[0]), "https://live.staticflickr.com/65535/1_s_b.jpg");
    assert_eq!(address(&candidates[1]), "https://live.staticflickr.com/65535/3_o.jpg");
    assert_eq!(candidates[0].licence.as_deref(), Some("CC-BY-SA-2.0"));
    assert_eq!(candidates[1].licence.as_deref(), Some("CC0-1.0"));
    assert_eq!((candidates[0].author.as_deref(), candidates[1].author.as_deref()), (Some("Ann"), None));
    assert_eq!(asked(&upstream, REST, "license"), [Some("4,5,9,10,11,12".to_owned())]);
    assert_eq!(asked(&upstream, REST, "api_key"), [Some(super::KEY.to_owned())]);
}

#[tokio::test]
async fn errors_of_flickr_are_told_apart_without_the_key() {
    let upstream = Upstream::blank().await;
    for (code, is_transient) in [(100, false), (105, true), (10, true), (112, false)] {
        let message = format!("Invalid API Key ({})", super::KEY);
        answer(&upstream, REST, &json!({"stat": "fail", "code": code, "message": message}));
        let error = named(&flickr(&upstream), &gate()).await.1.unwrap();
        assert_eq!(error.is_transient(), is_transient, "{error}");
        assert_hides_key(&error);
    }
    upstream.fix(REST, Answer::empty(403));
    assert_hides_key(&named(&flickr(&upstream), &gate()).await.1.unwrap());
}

#[tokio::test]
async fn w_c24_flickr_ends_though_it_gives_the_last_page_for_ever() {
    let upstream = Upstream::blank().await;
    let photo =
        json!({"id": "1", "owner": "47@N00", "license": "4", "url_l": "https://live.staticflickr.com/1.jpg"});
    let photos = json!({"photos": {"page": 1, "pages": 4_000_000, "photo": [photo]}, "stat": "ok"});
    answer(&upstream, REST, &photos);
    assert_eq!(pictures(&flickr(&upstream), &gate()).await.len(), 1);
    assert!(upstream.log().count(REST) <= 40);
}

const SEARCH: &str = "/customsearch/v1";

fn custom_search(upstream: &Upstream, rights: Option<&str>) -> CustomSearch {
    let mut config = CustomSearchConfig::new(key(), "engine");
    (config.base, config.rights) = (base(upstream), rights.map(str::to_owned));
    CustomSearch::new(fetcher(upstream), config)
}

fn search_page(start: u32) -> Value {
    json!({
        "kind": "customsearch#search",
        "queries": {
            "request": [{"startIndex": start, "count": 10}],
            "nextPage": [{"startIndex": start + 10, "count": 10, "searchType": "image"}],
        },
        "items": [{
            "kind": "customsearch#result",
            "link": format!("https://example.org/gate-{start}.jpg"),
            "displayLink": "example.org",
            "mime": "image/jpeg",
            "image": {
                "contextLink": "https://example.org/berlin.html", "height": 1000, "width": 1500,
                "thumbnailLink": "https://encrypted-tbn0.gstatic.com/images?q=tbn:1",
            },
        }],
    })
}

/// Shaped after <https://developers.google.com/custom-search/v1/reference/rest/v1/Search>.
#[tokio::test]
async fn custom_search_gives_a_hundred_pictures_whose_licence_is_not_known() {
    let upstream = Upstream::blank().await;
    for start in (1..=191).step_by(10) {
        let query = format!("cx=engine&q=Brandenburg+Gate+Berlin&searchType=image&num=10&start={start}");
        let path = format!("{SEARCH}?{query}&key=AIza-key%2Bof%2Ftests");
        answer(&upstream, &path, &search_page(start));
    }
    let candidates = pictures(&custom_search(&upstream, None), &gate()).await;
    assert_eq!(candidates.len(), 10, "each page of ten has one");
    assert_eq!(upstream.log().count(SEARCH), 10);
    assert_eq!(candidates[9].source, "https://example.org/gate-91.jpg");
    assert_eq!(candidates[0].page_url.as_deref(), Some("https://example.org/berlin.html"));
    assert_eq!((&candidates[0].licence, &candidates[0].author), (&None, &None));
}

#[tokio::test]
async fn the_filter_of_custom_search_says_the_licence() {
    let upstream = Upstream::blank().await;
    let mut page = search_page(1);
    page["queries"] = json!({"request": []});
    answer(&upstream, SEARCH, &page);
    let rights = "cc_publicdomain|cc_attribute|cc_sharealike";
    let candidates = pictures(&custom_search(&upstream, Some(rights)), &gate()).await;
    assert_eq!(candidates[0].licence.as_deref(), Some("CC BY-SA"));
    assert_eq!(asked(&upstream, SEARCH, "rights"), [Some(rights.to_owned())]);
    answer(&upstream, SEARCH, &json!({"searchInformation": {"totalResults": "0"}}));
    assert_eq!(pictures(&custom_search(&upstream, None), &gate()).await, []);
}

#[tokio::test]
async fn row_10_row_12_thumbnails_and_faces_are_asked_for_when_they_are_wanted() {
    let upstream = Upstream::blank().await;
    let mut page = search_page(1);
    page["queries"] = json!({"request": []});
    answer(&upstream, SEARCH, &page);
    let full = pictures(&custom_search(&upstream, None), &gate()).await;
    assert_eq!(address(&full[0]), "https://example.org/gate-1.jpg");
    let mut config = CustomSearchConfig::new(key(), "engine");
    (config.base, config.full, config.face) = (base(&upstream), false, true);
    let small = pictures(&CustomSearch::new(fetcher(&upstream), config), &gate()).await;
    assert_eq!(address(&small[0]), "https://encrypted-tbn0.gstatic.com/images?q=tbn:1");
    assert_eq!(sources_of(&small), sources_of(&full));
    assert_eq!(asked(&upstream, SEARCH, "imgType"), [None, Some("face".to_owned())]);
}

#[tokio::test]
async fn w_s9_a_used_up_quota_does_not_show_the_key() {
    let upstream = Upstream::blank().await;
    let error = json!({"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}});
    upstream.fix(SEARCH, Answer::json(&error).status(429));
    let error = named(&custom_search(&upstream, None), &gate()).await.1.unwrap();
    assert!(error.is_transient(), "{error}");
    assert_hides_key(&error);
}
