//! The compose file, by types of ours: an unknown key is a mistake.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::{ROLES, VERSION, documents, is_pinned, read, root};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Compose {
    name: String,
    #[serde(rename = "x-role")]
    _role: Value,
    services: BTreeMap<String, Service>,
    networks: BTreeMap<String, Network>,
    configs: BTreeMap<String, File>,
    secrets: BTreeMap<String, File>,
    volumes: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    #[serde(default)]
    internal: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    image: String,
    build: Option<Build>,
    restart: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<String>,
    networks: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    secrets: Vec<Mount>,
    #[serde(default)]
    configs: Vec<Mount>,
    #[serde(default)]
    depends_on: BTreeMap<String, Dependency>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    cap_drop: Vec<String>,
    #[serde(default)]
    security_opt: Vec<String>,
    #[serde(default, rename = "tmpfs")]
    _tmpfs: Vec<String>,
    #[serde(rename = "stop_grace_period")]
    _stop_grace_period: Option<String>,
    #[serde(default, rename = "profiles")]
    _profiles: Vec<String>,
    #[serde(default, rename = "command")]
    _command: Vec<String>,
    #[serde(default, rename = "entrypoint")]
    _entrypoint: Vec<String>,
    #[serde(rename = "healthcheck")]
    _healthcheck: Option<Healthcheck>,
    #[serde(rename = "deploy")]
    _deploy: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    context: String,
    dockerfile: String,
    target: String,
    #[serde(default, rename = "args")]
    _args: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Mount {
    Name(String),
    At { source: String, target: String },
}

impl Mount {
    fn source(&self) -> &str {
        match self {
            Self::Name(source) | Self::At { source, .. } => source,
        }
    }

    /// Where the service finds it.
    fn target(&self) -> String {
        match self {
            Self::Name(source) => format!("/run/secrets/{source}"),
            Self::At { target, .. } => target.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Healthcheck {
    #[serde(rename = "test")]
    _test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: String,
    #[serde(rename = "timeout")]
    _timeout: String,
    #[serde(rename = "retries")]
    _retries: u32,
}

fn compose() -> Compose {
    documents(&root().join("deploy/compose.yaml")).remove(0)
}

/// The services that are roles of ours.
fn roles(compose: &Compose) -> impl Iterator<Item = (&String, &Service, &Build)> {
    compose.services.iter().filter_map(|(name, service)| Some((name, service, service.build.as_ref()?)))
}

#[test]
fn row_63_every_role_is_there_and_is_built_from_its_stage() {
    let compose = compose();
    let mut found: Vec<&str> = roles(&compose).map(|(name, _, _)| name.as_str()).collect();
    // `up` is all of them in one, and `course` is `serve`.
    found.extend(["up", "course"]);
    found.sort_unstable();
    let mut all = ROLES.to_vec();
    all.sort_unstable();
    assert_eq!((compose.name.as_str(), found), ("sightscan", all));
    for (name, service, build) in roles(&compose) {
        assert_eq!(service.image, format!("sightscan-{name}:{VERSION}"));
        assert_eq!((build.target.as_str(), build.context.as_str()), (name.as_str(), ".."));
        assert!(root().join(&build.dockerfile).exists());
        assert!(service.read_only && service.cap_drop == ["ALL"], "{name} has rights that it does not need");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        assert_eq!(service.restart.as_deref(), Some("unless-stopped"), "{name}");
    }
    for (name, service) in &compose.services {
        assert!(is_pinned(&service.image), "{name}: {}", service.image);
    }
}

#[test]
fn whatever_a_service_names_is_there() {
    let compose = compose();
    for (name, service) in &compose.services {
        let networks = service.networks.iter().filter(|network| !compose.networks.contains_key(*network));
        let configs = service.configs.iter().filter(|config| !compose.configs.contains_key(config.source()));
        let secrets = service.secrets.iter().filter(|secret| !compose.secrets.contains_key(secret.source()));
        let needs = service.depends_on.keys().filter(|need| !compose.services.contains_key(*need));
        let volumes = service
            .volumes
            .iter()
            .filter(|volume| !compose.volumes.contains_key(volume.split(':').next().unwrap()));
        assert_eq!(
            (networks.count(), configs.count(), secrets.count(), needs.count(), volumes.count()),
            (0, 0, 0, 0, 0),
            "{name}"
        );
        for Dependency { condition } in service.depends_on.values() {
            assert!(
                ["service_healthy", "service_started", "service_completed_successfully"]
                    .contains(&condition.as_str())
            );
        }
    }
    for config in compose.configs.values() {
        assert!(root().join("deploy").join(&config.file).exists(), "{}", config.file);
    }
}

#[test]
fn w_s6_and_w_s14_only_the_api_is_published_and_only_on_this_machine() {
    let compose = compose();
    for (name, service) in &compose.services {
        match name.as_str() {
            "api" => assert_eq!(service.ports, ["${SIGHTSCAN_PUBLISH:-127.0.0.1:8002}:8002"]),
            _ => assert_eq!(service.ports, [""; 0], "{name}"),
        }
    }
    assert!(compose.networks["inside"].internal);
    for store in ["db", "store", "queue"] {
        assert_eq!(compose.services[store].networks, ["inside"], "{store}");
    }
}

#[test]
fn w_s14_no_credential_is_fixed() {
    let compose = compose();
    let is_secret = |name: &str| {
        ["PASSWORD", "SECRET", "TOKEN", "KEY", "ROOT_USER"].iter().any(|word| name.contains(word))
    };
    for (name, service) in &compose.services {
        let mounted: Vec<String> = service.secrets.iter().map(Mount::target).collect();
        for (variable, value) in service.environment.iter().filter(|(variable, _)| is_secret(variable)) {
            assert!(variable.ends_with("_FILE") && mounted.contains(value), "{name}: {variable}={value}");
        }
    }
    let made = compose.secrets.values().map(|secret| secret.file.strip_prefix("compose/generated/"));
    assert!(made.clone().all(|file| file.is_some()));
    assert!(read(".gitignore").lines().any(|line| line == "/deploy/compose/generated"));
    let (first, second) = (drawn(), drawn());
    assert_eq!(made.flatten().filter(|file| !first.contains_key(*file)).collect::<Vec<_>>(), [""; 0]);
    for (file, text) in &first {
        assert_ne!(text, &second[file], "{file} is always the same");
    }
    // The password that the database is made with is the one that the roles know.
    let known = &first["sightscan.env"];
    assert!(known.contains(&format!("PGPASSWORD={}\n", first["db-password"])), "{known}");
    assert!(known.contains(&format!("AWS_ACCESS_KEY_ID={}\n", first["store-user"])), "{known}");
    let queue = known.lines().find_map(|line| line.strip_prefix("NATS_PASSWORD=")).unwrap();
    assert!(queue.len() == 48 && first["accounts.conf"].contains(&format!("\"{queue}\"")), "{known}");
}

/// What the script makes in a folder of its own, which only its owner may enter.
fn drawn() -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("generated");
    let make = || Command::new(root().join("deploy/compose/secrets")).arg(&inside).output().unwrap();
    assert!(make().status.success());
    let read = || {
        let files = super::files(&inside).into_iter();
        let named = |path: std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        files
            .map(|path| (named(path.clone()), fs_err::read_to_string(path).unwrap()))
            .collect::<BTreeMap<_, _>>()
    };
    let made = read();
    assert!(make().status.success());
    assert_eq!(read(), made, "what is there stays");
    assert_eq!(fs_err::metadata(&inside).unwrap().permissions().mode() & 0o777, 0o700);
    made
}
