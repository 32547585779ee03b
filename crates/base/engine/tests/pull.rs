//! Downloads from a server that misbehaves in every way that servers do.

mod server;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sightscan_engine::model::pull::{Progress, PullError, PullOptions, Pulled, pull};

use server::{Document, Reply, Server};

/// `sha256sum` of 100,000 bytes that count from 0 to 250 again and again.
const HASH: &str = "cd2df694e424bc7968cc37f47751019e5ca0cd1bdf2e479ea537c3a1c32ee1aa";

fn content() -> Vec<u8> {
    (0..100_000u32).map(|index| (index % 251) as u8).collect()
}

/// A folder to download into, and options that lose no time.
struct Place {
    folder: tempfile::TempDir,
    options: PullOptions,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = PullOptions {
            destination: Some(folder.path().join("model.onnx")),
            read_timeout: Duration::from_secs(60),
            pause: Duration::from_millis(1),
            ..PullOptions::default()
        };
        Self { folder, options }
    }

    fn once() -> Self {
        let place = Self::new();
        Self { options: PullOptions { attempts: 1, ..place.options }, folder: place.folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("model.onnx")
    }

    async fn pull(&self, url: &str) -> Result<Pulled, PullError> {
        pull(url, &self.options, |_| {}).await
    }

    /// The names of the files that are there, sorted.
    fn files(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_complete(&self, pulled: &Pulled, expected: &[u8]) {
        assert_eq!(pulled.path, self.path());
        assert!(fs_err::read(self.path()).unwrap() == expected, "the file is not what the server has");
        assert_eq!(pulled.bytes, expected.len() as u64);
        assert_eq!(self.files(), ["model.onnx", "model.onnx.sha256"]);
        let line = fs_err::read_to_string(self.folder.path().join("model.onnx.sha256")).unwrap();
        assert_eq!(line, format!("{}  model.onnx\n", pulled.sha256));
    }
}

fn size(path: &Path) -> u64 {
    fs_err::metadata(path).unwrap().len()
}

#[tokio::test]
async fn a_file_arrives_with_its_hash_and_says_how_far_it_is() {
    let server = Server::start(|_, request| Document::new(content(), "\"1\"").answer(request));
    let place = Place::new();
    let seen = Mutex::new(Vec::new());
    let pulled =
        pull(&server.url(), &place.options, |progress| seen.lock().unwrap().push(progress)).await.unwrap();
    place.assert_complete(&pulled, &content());
    assert_eq!(pulled.sha256, HASH);
    assert_eq!(pulled.resumed_from, 0);
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    assert_eq!(seen.last(), Some(&Progress { done: 100_000, total: Some(100_000) }));
}

#[tokio::test]
async fn a_file_in_a_folder_is_named_by_its_address() {
    let server = Server::start(|_, request| Document::new(content(), "\"1\"").answer(request));
    let mut place = Place::new();
    place.options.destination = Some(place.folder.path().to_path_buf());
    let pulled = place.pull(&format!("{}?download=true", server.url())).await.unwrap();
    place.assert_complete(&pulled, &content());
}

#[tokio::test]
async fn a_transfer_that_is_cut_goes_on_where_it_was() {
    let server = Server::start(|number, request| {
        let reply = Document::new(content(), "\"1\"").answer(request);
        if number == 0 { reply.cut(40_000) } else { reply }
    });
    let place = Place::new();
    let pulled = place.pull(&server.url()).await.unwrap();
    place.assert_complete(&pulled, &content());
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("range"), None);
    assert_eq!(requests[1].header("range").as_deref(), Some("bytes=40000-"));
    assert_eq!(requests[1].header("if-range").as_deref(), Some("\"1\""));
}

#[tokio::test]
async fn a_later_call_goes_on_where_an_earlier_one_gave_up() {
    let server = Server::start(|number, request| {
        let reply = Document::new(content(), "\"1\"").answer(request);
        if number == 0 { reply.cut(40_000) } else { reply }
    });
    let place = Place::once();
    let error = place.pull(&server.url()).await.unwrap_err();
    assert!(matches!(error, PullError::Interrupted { done: 40_000, .. }), "{error}");
    assert!(error.to_string().contains("run the same command again"), "{error}");
    assert_eq!(place.files(), ["model.onnx.part", "model.onnx.part.json"]);
    let pulled = place.pull(&server.url()).await.unwrap();
    assert_eq!(pulled.resumed_from, 40_000);
    place.assert_complete(&pulled, &content());
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_loaded_anew() {
    let changed: Vec<u8> = content().into_iter().rev().collect();
    let server = Server::start(move |number, request| match number {
        0 => Document::new(content(), "\"1\"").answer(request).cut(40_000),
        _ => Document::new(content().into_iter().rev().collect(), "\"2\"").answer(request),
    });
    let place = Place::once();
    place.pull(&server.url()).await.unwrap_err();
    let pulled = place.pull(&server.url()).await.unwrap();
    assert_eq!(pulled.resumed_from, 0);
    place.assert_complete(&pulled, &changed);
}

#[tokio::test]
async fn the_part_of_another_address_is_not_gone_on_from() {
    let server = Server::start(|number, request| {
        let reply = Document::new(content(), "\"1\"").answer(request);
        if number == 0 { reply.cut(40_000) } else { reply }
    });
    let place = Place::once();
    place.pull(&server.url()).await.unwrap_err();
    let pulled = place.pull(&format!("{}?other", server.url())).await.unwrap();
    assert_eq!((pulled.resumed_from, server.requests()[1].header("range")), (0, None));
    place.assert_complete(&pulled, &content());
}

#[tokio::test]
async fn nothing_is_gone_on_from_without_a_sign_that_it_is_the_same_file() {
    for sign in ["", "W/\"weak\""] {
        let server = Server::start(move |number, request| {
            let reply = Document::new(content(), sign).answer(request);
            if number == 0 { reply.cut(40_000) } else { reply }
        });
        let place = Place::new();
        let pulled = place.pull(&server.url()).await.unwrap();
        place.assert_complete(&pulled, &content());
        assert_eq!(server.requests()[1].header("range"), None);
    }
}

#[tokio::test]
async fn a_server_that_ignores_ranges_sends_it_all_again() {
    let server = Server::start(|number, _| {
        let whole = Reply::new("200 OK", &[("ETag", "\"1\"")], content());
        if number == 0 { whole.cut(40_000) } else { whole }
    });
    let place = Place::new();
    let pulled = place.pull(&server.url()).await.unwrap();
    assert!(server.requests()[1].header("range").is_some());
    place.assert_complete(&pulled, &content());
}

#[tokio::test]
async fn a_server_that_sends_another_range_is_not_believed() {
    let server = Server::start(|number, request| match number {
        0 => Document::new(content(), "\"1\"").answer(request).cut(40_000),
        1 => Reply::new(
            "206 Partial Content",
            &[("Content-Range", "bytes 1-99999/100000")],
            content()[1..].to_vec(),
        ),
        _ => Document::new(content(), "\"1\"").answer(request),
    });
    let place = Place::new();
    let pulled = place.pull(&server.url()).await.unwrap();
    place.assert_complete(&pulled, &content());
    assert_eq!(server.requests()[2].header("range"), None);
}

#[tokio::test]
async fn a_part_that_is_whole_already_is_enough() {
    // The announced length is one byte too many, so that the first call believes that one is missing.
    let server = Server::start(|number, request| match number {
        0 => Reply::new("200 OK", &[("ETag", "\"1\"")], [content(), vec![0]].concat()).cut(100_000),
        _ => Document::new(content(), "\"1\"").answer(request),
    });
    let place = Place::new();
    let pulled = place.pull(&server.url()).await.unwrap();
    assert_eq!(server.requests().len(), 2);
    place.assert_complete(&pulled, &content());
}

#[tokio::test]
async fn a_part_that_is_longer_than_the_file_is_dropped() {
    let short = &content()[..10];
    let server = Server::start(|number, request| match number {
        0 => Document::new(content(), "\"1\"").answer(request).cut(40_000),
        _ => Document::new(content()[..10].to_vec(), "\"1\"").answer(request),
    });
    let place = Place::new();
    let pulled = place.pull(&server.url()).await.unwrap();
    assert_eq!(server.requests().len(), 3);
    place.assert_complete(&pulled, short);
}

#[tokio::test]
async fn a_file_of_unannounced_length_ends_with_the_connection() {
    let server = Server::start(|_, _| Reply::new("200 OK", &[], content()).without_length());
    let place = Place::new();
    let pulled = place.pull(&server.url()).await.unwrap();
    place.assert_complete(&pulled, &content());
}

#[tokio::test]
async fn the_expected_hash_is_accepted_in_any_case_and_spares_a_second_download() {
    let server = Server::start(|_, request| Document::new(content(), "\"1\"").answer(request));
    let mut place = Place::new();
    place.options.sha256 = Some(HASH.to_uppercase());
    let pulled = place.pull(&server.url()).await.unwrap();
    place.assert_complete(&pulled, &content());
    let again = place.pull(&server.url()).await.unwrap();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(again, Pulled { resumed_from: 100_000, ..pulled });
}

#[tokio::test]
async fn a_wrong_file_is_not_kept_and_the_old_one_stays() {
    let server = Server::start(|_, request| Document::new(b"wrong".to_vec(), "\"1\"").answer(request));
    let mut place = Place::new();
    place.options.sha256 = Some(HASH.to_owned());
    fs_err::write(place.path(), b"old").unwrap();
    let error = place.pull(&server.url()).await.unwrap_err();
    let PullError::WrongHash { expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!(expected, HASH);
    assert!(error.to_string().contains(expected) && error.to_string().contains(found), "{error}");
    assert_eq!(place.files(), ["model.onnx"]);
    assert_eq!(fs_err::read(place.path()).unwrap(), b"old");
}

#[tokio::test]
async fn a_refusal_is_final_but_a_busy_server_is_asked_again() {
    let server = Server::start(|_, _| Reply::new("404 Not Found", &[], Vec::new()));
    let place = Place::new();
    let error = place.pull(&server.url()).await.unwrap_err();
    assert!(error.to_string().contains("the server answers 404 Not Found"), "{error}");
    assert_eq!(server.requests().len(), 1);

    let server = Server::start(|number, request| match number {
        0 => Reply::new("503 Service Unavailable", &[], Vec::new()),
        1 => Reply::new("429 Too Many Requests", &[], Vec::new()),
        _ => Document::new(content(), "\"1\"").answer(request),
    });
    let pulled = place.pull(&server.url()).await.unwrap();
    place.assert_complete(&pulled, &content());
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_with_what_to_do() {
    // It has the port, so that nobody else gets it, and does not listen.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let gone = silent.local_addr().unwrap();
    let place = Place::new();
    let error = place.pull(&format!("http://{gone}/model.onnx")).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(place.files(), [""; 0], "nothing is left of a download that never began");
    assert!(matches!(error, PullError::Unreachable { .. }), "{text}");
    assert!(
        text.contains("127.0.0.1 cannot be reached: Connection refused")
            && text.contains("check the network"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let server =
        Server::start(|_, request| Document::new(content(), "\"1\"").answer(request).cut(40_000).and_hang());
    let mut place = Place::once();
    place.options.read_timeout = Duration::from_secs(3);
    let error = place.pull(&server.url()).await.unwrap_err();
    assert!(matches!(error, PullError::Interrupted { done: 40_000, .. }), "{error}");
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_announced_or_not() {
    let announced = Server::start(|_, _| Reply::new("200 OK", &[], content()));
    let silent = Server::start(|_, _| Reply::new("200 OK", &[], content()).without_length());
    for server in [announced, silent] {
        let mut place = Place::new();
        place.options.greatest_bytes = 99_999;
        let error = place.pull(&server.url()).await.unwrap_err();
        assert!(matches!(error, PullError::TooLarge { greatest: 99_999, .. }), "{error}");
        assert_eq!(place.files(), [""; 0]);
    }
}

#[tokio::test]
async fn two_downloads_do_not_write_one_file() {
    let place = Place::new();
    let part = fs_err::File::create(place.folder.path().join("model.onnx.part")).unwrap();
    part.lock().unwrap();
    let error = place.pull("http://127.0.0.1:1/model.onnx").await.unwrap_err();
    assert!(matches!(error, PullError::Busy { .. }), "{error}");
    assert_eq!(size(&place.folder.path().join("model.onnx.part")), 0);
}

#[tokio::test]
async fn bad_addresses_and_hashes_are_refused_before_any_request() {
    let mut place = Place::new();
    for (url, reason) in [
        ("ftp://127.0.0.1/model.onnx", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("model.onnx", "give a whole address"),
    ] {
        let error = place.pull(url).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    place.options.destination = None;
    for url in [
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/.hidden",
        "http://127.0.0.1:1/a%2Fb",
        "http://me:secret@127.0.0.1:1/",
    ] {
        let error = place.pull(url).await.unwrap_err().to_string();
        assert!(error.contains("no plain file name") && !error.contains("secret"), "{error}");
    }
    place.options.sha256 = Some("abc".into());
    let error = place.pull("http://127.0.0.1:1/model.onnx").await.unwrap_err().to_string();
    assert!(error.contains("64 hexadecimal digits"), "{error}");
}
