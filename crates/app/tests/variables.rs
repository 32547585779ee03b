//! What roles are told by variables: the original's, and a file with them.

use std::io::BufReader;
use std::process::Stdio;

use crate::program::*;
use crate::roles::{get, request_city, role};

#[test]
fn the_originals_variables_are_read_at_the_start_of_a_role() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("MAX_SIGHTS_PER_CITY", "7"),
        ("MAX_IMAGES_PER_SIGHT", "8"),
        ("MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY", "9"),
        ("DATA_MART_REFRESH_DATA_MARTS_EVERY_SECONDS", "61"),
        ("DATA_MART_ENABLE_MODEL_TRAINING_EVERY_SECONDS", "10"),
        ("DATA_MART_ENABLE_LABELLING_REQUESTS_EVERY_SECONDS", "63"),
        ("MTS_EPOCHS", "100"),
        ("MIN_LABELLED_IMAGES_NEEDED_FOR_TRAINING", "100"),
        ("MIN_IMAGE_NUMBER_PER_LABEL", "10"),
        ("API_ENDPOINT_URL", "https://api.example/"),
        ("MTS_EC2_INSTANCE_ID", "i-123"),
        ("AWS_REGION", "eu-central-1"),
        ("ILS_PORT", "0"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "./auth.json"),
    ];
    let secrets = [
        ("MAPS_KEY", "key-of-maps"),
        ("AWS_ACCESS_KEY_ID", "id-of-aws"),
        ("AWS_ACCESS_KEY", "secret-of-aws"),
        ("PGPASSWORD", "secret-of-pg"),
    ];
    let lost =
        [("IC_URL", "http://ic"), ("ILS_PUBLIC_ENDPOINT_URL", "http://ils"), ("IS_MTS_GPU_ENABLED", "true")];
    for (verb, arguments) in [
        ("up", vec!["--listen", "127.0.0.1:0"]),
        ("api", vec!["--listen", "127.0.0.1:0"]),
        ("scheduler", vec![]),
        ("worker", vec!["--jobs", "crawl"]),
    ] {
        let mut command = role(folder.path(), verb);
        command
            .args(arguments)
            .envs(variables)
            .envs(secrets)
            .envs(lost)
            .stderr(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let sign = match verb {
            "worker" => "worker is ready",
            "scheduler" => "scheduler plans",
            _ => "server listens",
        };
        let told = wait_for_line(&mut log, sign);
        terminate(&child);
        assert!(child.wait().unwrap().success());
        for (name, value) in variables {
            assert!(
                told.lines().any(|line| line.contains(name) && line.contains(value)),
                "{verb}: {name} in {told}"
            );
        }
        for (name, value) in secrets {
            assert!(told.contains(name) && !told.contains(value), "{verb}: {name}");
        }
        for (name, _) in lost {
            let line = told.lines().find(|line| line.contains(name)).unwrap();
            assert!(line.contains("WARN") && line.contains("sightscan worker --jobs"), "{line}");
        }
        assert!(
            told.lines().any(|line| line.contains("WARN") && line.contains("below 300 seconds")),
            "{told}"
        );
    }
}

#[test]
fn the_originals_port_and_hosts_are_those_of_the_api() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["up", "api"] {
        let mut command = role(folder.path(), verb);
        // Port 0 is any that is free.
        command.envs([("DOS_PORT", "0"), ("ALLOWED_HOSTS", "guide.example, other.example")]);
        let server = Server::launch(command);
        assert_ne!(server.address.port(), 8002, "{verb}");
        assert_eq!(reqwest_get(&server.url("/v1/cities")).unwrap(), 421, "{verb}");
    }
}

#[test]
fn the_settings_of_a_crawl_come_from_the_originals_variables() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = role(folder.path(), "api");
    command
        .args(["--listen", "127.0.0.1:0"])
        .envs([("MAX_SIGHTS_PER_CITY", "7"), ("MAX_IMAGES_PER_SIGHT", "8")]);
    let server = Server::launch(command);
    request_city(&server, "Berlin");
    let listed = stdout_of(role(folder.path(), "jobs").arg("list"));
    let shown =
        stdout_of(role(folder.path(), "jobs").args(["show", listed.split_whitespace().next().unwrap()]));
    assert!(shown.contains(r#""max_sights":7,"max_images_per_sight":8"#), "{shown}");
}

#[test]
fn a_file_named_env_is_read_and_variables_win_over_it() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join(".env"), "DATABASE_URL=sqlite:from-env.db\nMTS_EPOCHS=none\n").unwrap();
    let error = failure_of(role(folder.path(), "scheduler").env("MAX_SIGHTS_PER_CITY", "7"));
    assert!(error.contains("MTS_EPOCHS is `none`"), "{error}");
    let told = stdout_of(role(folder.path(), "migrate").env("MTS_EPOCHS", "5"));
    assert!(told.contains("sqlite:from-env.db"), "{told}");
}

#[test]
fn settings_that_cannot_be_meant_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, told) in [
        ("PGHOST", "http://db.example:5432", "PGHOST=db.example"),
        ("MAX_SIGHTS_PER_CITY", "None", "whole number"),
        ("DOS_PORT", "http", "port"),
        ("SIGHTSCAN_ADMIN_TOKEN", "short", "SIGHTSCAN_ADMIN_TOKEN"),
    ] {
        let error = failure_of(role(folder.path(), "api").args(["--listen", "127.0.0.1:0"]).env(name, value));
        assert!(error.contains(told), "{name}: {error}");
    }
}

#[test]
fn the_originals_database_variables_reach_postgresql() {
    let server = std::env::var("SIGHTSCAN_TEST_POSTGRES").expect("SIGHTSCAN_TEST_POSTGRES, see scripts/test");
    let url = block_on(sightscan_testkit::database::new_database(&server));
    let (authority, name) = url.strip_prefix("postgres://").unwrap().split_once('/').unwrap();
    let (user, address) = authority.split_once('@').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = role(folder.path(), "api");
    command.args(["--listen", "127.0.0.1:0"]).envs([
        ("PGHOST", host),
        ("PGPORT", port),
        ("PGDATABASE", name),
        ("PGUSER", user),
        ("PGPASSWORD", "unused"),
    ]);
    let running = Server::launch(command);
    request_city(&running, "Berlin");
    assert_eq!(get(&running.url("/v1/cities/berlin"))["state"], "approved");
    assert!(!folder.path().join("sightscan.db").exists());
}
