//! What machines on EC2 and pods are told: settings that the program takes, and a worker that begins by itself.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{postgres, read, root};
use crate::program::*;

/// The text behind a key of YAML, without its indentation.
fn block<'a>(text: &'a str, key: &str) -> String {
    let (_, rest) = text.split_once(key).unwrap_or_else(|| panic!("no {key}"));
    let lines: Vec<&'a str> = rest.lines().skip(1).collect();
    let depth = lines[0].len() - lines[0].trim_start().len();
    let inside =
        lines.iter().take_while(|line| line.is_empty() || line.len() - line.trim_start().len() >= depth);
    inside.map(|line| line.get(depth..).unwrap_or("").to_owned() + "\n").collect()
}

/// Replaces what the template fills in.
fn filled(text: &str) -> String {
    let values = [
        ("MostWorkers", "19"),
        ("TrainerPool", ""),
        ("HostName", "sightscan.example.org"),
        ("Detect", "https://sqs.eu-central-1.amazonaws.com/1/a"),
    ];
    let text = values
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    // What is left are names of buckets and queues, which are in lower case.
    let mut parts = text.split("${");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |all, part| {
        let (name, rest) = part.split_once('}').unwrap();
        all + &name.to_lowercase() + rest
    })
}

/// Has the program read settings; it prints the schema and does nothing.
fn takes(settings: &str, what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    fs_err::write(&file, settings).unwrap();
    let output =
        sightscan(folder.path()).arg("--config").arg(&file).args(["migrate", "--sql"]).output().unwrap();
    assert!(output.status.success(), "{what}: {}\n{settings}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn row_63_the_settings_of_compose_are_taken() {
    takes(&read("deploy/compose/sightscan.toml"), "compose");
}

#[test]
fn row_63_the_settings_of_clusters_and_of_machines_are_taken() {
    for overlay in ["kind", "eks"] {
        takes(&block(&read(&format!("deploy/k8s/{overlay}/settings.yaml")), "sightscan.toml: |"), overlay);
    }
    let template = read("deploy/aws/sightscan.yaml");
    let settings = filled(&block(&template, "Value: !Sub\n        - |"));
    takes(&settings, "EC2 without a trainer");
    let trainer = filled(&block(&template, "- HasTrainer\n            - !Sub |"));
    assert!(trainer.contains("jobs:train"), "{trainer}");
    takes(&(settings + &trainer), "EC2 with a trainer");
}

#[test]
fn i10_keda_asks_the_database_for_what_waits() {
    let database = postgres();
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::roles::role(folder.path(), "api");
    command.args(["--listen", "127.0.0.1:0", "--detect-through", "db:"]).env("DATABASE_URL", &database);
    let tier = Server::launch(command);
    let count = |manifest: &str| {
        let text = read(manifest);
        let query = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("query: \""))
            .unwrap()
            .trim_end_matches('"');
        let query: &'static str = Box::leak(format!("SELECT ({query})::TEXT").into_boxed_str());
        block_on(sightscan_testkit::database::texts(&database, query)).remove(0)
    };
    let (workers, trainer) =
        ("deploy/k8s/keda/postgresql/workers.yaml", "deploy/k8s/keda/train/trainer.yaml");
    assert_eq!([count(workers), count(trainer)], ["0", "0"], "an idle system starts nobody");
    let picture = sightscan_testkit::tiny::plain_picture([1, 2, 3], 64, 64);
    let status = block_on(async {
        let request =
            reqwest::Client::new().post(tier.url("/v1/detect")).header("x-sightscan-deadline-ms", "5000");
        request.body(picture).send().await.unwrap().status().as_u16()
    });
    assert_eq!(status, 202, "it waits: nobody looks");
    assert_eq!([count(workers), count(trainer)], ["1", "0"]);
}

/// Runs `start` of a machine's image with the programs of Amazon's and of the system before the real ones.
fn started(machine: &Path, arguments: &[&str]) {
    use std::os::unix::fs::PermissionsExt;
    let bin = machine.join("bin");
    fs_err::create_dir_all(&bin).unwrap();
    fs_err::create_dir_all(machine.join("var/lib/cloud/scripts/per-boot")).unwrap();
    for (name, text) in [
        ("cloud-init", "echo eu-central-1"),
        ("systemctl", "echo \"$*\" >>\"$SIGHTSCAN_ROOT/systemctl\""),
        // As the CLI answers with `--query … --output text`.
        (
            "aws",
            "case \"$*\" in\n  ssm*) echo '[worker]' ;;\n  *token*) echo a-token-that-nobody-knows ;;\n  *) echo '{\"username\": \"sightscan\", \"password\": \"it'\"'\"'s $HOME \\\"x\\\" #1\"}' ;;\nesac",
        ),
    ] {
        fs_err::write(bin.join(name), format!("#!/bin/bash\n{text}\n")).unwrap();
        fs_err::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let group = String::from_utf8(Command::new("id").arg("--group").output().unwrap().stdout).unwrap();
    let mut start = Command::new(root().join("deploy/aws/image/start"));
    start
        .args(arguments)
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
        .env("SIGHTSCAN_ROOT", machine)
        .env("SIGHTSCAN_GROUP", group.trim());
    stdout_of(&mut start);
}

#[test]
fn i18_a_fresh_machine_starts_its_worker_which_looks_for_work_and_ends_by_itself() {
    let machine = tempfile::tempdir().unwrap();
    let text = read("deploy/aws/worker-user-data").replace("\\\n", " ");
    let (_, call) = text.split_once("exec /usr/local/lib/sightscan/start ").unwrap();
    let database = format!("DATABASE_URL=sqlite:{}", machine.path().join("sightscan.db").display());
    let here = |word: &str| match word.split_once('=') {
        Some(("SIGHTSCAN_WORKER_DETECT", _)) => "SIGHTSCAN_WORKER_DETECT=db:".to_owned(),
        Some(("PGHOST", _)) => database.clone(),
        _ => word.to_owned(),
    };
    let words: Vec<String> = call.split_whitespace().map(here).collect();
    started(machine.path(), &words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        fs_err::read_to_string(machine.path().join("systemctl")).unwrap(),
        "start sightscan-worker.service\n"
    );
    let unit = read("deploy/aws/image/sightscan-worker.service");
    let line = |key: &str| {
        unit.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect::<Vec<_>>()
    };
    let start = line("ExecStart=").remove(0).replace("--exit-when-idle 60", "--exit-when-idle 1");
    let mut words = start.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/sightscan"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sightscan"));
    command
        .env_clear()
        .args(words)
        .current_dir(machine.path().join(line("WorkingDirectory=")[0].trim_start_matches('/')));
    for variable in line("Environment=") {
        let (name, value) = variable.split_once('=').unwrap();
        let value = if value.starts_with('/') {
            format!("{}{value}", machine.path().display())
        } else {
            value.to_owned()
        };
        command.env(name, value);
    }
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let log: Vec<String> = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{log:?}");
    assert!(log.iter().any(|line| line.contains("worker looks at pictures")), "{log:?}");
}

#[test]
fn w_s9_secrets_of_a_machine_come_whole_and_only_the_role_reads_them() {
    use std::os::unix::fs::PermissionsExt;
    let machine = tempfile::tempdir().unwrap();
    started(
        machine.path(),
        &["api", "/sightscan/settings", "secret", "TOKEN_SECRET=the-token", "PGHOST=db.example"],
    );
    let folder = machine.path().join("run/sightscan");
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(".env"))), (0o750, 0o640));
    let text = fs_err::read_to_string(folder.join(".env")).unwrap();
    assert!(
        text.contains("SIGHTSCAN_ADMIN_TOKEN=a-token-that-nobody-knows\n")
            && text.contains("PGHOST=db.example\n"),
        "{text}"
    );
    // By the program that reads it: a role says which variables it has found, and a host with a scheme it refuses.
    let host = text.replace("PGHOST=db.example", "PGHOST=http://db.example");
    fs_err::write(folder.join(".env"), host).unwrap();
    let error = failure_of(sightscan(&folder).arg("migrate"));
    assert!(error.contains("PGHOST"), "{error}");
}

#[test]
fn w_c2_a_trainer_is_told_its_role_at_every_start_and_a_machine_that_cannot_begin_goes() {
    let machine = tempfile::tempdir().unwrap();
    started(machine.path(), &["trainer", "/sightscan/settings", "secret", "PGHOST=db.example"]);
    let again =
        fs_err::read_to_string(machine.path().join("var/lib/cloud/scripts/per-boot/sightscan")).unwrap();
    assert!(again.contains("start trainer /sightscan/settings secret PGHOST=db.example"), "{again}");
    // A secret that may not be read.
    fs_err::write(machine.path().join("bin/aws"), "#!/bin/bash\nexit 254\n").unwrap();
    let path = format!("{}:{}", machine.path().join("bin").display(), std::env::var("PATH").unwrap());
    let mut start = Command::new(root().join("deploy/aws/image/start"));
    start
        .args(["worker", "/sightscan/settings", "secret"])
        .env("PATH", path)
        .env("SIGHTSCAN_ROOT", machine.path());
    let group =
        fs_err::metadata(machine.path()).map(|data| std::os::unix::fs::MetadataExt::gid(&data)).unwrap();
    assert!(!start.env("SIGHTSCAN_GROUP", group.to_string()).status().unwrap().success());
    let told = || fs_err::read_to_string(machine.path().join("systemctl")).unwrap();
    assert_eq!(told().lines().last(), Some("poweroff"));
    // Only the administrator's token may not be read: nothing starts with another one.
    let fails = "case \"$*\" in\n  ssm*) echo '[worker]' ;;\n  *token*) exit 254 ;;\n  *) echo '{\"username\": \"a\", \"password\": \"b\"}' ;;\nesac";
    fs_err::write(machine.path().join("bin/aws"), format!("#!/bin/bash\n{fails}\n")).unwrap();
    let before = told().lines().count();
    start.args(["TOKEN_SECRET=token"]);
    assert!(!start.status().unwrap().success());
    assert_eq!((told().lines().count(), told().lines().last()), (before + 1, Some("poweroff")));
}
