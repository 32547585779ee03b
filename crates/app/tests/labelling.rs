//! The labelling service beside the public interface, asked as the original's scheduler and Label Studio ask.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_testkit::tiny::{COLOUR_BOX_CLASS, plain_picture};
use sightscan_testkit::upstreams::World;
use sightscan_testkit::upstreams::vision::{API_KEY, Vision};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::program::{Server, block_on, folder_with_model, stdout_of};
use crate::roles::{get, role};

const OK: &str = "Request successfully executed.";

/// An installation with Vision outside, and pictures to be found in a folder.
struct Site {
    folder: TempDir,
    vision: Vision,
    world: World,
    runtime: Runtime,
    budget: u32,
}

impl Site {
    /// `None` where the data is missing.
    fn new(budget: u32) -> Option<Self> {
        let world = World::of_sights()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let vision = runtime.block_on(Vision::start());
        Some(Self { folder: tempfile::tempdir().unwrap(), vision, world, runtime, budget })
    }

    fn command(&self, verb: &str) -> Command {
        let data = self.folder.path();
        let mut command = role(data, verb);
        let vision = self.vision.upstream.url();
        let settings = format!(
            "[crawl]\nown_licence = \"CC0-1.0\"\n[label]\nvision_url = \"{vision}\"\n[worker]\nlease_seconds = 12\n"
        );
        fs_err::write(data.join("site.toml"), settings).unwrap();
        let budget = self.budget.to_string();
        let variables = [("VISION_KEY", API_KEY), ("MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY", &budget)];
        command.env("SIGHTSCAN_CONFIG", data.join("site.toml")).envs(variables);
        command
    }

    /// Gives a city so many pictures more, of the world's from this number on.
    fn crawl(&self, city: &str, from: usize, count: usize) {
        let pictures = self.folder.path().join(format!("{city}-{from}/A sight"));
        fs_err::create_dir_all(&pictures).unwrap();
        for (number, picture) in self.world.pictures.iter().enumerate().skip(from).take(count) {
            fs_err::write(pictures.join(format!("{number}.jpg")), &picture.bytes).unwrap();
        }
        fs_err::write(self.folder.path().join("sights.csv"), "name\nA sight\n").unwrap();
        let source = format!("./{city}-{from}");
        let arguments = [city, "--skip", "false", "--sights", "sights.csv", "--sources", &source, "--json"];
        let report: Value = serde_json::from_str(&stdout_of(self.command("crawl").args(arguments))).unwrap();
        assert_eq!(report["sights"][0]["kept"], count, "{report}");
    }

    fn start(&self, verb: &str) -> Labelling {
        let mut command = self.command(verb);
        command.args(["--listen", "127.0.0.1:0", "--labelling-listen", "127.0.0.1:0"]);
        Labelling::launch(command)
    }

    /// Does all label jobs that there are.
    fn work(&self) {
        stdout_of(self.command("worker").args(["--jobs", "label", "--exit-when-idle", "1"]));
    }
}

/// A role with both listeners.
struct Labelling {
    public: Server,
    address: SocketAddr,
}

impl Labelling {
    fn launch(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut public, mut labelling) = (None, None);
        while public.is_none() || labelling.is_none() {
            let line = log.next().unwrap().unwrap();
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let address = |field: &str| event["fields"][field].as_str().and_then(|text| text.parse().ok());
            public = public.or(address("address"));
            labelling = labelling.or(address("labelling_address"));
        }
        // The log is read to its end, so that the server never waits for its reader.
        std::thread::spawn(move || log.for_each(drop));
        Self { public: Server { child, address: public.unwrap() }, address: labelling.unwrap() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks without a token, as callers on this machine may.
    fn ask(&self, method: Method, path: &str) -> (u16, String) {
        ask(method, &self.url(path), None)
    }

    fn post(&self, path: &str) -> String {
        let (status, text) = self.ask(Method::POST, path);
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    /// The lines of the log, without its title.
    fn log(&self) -> Vec<String> {
        let (status, text) = self.ask(Method::GET, "/api/cities/logs");
        assert!(status == 200 && text.starts_with("LOGS:\n"), "{status} {text}");
        text.lines().skip(1).map(str::to_owned).collect()
    }

    fn predict(&self, picture: &str, label: &str) -> Value {
        let config = format!(
            "<View><Image name=\"image\" value=\"$image\"/><RectangleLabels name=\"label\" toName=\"image\">\
             <Label value=\"{label}\"/></RectangleLabels></View>"
        );
        let body = json!({"tasks": [{"id": 1, "data": {"image": picture}}], "label_config": config});
        let (status, text) = ask(Method::POST, &self.url("/predict"), Some(&body));
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["results"][0].clone()
    }

    /// How many images of a city are labelled, with nothing in them or with something.
    fn labelled(&self, city: &str) -> (usize, usize) {
        let images = get(&self.public.url(&format!("/v1/cities/{city}/images?limit=100")));
        let images = images["items"].as_array().unwrap();
        let labelled = images.iter().filter(|image| image["label_producer"] == "vision");
        let (found, empty): (Vec<_>, Vec<_>) =
            labelled.partition(|image| image["labels"].as_array().is_some_and(|labels| !labels.is_empty()));
        (found.len(), empty.len())
    }
}

fn ask(method: Method, url: &str, body: Option<&Value>) -> (u16, String) {
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

#[test]
fn row_19_row_20_row_25_a_city_has_five_calls_in_its_lifetime() {
    let Some(site) = Site::new(5) else { return };
    site.vision.know(&site.world);
    site.crawl("Paris", 0, 20);
    let service = site.start("api");
    assert_eq!(service.log(), ["None so far"]);
    assert_eq!(service.post("/api/cities/PARIS"), format!("[PARIS, NEW] {OK}"));
    site.work();
    assert_eq!(site.vision.pictures_seen(), 5);
    let (found, empty) = service.labelled("paris");
    assert!(found > 0 && found + empty >= 5, "labels appear: {found} and {empty}");
    let log = service.log();
    assert_eq!(log.len(), found + empty, "one line for each labelling: {log:?}");
    assert!(log.iter().all(|line| line.starts_with("[20") && line.contains("[city: PARIS]")), "{log:?}");
    assert_eq!(service.post("/api/cities/PARIS/existing"), format!("[PARIS, EXISTING] {OK}"));
    site.work();
    drop(service);
    // After a restart, with a planner beside it that wants the same.
    let service = site.start("up");
    assert_eq!(service.post("/api/cities/paris"), format!("[PARIS, NEW] {OK}"));
    service.post("/api/cities/PARIS/existing");
    let begin = Instant::now();
    while !get(&service.public.url("/v1/jobs?queue=label&state=waiting"))["items"]
        .as_array()
        .unwrap()
        .is_empty()
        || !get(&service.public.url("/v1/jobs?queue=label&state=running"))["items"]
            .as_array()
            .unwrap()
            .is_empty()
    {
        assert!(begin.elapsed() < Duration::from_secs(50), "a label job does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    let done = get(&service.public.url("/v1/jobs?queue=label&state=done"));
    assert!(done["items"].as_array().unwrap().len() >= 3, "{done}");
    assert_eq!(site.vision.pictures_seen(), 5, "the cap is that of the city's lifetime");
    site.runtime.shutdown_background();
}

#[test]
fn row_24_w_c6_w_c7_later_pictures_are_labelled_and_nothing_is_billed_twice() {
    let Some(site) = Site::new(100) else { return };
    // Vision sees nothing in any picture.
    site.crawl("Paris", 0, 3);
    let service = site.start("api");
    service.post("/api/cities/PARIS");
    site.work();
    assert_eq!((site.vision.pictures_seen(), service.labelled("paris")), (3, (0, 3)));
    for path in ["/api/cities/PARIS", "/api/cities/PARIS/existing"] {
        service.post(path);
        site.work();
    }
    assert_eq!(site.vision.pictures_seen(), 3, "W-C7: what shows nothing is not sent again");
    site.vision.know(&site.world);
    site.crawl("Paris", 3, 2);
    site.crawl("Rome", 5, 2);
    service.post("/api/cities/PARIS/existing");
    service.post("/api/cities/ROME");
    site.work();
    assert_eq!(
        site.vision.pictures_seen(),
        7,
        "W-C6: pictures that came later are labelled, and other cities"
    );
    let (found, empty) = service.labelled("paris");
    assert_eq!(found + empty, 5);
    let (found, empty) = service.labelled("rome");
    assert_eq!(found + empty, 2);
    let idle = "No images to be labelled found [new city: PARIS].";
    assert_eq!(service.log().iter().filter(|line| line.ends_with(idle)).count(), 2);
    site.runtime.shutdown_background();
}

#[test]
fn label_studio_is_told_what_the_model_sees() {
    let (folder, _model) = folder_with_model();
    let data = folder.path();
    let command = |verb: &str| {
        let mut command = role(data, verb);
        let settings =
            "[crawl]\nown_licence = \"CC0-1.0\"\n[label]\nlabellers = [\"vision\", \"colour_box.onnx\"]\n";
        fs_err::write(data.join("site.toml"), settings).unwrap();
        command.env("SIGHTSCAN_CONFIG", data.join("site.toml"));
        command
    };
    fs_err::create_dir_all(data.join("pictures/A sight")).unwrap();
    fs_err::write(data.join("pictures/A sight/1.png"), plain_picture([128, 64, 240], 640, 480)).unwrap();
    fs_err::write(data.join("sights.csv"), "name\nA sight\n").unwrap();
    stdout_of(command("crawl").args(["Paris", "--sights", "sights.csv", "--sources", "./pictures"]));
    let mut api = command("api");
    // Port 0 is any that is free.
    api.args(["--listen", "127.0.0.1:0"]).env("ILS_PORT", "0");
    let service = Labelling::launch(api);
    assert!(service.address.ip().is_loopback());
    let health: Value = serde_json::from_str(&service.ask(Method::GET, "/health").1).unwrap();
    assert_eq!(health["status"], "UP");
    let images = get(&service.public.url("/v1/cities/paris/images"));
    let file = format!("/v1/images/{}/file", images["items"][0]["id"].as_str().unwrap());
    let told = service.predict(&service.public.url(&file), COLOUR_BOX_CLASS);
    let [region] = &told["result"].as_array().unwrap()[..] else { panic!("one box: {told}") };
    assert_eq!((&region["original_width"], &region["original_height"]), (&json!(640), &json!(480)));
    assert!((region["value"]["width"].as_f64().unwrap() - 50.2).abs() < 0.5, "{told}");
    assert!((told["score"].as_f64().unwrap() - 0.94).abs() < 0.01, "{told}");
    assert_eq!(
        service.predict(&service.public.url(&file), "Louvre")["result"],
        json!([]),
        "it offers no such label"
    );
    assert_eq!(service.predict("http://127.0.0.1:9/a.jpg", COLOUR_BOX_CLASS)["result"], json!([]));
}

#[test]
fn each_listener_has_its_own_routes_only() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["up", "api"] {
        let mut command = role(folder.path(), verb);
        command.args(["--listen", "127.0.0.1:0", "--labelling-listen", "127.0.0.1:0"]);
        let service = Labelling::launch(command);
        let labelling = [
            (Method::POST, "/api/cities/PARIS/existing"),
            (Method::POST, "/api/cities/PARIS"),
            (Method::GET, "/api/cities/logs"),
            (Method::POST, "/predict"),
            (Method::POST, "/setup"),
            (Method::POST, "/webhook"),
            (Method::GET, "/health"),
        ];
        for (method, path) in labelling {
            assert_eq!(ask(method.clone(), &service.public.url(path), None).0, 404, "{verb}: public {path}");
            let (status, told) = service.ask(method, path);
            assert!(status != 404 || told.contains("unknown-city"), "{verb}: {path} {told}");
        }
        for path in ["/v1/cities", "/v1/jobs", "/v1/consent", "/api/cities/"] {
            assert_eq!(service.ask(Method::GET, path).0, 404, "{verb}: labelling {path}");
        }
        for path in
            ["/healthz", "/readyz", "/openapi.json", "/docs/", "/swagger/", "/docs/index.yml", "/api/"]
        {
            assert_eq!(service.ask(Method::GET, path).0, 200, "{verb}: labelling {path}");
        }
    }
}
