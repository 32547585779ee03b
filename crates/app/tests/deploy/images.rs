//! Each image's entry point with the variables of its role's page, started as a process. What an engine would add is put in by hand: the
//! program's path, a data folder, free ports.

use std::collections::BTreeMap;
use std::process::Command;

use super::{blocks, postgres, read, root};
use crate::program::*;

/// What a container of a stage runs: variables, and the words of its command.
#[derive(Debug, Default, Clone)]
struct Image {
    variables: BTreeMap<String, String>,
    entry_point: Vec<String>,
    command: Vec<String>,
    health: Vec<String>,
}

fn words(list: &str) -> Vec<String> {
    serde_json::from_str(list).unwrap_or_else(|error| panic!("{list}: {error}"))
}

/// The stages of the Dockerfile as images.
fn images() -> BTreeMap<String, Image> {
    let text = read("deploy/docker/Dockerfile").replace("\\\n", " ");
    let mut images: BTreeMap<String, Image> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let (keyword, rest) = line.trim().split_once(' ').unwrap_or((line, ""));
        let image = images.entry(current.clone()).or_default();
        match keyword {
            "FROM" => {
                let (base, name) = rest.split_once(" AS ").unwrap();
                let base = images.get(base).cloned().unwrap_or_default();
                images.insert(name.to_owned(), base);
                current = name.to_owned();
            }
            "ENV" => image.variables.extend(rest.split_whitespace().map(pair)),
            "ENTRYPOINT" => image.entry_point = words(rest),
            "CMD" => image.command = words(rest),
            "HEALTHCHECK" => image.health = words(rest.split_once("CMD ").unwrap().1),
            _ => {}
        }
    }
    images
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap();
    (name.to_owned(), value.to_owned())
}

/// A `docker run` line.
#[derive(Debug, Default)]
struct Run {
    image: String,
    variables: Vec<(String, Option<String>)>,
    flags: Vec<String>,
    published: Vec<String>,
    command: Vec<String>,
}

impl Run {
    fn parse(line: &str) -> Self {
        let mut run = Self::default();
        let mut words = line.split_whitespace().skip(2).map(str::to_owned);
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .filter(|value| !value.starts_with('-'))
                    .unwrap_or_else(|| panic!("{word} has no value: {line}"))
            };
            match word.as_str() {
                "--rm" | "--detach" | "--read-only" => run.flags.push(word),
                "--name" | "--restart" | "--log-opt" | "--tmpfs" | "--volume" | "--gpus" | "--ipc" => {
                    let value = value();
                    run.flags.push(format!("{word} {value}"));
                }
                "--publish" => run.published.push(value()),
                "--env" => {
                    let value = value();
                    let (name, value) = value
                        .split_once('=')
                        .map_or((value.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
                    run.variables.push((name.to_owned(), value));
                }
                flag if flag.starts_with('-') => panic!("what is {flag}? {line}"),
                image => {
                    run.image = image.to_owned();
                    run.command = words.collect();
                    return run;
                }
            }
        }
        panic!("no image: {line}")
    }

    /// The stage that its image is built from.
    fn stage(&self) -> &str {
        let (name, version) = self.image.split_once(':').unwrap();
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        name.strip_prefix("sightscan-").unwrap()
    }
}

/// The `docker run` lines of the pages of the roles.
fn runs() -> Vec<Run> {
    let pages = fs_err::read_dir(root().join("docs/roles")).unwrap().map(|page| page.unwrap().path());
    let blocks = pages.flat_map(|page| blocks(&fs_err::read_to_string(page).unwrap()));
    let lines =
        blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.starts_with("docker run ")).map(|line| Run::parse(&line)).collect()
}

/// What stands for a value in a test.
fn value_here(name: &str, value: Option<&str>, data: &str) -> String {
    match (name, value) {
        // Taken from the shell: a secret.
        (_, None) => "a-secret-of-the-tests-0123456789".to_owned(),
        ("SIGHTSCAN_DATA", _) => data.to_owned(),
        (_, Some(value)) if value.starts_with("0.0.0.0:") => "127.0.0.1:0".to_owned(),
        (_, Some(value)) => value.to_owned(),
    }
}

/// The original's variables of a database, for a new one.
fn database() -> Vec<(&'static str, String)> {
    let url = postgres();
    let (authority, name) = url.strip_prefix("postgres://").unwrap().split_once('/').unwrap();
    let (user, address) = authority.split_once('@').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    [("PGHOST", host), ("PGPORT", port), ("PGDATABASE", name), ("PGUSER", user)]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

/// Starts what a container would, with these variables, and waits until it is ready.
fn start(image: &Image, variables: &[(String, Option<String>)], data: &std::path::Path) -> Server {
    let here = data.display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sightscan"));
    // Nothing of this shell: no keys, no settings.
    command.env_clear().current_dir(data).args(&image.entry_point[1..]).args(&image.command);
    command.envs(image.variables.iter().map(|(name, value)| (name, value_here(name, Some(value), &here))));
    command.envs(variables.iter().map(|(name, value)| (name, value_here(name, value.as_deref(), &here))));
    if variables.iter().any(|(name, _)| name == "PGHOST") {
        command.envs(database());
    }
    assert_eq!(image.entry_point, ["sightscan"]);
    Server::launch(command)
}

#[test]
fn row_63_and_i17_every_image_starts_with_the_variables_of_its_page() {
    let images = images();
    let mut started = Vec::new();
    for run in runs().iter().filter(|run| run.command.is_empty()) {
        let image = &images[run.stage()];
        let folder = tempfile::tempdir().unwrap();
        let server = start(image, &run.variables, folder.path());
        // Its own check of its health, at the port that it has here.
        assert_eq!(image.health[..2], ["sightscan", "health"]);
        stdout_of(sightscan(folder.path()).args(["health", &server.address.to_string()]));
        started.push(run.stage().to_owned());
    }
    started.sort();
    assert_eq!(started, ["api", "scheduler", "serve", "up", "worker-detect", "worker-jobs", "worker-train"]);
}

#[test]
fn row_63_the_courses_image_serves_its_network() {
    let (folder, model) = folder_with_model();
    // The tiny network under the name of the course's, which cannot be passed on.
    stdout_of(sightscan(folder.path()).args(["model", "import", "--name", "yolov3-tiny"]).arg(&model));
    let server = start(&images()["course"], &[], folder.path());
    let served = crate::roles::get(&server.url("/v1/models"));
    assert!(served.to_string().contains("yolov3-tiny"), "{served}");
}

#[test]
fn row_63_what_an_image_listens_on_is_what_it_exposes_and_what_is_asked_for_its_health() {
    let text = read("deploy/docker/Dockerfile");
    let exposed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("EXPOSE ")).collect();
    for (name, image) in images().iter().filter(|(_, image)| !image.health.is_empty()) {
        let listens = image.variables.iter().find(|(name, _)| name.ends_with("LISTEN")).unwrap().1;
        let port = listens.strip_prefix("0.0.0.0:").unwrap();
        assert_eq!(image.health[2], format!("127.0.0.1:{port}"), "{name}");
        assert!(exposed.iter().any(|ports| ports.split(' ').next() == Some(port)), "{name}: {port}");
    }
    for run in runs() {
        let image = &images()[run.stage()];
        for published in &run.published {
            let (address, port) = published.rsplit_once(':').unwrap();
            assert!(address.starts_with("127.0.0.1:"), "{published} is open to everybody");
            assert!(image.health[2].ends_with(&format!(":{port}")), "{published}");
        }
    }
}

#[test]
fn w_c46_no_container_stays_behind_and_no_flag_is_swallowed() {
    for run in runs() {
        let has = |flag: &str| run.flags.iter().any(|found| found.starts_with(flag));
        // One that is started again has a name, so there is one of it.
        assert!(has("--rm") || has("--restart") && has("--name"), "{run:?}");
        assert!(!run.command.is_empty() || has("--log-opt max-size="), "its log fills the disk: {run:?}");
        assert!(
            run.flags.iter().filter(|flag| flag.starts_with("--volume")).all(|flag| flag.contains(':')),
            "{run:?}"
        );
    }
    let swallowed = std::panic::catch_unwind(|| Run::parse("docker run -d -e -it mts"));
    assert!(swallowed.is_err(), "as the original's script had it");
}

#[test]
fn w_s9_and_w_s16_no_secret_is_on_a_command_line() {
    for run in runs() {
        for (name, value) in &run.variables {
            let is_secret = ["PASSWORD", "TOKEN", "SECRET", "KEY"].iter().any(|word| name.contains(word));
            assert!(!is_secret || value.is_none(), "{name} of {}", run.image);
        }
    }
}

#[test]
fn row_63_the_originals_variables_are_on_the_page_of_what_took_their_place() {
    let known = read("docs/configuration.md");
    for (page, variables) in [
        (
            "api",
            "PGHOST PGPORT PGDATABASE PGUSER PGPASSWORD DOS_PORT ILS_PORT IC_URL MAX_SIGHTS_PER_CITY MAX_IMAGES_PER_SIGHT API_ENDPOINT_URL ALLOWED_HOSTS MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY",
        ),
        (
            "worker-jobs",
            "PGHOST MAPS_KEY GOOGLE_APPLICATION_CREDENTIALS MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY MTS_EPOCHS MIN_IMAGE_NUMBER_PER_LABEL IS_MTS_GPU_ENABLED",
        ),
        (
            "scheduler",
            "PGHOST DATA_MART_REFRESH_DATA_MARTS_EVERY_SECONDS DATA_MART_ENABLE_MODEL_TRAINING_EVERY_SECONDS DATA_MART_ENABLE_LABELLING_REQUESTS_EVERY_SECONDS ILS_PUBLIC_ENDPOINT_URL MTS_EC2_INSTANCE_ID MTS_EPOCHS AWS_REGION AWS_ACCESS_KEY_ID AWS_ACCESS_KEY MIN_LABELLED_IMAGES_NEEDED_FOR_TRAINING",
        ),
    ] {
        let text = read(&format!("docs/roles/{page}.md"));
        for variable in variables.split(' ') {
            assert!(text.contains(variable), "{variable} is not in {page}.md");
        }
    }
    let shown: Vec<String> = runs().into_iter().flat_map(|run| run.variables).map(|(name, _)| name).collect();
    let other = [read("docs/serve.md"), read("docs/elastic.md")].concat();
    for name in shown {
        // Keys of [serve] have their variable by rule.
        let key = name.strip_prefix("SIGHTSCAN_SERVE_").map(|key| format!("`{}`", key.to_lowercase()));
        let is_known =
            known.contains(&name) || other.contains(&name) || key.is_some_and(|key| other.contains(&key));
        assert!(is_known, "{name} is in no list of settings");
    }
}
