//! From a city's name to labelled, licensed pictures: the program against fakes of Wikimedia and Google Vision.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_testkit::upstreams::World;
use sightscan_testkit::upstreams::vision::{API_KEY, Vision};
use sightscan_testkit::upstreams::wikimedia::Wikimedia;
use tokio::runtime::Runtime;

use crate::program::{Server, failure_of, folder_with_model, stdout_of};
use crate::roles::{call, events_until, get, request_city, role};

/// The services of a city, on a runtime of their own.
struct Outside {
    runtime: Runtime,
    wikimedia: Wikimedia,
    vision: Vision,
}

impl Outside {
    /// `None` where the data is missing.
    fn start() -> Option<Self> {
        let world = World::of_sights()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (wikimedia, vision) =
            runtime.block_on(async { (Wikimedia::start(world).await, Vision::start().await) });
        vision.know(wikimedia.world());
        Some(Self { runtime, wikimedia, vision })
    }

    /// A role that asks these services and no others, as fast as they answer.
    fn role(&self, data: &Path, verb: &str) -> Command {
        self.paced_role(data, verb, 0)
    }

    fn paced_role(&self, data: &Path, verb: &str, pace_ms: u32) -> Command {
        let mut command = role(data, verb);
        let (wikimedia, vision) = (self.wikimedia.upstream.url(), self.vision.upstream.url());
        let settings = format!(
            "[crawl]\npace_ms = {pace_ms}\ncontact = \"nobody@example.org\"\n\
             [crawl.services]\nwikidata = \"{wikimedia}\"\ncommons = \"{wikimedia}\"\n\
             [label]\nvision_url = \"{vision}\"\n\
             [cities]\nmin_labelled_images = 100000\n[worker]\nlease_seconds = 12\n"
        );
        // Nobody trains here. So short a lease, because the jobs of a worker that was killed wait for its end.
        fs_err::write(data.join("outside.toml"), settings).unwrap();
        command.env("SIGHTSCAN_CONFIG", data.join("outside.toml")).env("VISION_KEY", API_KEY);
        command
    }

    fn up(&self, data: &Path, budget: usize, pace_ms: u32) -> Server {
        let mut command = self.paced_role(data, "up", pace_ms);
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY", budget.to_string());
        Server::launch(command)
    }
}

/// The city as soon as it is as it should be.
fn city_when(server: &Server, is_so: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let city = get(&server.url("/v1/cities/paris"));
        if is_so(&city) {
            return city;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "it takes too long: {city}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_name_becomes_labelled_licensed_pictures_within_the_budget_also_when_it_is_killed() {
    let Some(outside) = Outside::start() else { return };
    let (folder, budget) = (tempfile::tempdir().unwrap(), 190);
    // At this pace it takes ten seconds, so that it is in the middle of it when it is killed.
    let mut server = outside.up(folder.path(), budget, 50);
    request_city(&server, "Paris");
    let events = events_until(&server, "paris", "kept");
    assert!(events.contains("event: progress") && events.contains("crawling"), "{events}");
    // SIGKILL: no clean end of any kind.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = outside.up(folder.path(), budget, 0);
    let is_labelled = |city: &Value| {
        let counted = |what: &str| city["counts"][what].as_u64().unwrap_or(0);
        city["state"] == "labelling" && counted("labelled") + counted("empty") >= budget as u64
    };
    let city = city_when(&server, is_labelled);
    assert_eq!(city["counts"]["sights"], 5, "{city}");
    assert!(city["counts"]["labelled"].as_u64().unwrap() >= 150, "{city}");
    let images = get(&server.url("/v1/cities/paris/images?limit=100"));
    for image in images["items"].as_array().unwrap() {
        assert!(image["licence"].is_string(), "{image}");
    }
    assert_eq!(outside.vision.pictures_seen(), budget, "the budget is that of the lifetime");
    let pictures = outside.wikimedia.upstream.log().requests_to("/wikipedia/commons/");
    assert!(outside.wikimedia.upstream.log().most_in_flight() <= 3);
    // Eight of each of four sights were not decided yet when it was killed.
    assert!(pictures.len() <= outside.wikimedia.world().pictures.len() + 32, "{}", pictures.len());
    let (_, metrics) = call(Method::GET, &server.url("/metrics"), None);
    assert!(metrics.to_string().contains("sightscan_fetches_total"), "{metrics}");
    a_person_has_the_last_word(&server, folder.path());
    outside.runtime.shutdown_background();
}

/// Says that there is nothing in an image in which machines see something; data sets say so from then on.
fn a_person_has_the_last_word(server: &Server, data: &Path) {
    let task = get(&server.url("/v1/label/next?city=paris&reviewer=anna"));
    assert!(task["doubt"].is_number() && task["basis"].is_string(), "{task}");
    let said = json!({"city": "paris", "image": task["image"], "basis": task["basis"], "reviewer": "anna",
        "verdict": "negative"});
    let (status, written) = call(Method::POST, &server.url("/v1/label/reviews"), Some(said));
    assert_eq!(status, 201, "{written}");
    let image = get(&server.url(&format!("/v1/images/{}", task["image"].as_str().unwrap())));
    assert_eq!(image["label"]["producer"], json!({"kind": "human", "name": "anna"}));
    let mut export = role(data, "export");
    let told = stdout_of(export.arg("Paris").arg(data.join("paris.zip")).args(["--only", "human"]));
    assert!(told.contains("1 negative"), "{told}");
    let (status, problem) = call(Method::GET, &server.url("/v1/cities/paris/dataset?format=pdf"), None);
    assert_eq!((status, &problem["type"]), (400, &json!("urn:sightscan:problem:invalid-parameter")));
}

#[test]
fn row_16_the_originals_command_lines_run_as_they_stand() {
    let Some(outside) = Outside::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let crawl = |arguments: &str| {
        let mut command = outside.role(folder.path(), "crawl");
        stdout_of(command.args(arguments.split(' ')))
    };
    let told = crawl("--no_gui true --full true --limit 2 --no_driver true --region Paris");
    assert!(told.ends_with("10 pictures of 5 sights\n"), "{told}");
    let told = crawl("Paris --sights_limit=3 --limit=4");
    assert!(told.ends_with("12 pictures of 3 sights\n"), "{told}");
    let told =
        crawl("Paris --skip false --full --face=false --threads 2 --google false --location Paris --limit 2");
    assert!(told.ends_with("10 pictures of 5 sights\n"), "{told}");
    let mut label = outside.role(folder.path(), "label");
    let told = stdout_of(label.args(["Paris", "--budget", "7"]));
    assert!(told.contains("7 of") && told.contains("7 paid for"), "{told}");
    assert_eq!(outside.vision.pictures_seen(), 7);
}

#[test]
fn pictures_of_ones_own_are_crawled_from_a_folder_and_labelled_by_a_model() {
    let Some(pictures) = sightscan_testkit::pictures("sights/images", "jpg") else { return };
    let (folder, model) = folder_with_model();
    let data = folder.path();
    fs_err::create_dir_all(data.join("pictures/Eiffel Tower")).unwrap();
    for (number, picture) in pictures[..3].iter().enumerate() {
        fs_err::copy(picture, data.join(format!("pictures/Eiffel Tower/{number}.jpg"))).unwrap();
    }
    fs_err::write(data.join("sights.csv"), "name,latitude,longitude\nEiffel Tower,48.858,2.294\nLouvre\n")
        .unwrap();
    let crawl = |settings: &str| {
        let mut command = role(data, "crawl");
        fs_err::write(data.join("own.toml"), settings).unwrap();
        command.env("SIGHTSCAN_CONFIG", data.join("own.toml"));
        stdout_of(command.args(["Paris", "--sights", "sights.csv", "--sources", "./pictures", "--json"]))
    };
    let report: Value = serde_json::from_str(&crawl("[crawl]\nown_licence = \"CC0-1.0\"\n")).unwrap();
    let kept: Vec<_> = report["sights"].as_array().unwrap().iter().map(|sight| &sight["kept"]).collect();
    assert_eq!(kept, [3, 0], "{report}");
    let mut label = role(data, "label");
    let told = stdout_of(label.args(["Paris", "--labellers"]).arg(model));
    assert!(told.starts_with("3 of 3 images labelled") && told.contains("0 paid for"), "{told}");
    let mut label = role(data, "label");
    let refused = failure_of(label.args(["Paris", "--labellers", "nobody"]));
    assert!(refused.contains("`nobody` is no labeller"), "{refused}");
    let refused = failure_of(role(data, "crawl").args(["Paris", "--sources", "nowhere"]));
    assert!(refused.contains("`nowhere` names no source of pictures"), "{refused}");
}

#[test]
fn the_invented_city_needs_nobody_outside() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        |verb: &str, arguments: &[&str]| stdout_of(role(folder.path(), verb).arg("Toy Town").args(arguments));
    let told =
        run("crawl", &["--sights", "demo", "--sources", "demo", "--sights-limit", "3", "--limit", "4"]);
    assert!(told.ends_with("12 pictures of 3 sights\n"), "{told}");
    let told = run("label", &["--labellers", "demo"]);
    assert!(told.contains("0 paid for"), "{told}");
    run("export", &["toys.zip", "--format", "yolo"]);
    let set = sightscan_dataset::open(&folder.path().join("toys.zip"), sightscan_dataset::Limits::default())
        .unwrap();
    let imported = sightscan_dataset::import(sightscan_dataset::Format::Yolo, set).unwrap().dataset;
    let shown = imported.items.iter().filter(|item| !item.labels.boxes().is_empty()).count();
    assert!(
        shown >= 9 && imported.classes.iter().any(|class| class.eq_ignore_ascii_case("tower")),
        "{:?}",
        imported.classes
    );
}
