//! One search of one sight.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use sightscan_crawl::sources::{GoogleImages, GoogleImagesConfig};
use sightscan_crawl::{Candidate, ImageSource, Picture, SourceError};
use sightscan_pictures::{Limits, inspect};
use sightscan_testkit::upstreams::search_page::SearchPage;
use sightscan_testkit::upstreams::{Answer, Upstream};
use tokio::time::timeout;

use super::{OF_EACH, browser, browser_of, google, paris, pinterest, tower, user_agent, world};

/// All that a source names, and the error that ended it.
async fn named(source: &dyn ImageSource) -> (Vec<Candidate>, Option<SourceError>) {
    let (city, sight) = (paris(), tower());
    let (mut candidates, mut error) = (Vec::new(), None);
    let mut stream = source.pictures(&city, &sight);
    while let Some(next) = stream.next().await {
        assert!(error.is_none(), "nothing comes after an error");
        match next {
            Ok(candidate) => candidates.push(candidate),
            Err(failure) => error = Some(failure),
        }
    }
    (candidates, error)
}

async fn pictures(source: &dyn ImageSource) -> Vec<Candidate> {
    let (candidates, error) = named(source).await;
    assert!(error.is_none(), "{error:?}");
    candidates
}

async fn error_of(source: &dyn ImageSource) -> SourceError {
    let (candidates, error) = named(source).await;
    assert_eq!(candidates, []);
    error.unwrap()
}

/// The names of the tower's pictures, as addresses have them.
fn names() -> Vec<String> {
    let world = world();
    let of_tower = world.pictures.iter().filter(|picture| picture.sight == Some(0));
    of_tower.map(|picture| picture.name.replace(' ', "_")).collect()
}

/// The addresses of the tower's pictures in this folder.
fn expected(search: &SearchPage, folder: &str) -> Vec<String> {
    names().iter().map(|name| format!("{}/{folder}/{name}", search.upstream.url())).collect()
}

fn sources(candidates: &[Candidate]) -> Vec<String> {
    candidates.iter().map(|candidate| candidate.source.clone()).collect()
}

#[tokio::test]
async fn row_10_thumbnails_come_with_the_page() {
    let search = SearchPage::start(world()).await;
    let source = google(&browser(&[&search.upstream], 2), &search, false);
    let (candidates, again) = tokio::join!(pictures(&source), pictures(&source));
    assert_eq!(candidates.len() as u64, OF_EACH, "those that come by scrolling, too");
    for candidate in &candidates {
        let Picture::Here(bytes) = &candidate.picture else { panic!("{candidate:?}") };
        assert_eq!(inspect(bytes, &Limits::default()).unwrap().width(), 64);
        assert!(candidate.source.starts_with("urn:sha256:"), "{}", candidate.source);
        assert!(candidate.page_url.as_ref().unwrap().contains("/search?q=Paris%20Eiffel%20Tower"));
    }
    assert_eq!(search.upstream.log().count("/photos/"), 0);
    assert_eq!(again, candidates, "a crawl that goes on knows them again");
}

#[tokio::test]
async fn row_10_full_size_pictures_are_named_by_the_viewer() {
    let search = SearchPage::start(world()).await;
    let candidates = pictures(&google(&browser(&[&search.upstream], 1), &search, true)).await;
    assert_eq!(sources(&candidates), expected(&search, "photos/full"));
    for candidate in &candidates {
        assert_eq!(candidate.picture, Picture::At(candidate.source.parse().unwrap()));
        assert_eq!(candidate.page_url, Some(format!("{}/page", search.upstream.url())));
        assert_eq!((&candidate.licence, &candidate.author), (&None, &None));
    }
}

#[tokio::test]
async fn row_11_pins_are_named_in_their_larger_size() {
    let search = SearchPage::start(world()).await;
    let candidates = pictures(&pinterest(&browser(&[&search.upstream], 1), &search)).await;
    assert_eq!(sources(&candidates), expected(&search, "564x/0a/1b"));
    assert!(candidates[0].page_url.as_ref().unwrap().contains("/pin/"));
    let [page] = &search.upstream.log().requests_to("/search/pins/")[..] else { panic!("one page") };
    assert_eq!(page.query(), "q=Paris%20Eiffel%20Tower");
    let (agent, requests) = (user_agent(&search.upstream), search.upstream.log().requests());
    assert!(requests.len() as u64 > OF_EACH);
    for seen in requests {
        assert_eq!(seen.header("user-agent"), Some(agent.as_str()), "w_l1: {}", seen.address);
    }
}

#[tokio::test]
async fn row_12_faces_are_searched_for_when_they_are_wanted() {
    let search = SearchPage::start(world()).await;
    let (browser, city, sight) = (browser(&[&search.upstream], 1), paris(), tower());
    for face in [false, true] {
        let base = search.upstream.url().parse().unwrap();
        let source = GoogleImages::new(browser.clone(), GoogleImagesConfig { base, full: false, face });
        assert!(source.pictures(&city, &sight).next().await.unwrap().is_ok());
    }
    let queries = search.upstream.log().requests_to("/search?");
    let queries: Vec<_> = queries.iter().map(|seen| seen.query()).collect();
    let all = "q=Paris%20Eiffel%20Tower&tbm=isch";
    assert_eq!(queries, [all.to_owned(), format!("{all}&tbs=itp:face")]);
}

#[tokio::test]
async fn a_search_without_results_names_nothing() {
    let search = SearchPage::start(world()).await;
    let (browser, city, mut sight) = (browser(&[&search.upstream], 3), paris(), tower());
    sight.name = "Nothing".to_owned();
    let (small, full) = (google(&browser, &search, false), google(&browser, &search, true));
    let pins = pinterest(&browser, &search);
    let sources: [&dyn ImageSource; 3] = [&small, &full, &pins];
    let named = sources.map(|source| source.pictures(&city, &sight).count());
    assert_eq!(join_all(named).await, [0, 0, 0]);
}

/// A page with one result and this behind it.
fn page(rest: &str) -> Answer {
    let thumbnail = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=";
    let list = format!("<div id=islrg><div data-ri=0><img width=99 height=99 src='{thumbnail}'></div></div>");
    Answer::new("text/html; charset=utf-8", format!("<title>A page</title>{list}{rest}"))
}

/// A fake whose search page is this one.
async fn with_page(answer: Answer) -> SearchPage {
    let search = SearchPage::start(world()).await;
    search.upstream.fix("/search", answer);
    search
}

/// For pages on which something never comes.
const SHORT: Duration = Duration::from_secs(4);

/// The error of a search, which must come in time.
async fn told_in_time(source: impl ImageSource, words: &[&str], is_transient: bool) {
    let begun = Instant::now();
    let error = error_of(&source).await;
    // Three steps that bring nothing, after the page and the browser have been waited for.
    assert!(begun.elapsed() < 4 * SHORT + Duration::from_secs(40), "{:?}: {error}", begun.elapsed());
    assert_eq!(error.is_transient(), is_transient, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn w_c24_pages_on_which_something_never_comes_are_told_in_time() {
    let consent = "<title>Before you continue</title><button>I agree</button>";
    let consent = with_page(Answer::new("text/html", consent)).await;
    let closed = with_page(page("")).await;
    let loading =
        "<div id=viewer><img width=9 height=9 src='data:image/gif;base64,R0lGODlhAQABAAAAACw='></div>";
    let loading = with_page(page(loading)).await;
    let silent = with_page(page("").after(Duration::from_secs(170))).await;
    let all = [&consent, &closed, &loading, &silent].map(|search| &search.upstream);
    let browser = browser_of(&all, 5, SHORT);
    let help = ["google-images: no list of results", "Before you continue", "consent", "--no-gui false"];
    tokio::join!(
        told_in_time(google(&browser, &consent, true), &help, false),
        told_in_time(google(&browser, &consent, false), &help, false),
        told_in_time(google(&browser, &closed, true), &["no viewer has opened"], false),
        told_in_time(google(&browser, &loading, true), &["no picture in the viewer"], false),
        told_in_time(google(&browser, &silent, true), &["/search?", "no answer"], true),
    );
}

#[tokio::test]
async fn w_c24_pictures_that_do_not_come_or_come_again_are_passed_over() {
    let circle = "<div id=viewer><img width=9 height=9></div><script>
        let at = 0;
        const show = () => document.querySelector('#viewer img').src = '/photos/full/' + (at++ % 2);
        document.addEventListener('keydown', show);
        show();
    </script>";
    let circle = with_page(page(circle)).await;
    let gap = SearchPage::start(world()).await;
    gap.upstream.fix(&format!("/photos/full/{}", names()[1]), Answer::empty(404));
    let browser = browser(&[&circle.upstream, &gap.upstream], 2);
    let (in_circle, with_gap) = (google(&browser, &circle, true), google(&browser, &gap, true));
    let (in_circle, with_gap) = tokio::join!(pictures(&in_circle), pictures(&with_gap));
    assert_eq!(
        sources(&in_circle),
        ["0", "1"].map(|name| format!("{}/photos/full/{name}", circle.upstream.url()))
    );
    let mut expected = expected(&gap, "photos/full");
    expected.remove(1);
    assert_eq!(sources(&with_gap), expected);
}

#[tokio::test]
async fn w_l1_robots_txt_is_asked_before_a_page_is_opened() {
    let search = SearchPage::start(world()).await;
    search.upstream.set_robots("User-agent: *\nDisallow: /search\n");
    let error = error_of(&google(&browser(&[&search.upstream], 1), &search, false)).await;
    assert!(error.to_string().contains("robots.txt forbids it") && !error.is_transient(), "{error}");
    assert_eq!(search.upstream.log().count("/search"), 0);
}

#[tokio::test]
async fn w_l1_robots_txt_is_asked_where_a_page_leads() {
    let there = SearchPage::start(world()).await;
    there.upstream.set_robots("User-agent: *\nDisallow: /search\n");
    let here = with_page(Answer::redirect(&format!("{}/search?q=Eiffel+Tower", there.upstream.url()))).await;
    let browser = browser(&[&here.upstream, &there.upstream], 1);
    let error = error_of(&google(&browser, &here, false)).await;
    assert!(error.to_string().contains("robots.txt forbids it") && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn w_l1_a_host_that_wants_a_pause_has_it() {
    let search = with_page(Answer::empty(429).header("retry-after", "2")).await;
    let source = google(&browser(&[&search.upstream], 1), &search, false);
    let _held = source.hold();
    let error = error_of(&source).await;
    assert!(error.is_transient() && error.to_string().contains("429"), "{error}");
    search.upstream.unfix("/search");
    assert!(source.pictures(&paris(), &tower()).next().await.unwrap().is_ok());
    let [refused, answered] = &search.upstream.log().requests_to("/search")[..] else { panic!("two pages") };
    assert!(answered.begun - refused.begun >= Duration::from_secs(2));
}

#[tokio::test]
async fn w_s15_a_page_does_not_make_the_browser_connect_to_private_addresses() {
    let inside = Upstream::blank().await;
    let port = inside.host().rsplit_once(':').unwrap().1;
    let mut probes = format!("<script>new WebSocket('ws://{}')</script>", inside.host());
    for host in [inside.host(), &format!("localhost:{port}"), &format!("[::1]:{port}")] {
        probes += &format!("<img src='http://{host}/probe'><iframe src='http://{host}/probe'></iframe>");
    }
    let probing = with_page(page(&probes)).await;
    let leading = with_page(Answer::redirect(inside.url())).await;
    let browser = browser(&[&probing.upstream, &leading.upstream], 1);
    assert_eq!(pictures(&google(&browser, &probing, false)).await.len(), 1);
    let error = error_of(&google(&browser, &leading, false)).await;
    assert!(error.to_string().contains("ERR_SOCKS_CONNECTION_FAILED"), "{error}");
    assert_eq!(inside.log().total(), 0);
}

#[tokio::test]
async fn row_13_no_more_pages_are_open_than_are_wanted() {
    let search = SearchPage::start(world()).await;
    let source = google(&browser(&[&search.upstream], 2), &search, false);
    let (city, sight) = (paris(), tower());
    let mut open = [source.pictures(&city, &sight), source.pictures(&city, &sight)];
    for stream in &mut open {
        assert!(stream.next().await.unwrap().is_ok());
    }
    let mut third = source.pictures(&city, &sight);
    let waits = timeout(Duration::from_millis(500), third.next()).await.is_err();
    assert!(waits && search.upstream.log().count("/search") == 2);
    drop(open);
    assert!(third.next().await.unwrap().is_ok());
}
