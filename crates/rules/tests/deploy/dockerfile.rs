//! The Dockerfile, by rules of ours.

use std::collections::BTreeMap;
use std::path::Path;

use super::{ROLES, is_pinned, read, root};

/// One instruction, its lines put together.
#[derive(Debug, Clone)]
struct Instruction {
    keyword: String,
    rest: String,
}

/// A stage: what it begins with, and what it does.
#[derive(Debug, Default)]
struct Stage {
    base: String,
    does: Vec<Instruction>,
}

#[derive(Debug, Default)]
struct Dockerfile {
    arguments: BTreeMap<String, String>,
    stages: BTreeMap<String, Stage>,
}

/// The instructions of a file, without comments.
fn instructions(text: &str) -> Vec<Instruction> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.fold(String::new(), |told, line| match line.trim_end().strip_suffix('\\') {
        Some(begun) => told + begun + " ",
        None => told + line + "\n",
    });
    let split = |line: &str| {
        let (keyword, rest) = line.trim().split_once(' ')?;
        Some(Instruction { keyword: keyword.to_uppercase(), rest: rest.trim().to_owned() })
    };
    joined.lines().filter_map(split).collect()
}

impl Dockerfile {
    fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut current = None;
        for (number, instruction) in instructions(text).into_iter().enumerate() {
            match (instruction.keyword.as_str(), &mut current) {
                ("FROM", _) => current = Some(file.begin(&instruction.rest, number)),
                (_, Some(stage)) => file.stages.entry(stage.clone()).or_default().does.push(instruction),
                (_, None) => {
                    let (name, value) = instruction.rest.split_once('=').unwrap_or((&instruction.rest, ""));
                    file.arguments.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        file
    }

    /// Begins a stage, and gives its name.
    fn begin(&mut self, rest: &str, number: usize) -> String {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let name = words.get(2).map_or_else(|| format!("stage {number}"), |name| (*name).to_owned());
        let mut base = words[0].to_owned();
        for (argument, value) in &self.arguments {
            base = base.replace(&format!("${{{argument}}}"), value);
        }
        self.stages.insert(name.clone(), Stage { base, does: Vec::new() });
        name
    }

    /// What a stage does, after what the stages do that it stands on.
    fn whole(&self, name: &str) -> Vec<&Instruction> {
        let Some(stage) = self.stages.get(name) else { return Vec::new() };
        let mut whole = self.whole(&stage.base);
        whole.extend(&stage.does);
        whole
    }

    /// The last instruction of this kind, which is the one that counts.
    fn last(&self, name: &str, keyword: &str) -> Option<&str> {
        let whole = self.whole(name);
        whole.iter().rev().find(|instruction| instruction.keyword == keyword).map(|found| found.rest.as_str())
    }
}

/// Words that name a secret.
const SECRETS: &[&str] = &["PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL"];

/// What is wrong with any stage.
fn faults_of_stage(file: &Dockerfile, name: &str, stage: &Stage) -> Vec<String> {
    let mut faults = Vec::new();
    if !file.stages.contains_key(&stage.base) && stage.base != "scratch" && !is_pinned(&stage.base) {
        faults.push(format!("{name}: the base {} is not pinned", stage.base));
    }
    for does in &stage.does {
        faults.extend(faults_of(does).map(|what| format!("{name}: {what}: {} {}", does.keyword, does.rest)));
    }
    faults
}

/// What is wrong with an instruction.
fn faults_of(Instruction { keyword, rest }: &Instruction) -> impl Iterator<Item = &'static str> {
    let upper = rest.to_uppercase();
    let names_a_secret = SECRETS.iter().any(|secret| upper.contains(secret));
    let downloads = ["curl ", "wget ", "pip install", "git clone"].iter().any(|word| rest.contains(word));
    let copies_all = rest.split_whitespace().any(|word| word == ".");
    let (sets, copies, runs) = (keyword == "ARG" || keyword == "ENV", keyword == "COPY", keyword == "RUN");
    let rules = [
        (keyword == "ADD", "ADD fetches or unpacks unseen, COPY does not"),
        (sets && names_a_secret, "a secret"),
        (copies && copies_all, "everything is copied, whatever lies there"),
        (runs && rest.contains("777"), "everybody may write"),
        (runs && rest.contains("sudo "), "sudo"),
        (runs && downloads, "a download that is not pinned"),
        (runs && rest.contains("apt-get") && !is_careful(rest), "packages that are not pinned"),
    ];
    rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, what)| what)
}

/// Whether packages are installed by version, without what they merely recommend, and leave no lists behind.
fn is_careful(run: &str) -> bool {
    let Some((_, packages)) = run.split_once("--no-install-recommends") else { return false };
    let packages = packages.split("&&").next().unwrap_or("");
    packages.split_whitespace().all(|package| package.contains('='))
        && run.contains("rm -rf /var/lib/apt/lists")
}

/// What is wrong with an image that is run.
fn faults_of_image(file: &Dockerfile, name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let user = file.last(name, "USER").unwrap_or("root");
    if user.split(':').next().is_none_or(|user| user.parse::<u32>().unwrap_or(0) == 0) {
        faults.push(format!(
            "{name} runs as {user}; a number that is not 0 lets Kubernetes see that it is not root"
        ));
    }
    let is_list = |text: Option<&str>| text.is_some_and(|text| text.trim_start().starts_with('['));
    if !is_list(file.last(name, "ENTRYPOINT")) {
        faults.push(format!("{name}: ENTRYPOINT is a shell's text: signals do not reach the program"));
    }
    let health =
        file.last(name, "HEALTHCHECK").and_then(|text| text.split_once("CMD")).map(|(_, command)| command);
    if !is_list(health) || health.is_some_and(|command| command.contains("curl")) {
        faults.push(format!("{name} has no HEALTHCHECK by a program that it holds"));
    }
    if file.last(name, "EXPOSE").is_none() {
        faults.push(format!("{name} tells no port"));
    }
    if file.last(name, "VOLUME").is_some() {
        faults.push(format!("{name}: volumes without a name stay behind and fill the disk"));
    }
    faults
}

fn faults(text: &str, images: &[&str]) -> Vec<String> {
    let file = Dockerfile::parse(text);
    let stages = file.stages.iter().flat_map(|(name, stage)| faults_of_stage(&file, name, stage));
    let images = images.iter().flat_map(|name| match file.stages.contains_key(*name) {
        true => faults_of_image(&file, name),
        false => vec![format!("there is no stage {name}")],
    });
    stages.chain(images).collect()
}

#[test]
fn w13_and_w_s17_every_image_is_pinned_unprivileged_and_tells_its_health() {
    assert_eq!(faults(&read("deploy/docker/Dockerfile"), ROLES), [""; 0]);
}

/// In the shape of the original's images and of the course's usual ones.
const AS_IT_WAS: &str = "FROM ubuntu AS api
ARG AWS_ACCESS_KEY
ENV SECRET_KEY=changeme
RUN apt-get update && apt-get install python3
RUN curl https://example.org/weights -o weights && chmod 777 /work
ADD https://example.org/yolov3-tiny.weights .
COPY . .
VOLUME /data
CMD python3 manage.py runserver 0.0.0.0:8002
";

#[test]
fn w_s7_and_w_s17_an_image_as_it_was_is_refused_for_each_of_its_faults() {
    let told = faults(AS_IT_WAS, &["api"]).join("\n");
    for fault in [
        "ubuntu is not pinned",
        "a secret: ARG AWS_ACCESS_KEY",
        "a secret: ENV SECRET_KEY",
        "packages that are not pinned",
        "a download that is not pinned",
        "everybody may write",
        "ADD fetches",
        "everything is copied",
        "runs as root",
        "ENTRYPOINT is a shell's text",
        "no HEALTHCHECK",
        "tells no port",
        "fill the disk",
    ] {
        assert!(told.contains(fault), "{fault} in {told}");
    }
}

#[test]
fn w13_weights_are_in_the_courses_image_and_are_never_downloaded_when_it_runs() {
    let file = Dockerfile::parse(&read("deploy/docker/Dockerfile"));
    let course = file.whole("course");
    assert!(course.iter().any(|does| does.keyword == "COPY" && does.rest.contains("/data/models")));
    assert!(
        course.iter().any(|does| does.keyword == "ENV" && does.rest == "SIGHTSCAN_SERVE_MODEL=yolov3-tiny")
    );
    assert_eq!(file.last("course", "EXPOSE"), Some("5000"));
    assert_eq!(file.last("course", "CMD"), Some("[\"serve\"]"));
}

#[test]
fn w_s7_nothing_that_lies_around_gets_into_a_build() {
    let ignore = read(".dockerignore");
    let lines: Vec<&str> = ignore.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "only what is named is sent");
    for secret in ["**/.env", "**/*.pem", "**/auth.json"] {
        assert!(lines.contains(&secret), "{secret}");
    }
    let named: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix('!')).collect();
    let file = Dockerfile::parse(&read("deploy/docker/Dockerfile"));
    let copies = file.stages.values().flat_map(|stage| &stage.does).filter(|does| does.keyword == "COPY");
    for copy in copies.filter(|copy| !copy.rest.contains("--from=")) {
        let mut sources: Vec<&str> = copy.rest.split_whitespace().collect();
        sources.pop();
        for source in sources {
            assert!(named.contains(&source), "{source} is copied and ignored");
            // The course's network is not part of the repository.
            assert!(root().join(source).exists() || Path::new(source).components().count() == 1, "{source}");
        }
    }
}

#[test]
fn the_image_is_built_by_the_compiler_that_the_workspace_asks_for() {
    let manifest = read("Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    let file = Dockerfile::parse(&read("deploy/docker/Dockerfile"));
    assert!(
        file.stages["build"].base.starts_with(&format!("rust:{version}.")),
        "{}",
        file.stages["build"].base
    );
}
