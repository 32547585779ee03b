//! Every command of `docs/deploy.md`. A shell runs each block with programs that only note how they were called; then each call is
//! parsed: ours by the program itself, Amazon's by its models, the others by what they name. What one machine can do is done for real.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use super::{blocks, postgres, read, root, section};
use crate::program::*;
use crate::roles::{get, request_city, role};

const PAGE: &str = "docs/deploy.md";

/// Programs that the guide calls and that are noted only.
const PROGRAMS: &[&str] = &[
    "aws",
    "cargo",
    "cat",
    "curl",
    "docker",
    "jq",
    "kind",
    "kubectl",
    "mkdir",
    "pg_dump",
    "pg_restore",
    "rm",
    "sed",
    "sightscan",
    "tar",
];
/// Scripts of the repository that it calls.
const SCRIPTS: &[&str] = &["deploy/compose/secrets", "deploy/aws/bake-worker-ami"];

/// Notes its own call, in one piece: the words with zero bytes behind them, and one more behind the call. What is piped into it, it takes.
const NOTE: &str = "#!/bin/bash\nprintf '%s\\0' \"${0#\"$NOTE_ROOT\"/}\" \"$@\" '' >>\"$NOTE_FILE\"\n[ ! -p /dev/stdin ] || while read -r _; do :; done\n";

/// A folder in which a shell finds nothing but programs that note their calls.
fn playground() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let programs = PROGRAMS.iter().map(|program| format!("bin/{program}"));
    for program in programs.chain(SCRIPTS.iter().map(|script| (*script).to_owned())) {
        let path = folder.path().join(program);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, NOTE).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// How a block calls programs, in order.
fn calls(block: &str) -> Vec<Vec<String>> {
    let folder = playground();
    let notes = folder.path().join("notes");
    let output = Command::new("/bin/bash")
        .args(["-euo", "pipefail", "-c", block])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", folder.path().join("bin"))
        .envs([
            ("HOME", "/home/somebody"),
            ("DATABASE_URL", "postgres://db/sightscan"),
            ("SIGHTSCAN_DATA", "/data"),
        ])
        .env("NOTE_FILE", &notes)
        .env("NOTE_ROOT", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    let noted = fs_err::read_to_string(notes).unwrap_or_default();
    let calls = noted.split("\0\0").filter(|call| !call.is_empty());
    calls.map(|call| call.trim_start_matches("bin/").split('\0').map(str::to_owned).collect()).collect()
}

/// Every call of the guide.
fn all_calls() -> Vec<Vec<String>> {
    blocks(&read(PAGE)).iter().flat_map(|block| calls(block)).collect()
}

/// Whether the program understands these arguments. The log is started before anything is done, and this one cannot be.
fn parses(arguments: &[String]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let output: Output =
        sightscan(folder.path()).args(arguments).env("SIGHTSCAN_LOG", "no=such=filter").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_understood = output.status.code() == Some(1) && told.contains("is no log filter");
    if is_understood { Ok(()) } else { Err(format!("sightscan {arguments:?}: {told}")) }
}

/// The value behind a flag.
fn after<'a>(call: &'a [String], flag: &str) -> Option<&'a str> {
    call.iter().position(|word| word == flag).map(|at| call[at + 1].as_str())
}

/// The words behind the first one that satisfies this.
fn behind(call: &[String], is_it: impl Fn(&str) -> bool) -> &[String] {
    call.iter().position(|word| is_it(word)).map_or(&[], |at| &call[at + 1..])
}

/// What is wrong with a call, as far as it can be seen here.
fn faults(call: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for word in &call[1..] {
        let path = word.rsplit('=').next().unwrap_or(word).trim_start_matches("file://");
        let is_made = path.starts_with("deploy/compose/generated/");
        if path.starts_with("deploy/") && !is_made && !root().join(path).exists() {
            faults.push(format!("{path} is not there"));
        }
    }
    let second = call.get(1).map_or("", String::as_str);
    match call[0].as_str() {
        "sightscan" => faults.extend(parses(&call[1..]).err()),
        "docker" => faults.extend(faults_of_docker(call, second)),
        "kubectl" => faults.extend(faults_of_kubectl(call, second)),
        "kind" if !["create", "load"].contains(&second) => faults.push(format!("kind {second}")),
        _ => {}
    }
    faults
}

fn faults_of_docker(call: &[String], verb: &str) -> Vec<String> {
    let dockerfile = read("deploy/docker/Dockerfile");
    let compose = read("deploy/compose.yaml");
    match verb {
        "build" => {
            let stage = after(call, "--target").unwrap();
            let is_there = dockerfile.lines().any(|line| line.ends_with(&format!(" AS {stage}")));
            let tag = after(call, "--tag").unwrap_or("sightscan-program:0.1.0");
            let is_tagged = tag.ends_with(&format!("sightscan-{stage}:{}", env!("CARGO_PKG_VERSION")));
            [
                (!is_there).then(|| format!("there is no stage {stage}")),
                (!is_tagged).then(|| format!("{tag} is built from {stage}")),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        "compose" => {
            let rest = behind(call, |word| word == "deploy/compose.yaml");
            let rest = if rest[0] == "--profile" { &rest[2..] } else { rest };
            match rest[0].as_str() {
                "up" | "ps" => Vec::new(),
                "exec" => {
                    let rest = behind(rest, |word| word == "exec");
                    let rest = if rest[0] == "--no-TTY" { &rest[1..] } else { rest };
                    let is_there = compose.contains(&format!("\n  {}:\n", rest[0]));
                    let ours = (rest[1] == "sightscan").then(|| parses(&rest[2..]).err()).flatten();
                    (!is_there)
                        .then(|| format!("there is no service {}", rest[0]))
                        .into_iter()
                        .chain(ours)
                        .collect()
                }
                other => vec![format!("docker compose {other}")],
            }
        }
        "exec" => parses(&call[4..]).err().into_iter().collect(),
        "run" | "push" | "login" => Vec::new(),
        other => vec![format!("docker {other}")],
    }
}

fn faults_of_kubectl(call: &[String], verb: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !["apply", "create", "rollout", "scale", "get", "exec", "wait"].contains(&verb) {
        faults.push(format!("kubectl {verb}"));
    }
    if let Some(folder) =
        after(call, "--kustomize").filter(|folder| !root().join(folder).join("kustomization.yaml").exists())
    {
        faults.push(format!("{folder} is no folder of kustomize"));
    }
    for (kind, name) in call
        .iter()
        .filter_map(|word| word.split_once('/'))
        .filter(|(kind, _)| ["deployment", "job"].contains(kind))
    {
        let folder = if kind == "job" { "train/job" } else { &format!("base/{name}") };
        let manifest = read(&format!("deploy/k8s/{folder}.yaml"));
        if !manifest.contains(&format!("  name: {name}\n")) {
            faults.push(format!("there is no {kind} {name}"));
        }
    }
    let inside = behind(call, |word| word == "--");
    faults.extend((!inside.is_empty()).then(|| parses(&inside[1..]).err()).flatten());
    faults
}

#[test]
fn row_64_every_command_of_the_guide_is_understood() {
    let calls = all_calls();
    let faults: Vec<String> = calls.iter().flat_map(|call| faults(call)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let programs: BTreeSet<&str> = calls.iter().map(|call| call[0].as_str()).collect();
    for program in [
        "aws",
        "docker",
        "kubectl",
        "kind",
        "sightscan",
        "pg_dump",
        "deploy/compose/secrets",
        "deploy/aws/bake-worker-ami",
    ] {
        assert!(programs.contains(program), "{program} is not called any more");
    }
    assert!(calls.len() > 80, "{} commands", calls.len());
}

#[test]
fn row_64_a_command_that_is_wrong_is_seen() {
    for wrong in [
        "sightscan upp",
        "sightscan worker",
        "sightscan migrate --to nowhere",
        "docker build --file deploy/docker/Dockerfile --target apy --tag sightscan-apy:0.1.0 .",
        "docker compose --file deploy/compose.yaml exec nobody sightscan fleet status",
        "docker exec sightscan-up sightscan helth",
        "kubectl apply --kustomize deploy/k8s/nowhere",
        "kubectl rollout status deployment/worker-detect --filename deploy/k8s/base/nothing.yaml",
        "kubectl exec deployment/api -- sightscan fleet statuss",
        "kubectl dance",
    ] {
        let found: Vec<String> = calls(wrong).iter().flat_map(|call| faults(call)).collect();
        assert!(!found.is_empty(), "{wrong}");
    }
}

#[test]
fn row_64_amazons_services_know_what_they_are_asked() {
    let Some(python) = sightscan_testkit::python() else { return };
    let told: Vec<Vec<String>> =
        all_calls().into_iter().filter(|call| call[0] == "aws").map(|call| call[1..].to_vec()).collect();
    assert!(told.len() > 20);
    let check = |calls: &Vec<Vec<String>>| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_commands.py");
        let output =
            output_with_input(Command::new(&python).arg(script), &serde_json::to_vec(calls).unwrap());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(check(&told), "");
    let wrong = vec![
        vec!["ec2".to_owned(), "fly".to_owned()],
        vec!["rds".to_owned(), "modify-db-instance".to_owned(), "--bogus".to_owned()],
    ];
    assert_eq!(check(&wrong).lines().count(), 2);
}

#[test]
fn row_64_files_that_the_guide_leads_to_are_there() {
    let pages = fs_err::read_dir(root().join("docs/roles")).unwrap().map(|page| page.unwrap().path());
    for page in pages.chain([PAGE, "docs/course.md", "README.md"].map(|page| root().join(page))) {
        let text = fs_err::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            let is_heading = |line: &str| line.starts_with('#') && slug(line) == anchor;
            assert!(
                anchor.is_empty() || fs_err::read_to_string(&target).unwrap().lines().any(is_heading),
                "{}: {link}",
                page.display()
            );
        }
    }
}

/// A heading as links name it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|sign| sign.is_alphanumeric() || [' ', '-'].contains(sign));
    kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

/// Runs a block for real.
fn run(block: &str, folder: &Path, variables: &[(&str, &str)]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_sightscan")).parent().unwrap();
    let mut path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    // Where Debian has the clients of PostgreSQL of the server's own version.
    for entry in fs_err::read_dir("/usr/lib/postgresql").into_iter().flatten() {
        path = format!("{}:{path}", entry.unwrap().path().join("bin").display());
    }
    let mut shell = Command::new("/bin/bash");
    shell
        .args(["-euo", "pipefail", "-c", block])
        .current_dir(folder)
        .env("PATH", path)
        .envs(variables.iter().copied());
    stdout_of(&mut shell)
}

#[test]
fn row_64_on_one_laptop_the_guide_is_followed_to_the_letter() {
    let folder = tempfile::tempdir().unwrap();
    let page = read(PAGE);
    let blocks = blocks(section(&page, "One laptop"));
    assert!(blocks[0].ends_with("\nsightscan up"), "{}", blocks[0]);
    let mut command = role(folder.path(), "up");
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Server::launch(command);
    let told = run(&blocks[1].replace("127.0.0.1:8002", &server.address.to_string()), folder.path(), &[]);
    assert!(told.contains("\"approved\"") && told.contains("\"berlin\""), "{told}");
}

#[test]
fn w_p12_a_backup_of_an_embedded_installation_brings_it_back() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = |data: &Path| {
        let mut command = role(data, "api");
        command.args(["--listen", "127.0.0.1:0"]);
        Server::launch(command)
    };
    let server = start(data.path());
    request_city(&server, "Berlin");
    server.terminate();
    drop(server);
    let page = read(PAGE);
    let blocks = blocks(section(&page, "Back up and restore"));
    let here = data.path().to_str().unwrap().to_owned();
    run(&blocks[0], elsewhere.path(), &[("SIGHTSCAN_DATA", &here)]);
    fs_err::remove_dir_all(data.path()).unwrap();
    run(&blocks[1], elsewhere.path(), &[("SIGHTSCAN_DATA", &here)]);
    let server = start(data.path());
    assert_eq!(get(&server.url("/v1/cities/berlin"))["state"], "approved");
}

#[test]
fn w_p12_a_backup_of_postgresql_brings_it_back_and_an_upgrade_keeps_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let (database, other) = (postgres(), postgres());
    let start = |url: &str| {
        let mut command = role(folder.path(), "api");
        command.args(["--listen", "127.0.0.1:0"]).env("DATABASE_URL", url);
        Server::launch(command)
    };
    request_city(&start(&database), "Berlin");
    let page = read(PAGE);
    let blocks = blocks(section(&page, "Back up and restore"));
    run(&blocks[2], folder.path(), &[("DATABASE_URL", &database)]);
    // Into another database, in which there is something else.
    request_city(&start(&other), "Paris");
    let told = run(&blocks[3], folder.path(), &[("DATABASE_URL", &other)]);
    assert!(told.contains("no change"), "the schema is that of the backup: {told}");
    let server = start(&other);
    assert_eq!(get(&server.url("/v1/cities/berlin"))["state"], "approved");
    assert_eq!(reqwest_get(&server.url("/v1/cities/paris")).unwrap(), 404);
}

#[test]
fn w_p12_a_schema_goes_back_to_the_version_that_the_guide_names_and_forth() {
    let folder = tempfile::tempdir().unwrap();
    stdout_of(&mut role(folder.path(), "migrate"));
    let page = read(PAGE);
    let back = calls(&blocks(section(&page, "Roll back"))[0])
        .into_iter()
        .find(|call| call[0] == "sightscan")
        .unwrap();
    let told = stdout_of(sightscan(folder.path()).args(&back[1..]));
    assert!(told.contains(&format!("version {}", back[3])), "{told}");
    stdout_of(&mut role(folder.path(), "migrate"));
}
