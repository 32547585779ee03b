//! The shell scripts of the repository, and what must stand in no file of it.

use std::path::Path;
use std::process::{Command, Output};

use super::{must_agree, read, root, tracked};

/// The files that a shell runs.
fn scripts() -> Vec<String> {
    let is_script = |path: &String| {
        let text = fs_err::read_to_string(root().join(path)).unwrap_or_default();
        text.lines().next().is_some_and(|first| first.starts_with("#!") && first.ends_with("sh"))
    };
    tracked().into_iter().filter(is_script).collect()
}

#[test]
fn w_p12_shellcheck_finds_nothing() {
    let scripts = scripts();
    for known in
        ["scripts/test", "deploy/compose/secrets", "deploy/aws/bake-worker-ami", "deploy/aws/image/start"]
    {
        assert!(scripts.iter().any(|script| script == known), "{known}");
    }
    if Command::new("shellcheck").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "shellcheck is missing; run scripts/test");
        return;
    }
    must_agree(Command::new("shellcheck").current_dir(root()).args(&scripts));
    for script in &scripts {
        assert!(read(script).contains("set -euo pipefail"), "{script} goes on after a failure");
    }
}

/// Runs a script with a program `aws` before the real one, which notes how it was called.
fn with_aws(aws: &str, script: &str, arguments: &[&str]) -> (Output, String) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (program, calls) = (folder.path().join("aws"), folder.path().join("calls"));
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\n{aws}\n", calls.display());
    fs_err::write(&program, text).unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new(root().join(script))
        .args(arguments)
        .env("PATH", path)
        .current_dir(folder.path())
        .output()
        .unwrap();
    (output, fs_err::read_to_string(calls).unwrap_or_default())
}

/// Answers as the AWS CLI does with `--query … --output text`.
const AWS: &str = r#"case "$1 $2" in
    "s3 presign") echo "https://bucket.example/sightscan?X-Amz-Expires=3600" ;;
    "ssm get-parameter") echo ami-00000000000000001 ;;
    "ec2 run-instances") echo i-00000000000000001 ;;
    "ec2 get-console-output") echo "sightscan-is-baked" ;;
    "ec2 create-image") echo ami-00000000000000002 ;;
esac"#;

const BAKE: &str = "deploy/aws/bake-worker-ami";
const ARGUMENTS: &[&str] = &["--binary", "/bin/true", "--bucket", "b", "--subnet", "subnet-1"];

#[test]
fn i18_an_image_is_baked_without_a_key_and_the_machine_goes() {
    let (output, calls) = with_aws(AWS, BAKE, ARGUMENTS);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ami-00000000000000002\n");
    let at = |call: &str| {
        calls.lines().position(|line| line.starts_with(call)).unwrap_or_else(|| panic!("{call} in {calls}"))
    };
    assert!(at("ec2 run-instances") < at("ec2 wait instance-stopped"));
    assert!(at("ec2 wait instance-stopped") < at("ec2 create-image"));
    assert!(
        at("ec2 wait image-available") < at("ec2 terminate-instances --instance-ids i-00000000000000001")
    );
    assert!(
        calls.contains("--metadata-options HttpTokens=required") && !calls.contains("--key-name"),
        "{calls}"
    );
    assert!(calls.lines().last().unwrap().starts_with("s3 rm s3://b/bake/"), "{calls}");
}

#[test]
fn i18_a_machine_that_is_not_whole_becomes_no_image_and_goes_as_well() {
    let broken = AWS.replace("sightscan-is-baked", "curl: (22) 403");
    let (output, calls) = with_aws(&broken, BAKE, ARGUMENTS);
    assert_eq!(output.status.code(), Some(1));
    assert!(calls.contains("ec2 terminate-instances") && !calls.contains("ec2 create-image"), "{calls}");
    let refused =
        AWS.replace("\"ec2 run-instances\") echo i-00000000000000001", "\"ec2 run-instances\") exit 254");
    let (output, calls) = with_aws(&refused, BAKE, ARGUMENTS);
    assert!(!output.status.success() && !calls.contains("ec2 terminate-instances"), "{calls}");
    assert!(calls.contains("s3 rm"), "{calls}");
}

#[test]
fn the_scripts_of_deploy_say_how_they_are_used() {
    // User data is called by a machine, without arguments.
    let is_called = |script: &&String| script.starts_with("deploy/") && !script.ends_with("user-data");
    for script in scripts().iter().filter(is_called) {
        let output = Command::new(root().join(script)).arg("--help").output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let name = Path::new(script).file_name().unwrap().to_str().unwrap();
        assert!(output.status.success() && told.contains(name), "{script}: {told}");
    }
    let (output, calls) = with_aws(AWS, BAKE, &["--binary", "/bin/true"]);
    assert_eq!((output.status.code(), calls.as_str()), (Some(2), ""), "nothing is done by halves");
}

/// Texts that look like a key of a service or of a machine.
fn keys(text: &str) -> Vec<&str> {
    let is_key = |word: &&str| {
        let is_id = |rest: &str| {
            rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let id = word.strip_prefix("AKIA").or_else(|| word.strip_prefix("ASIA")).is_some_and(is_id);
        id || word.starts_with("AIza") && word.len() == 39 || word.starts_with("ghp_") && word.len() == 40
    };
    let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_' && sign != '-');
    let blocks = text
        .match_indices("-----BEGIN ")
        .filter(|(at, _)| text[*at..].lines().next().is_some_and(|line| line.ends_with("PRIVATE KEY-----")));
    words.filter(is_key).chain(blocks.map(|(_, word)| word)).collect()
}

#[test]
fn i17_and_w_s7_the_repository_holds_no_key() {
    let known = [concat!("AK", "IAIOSFODNN7EXAMPLE"), concat!("-----BEGIN RSA PRI", "VATE KEY-----")];
    assert!(known.iter().all(|key| keys(key).len() == 1));
    // The fakes of outside services have keys that open nothing but them.
    let of_fakes = ["crates/testkit/src/upstreams/", "crates/stages/label/tests/support.rs"];
    for path in tracked().iter().filter(|path| !of_fakes.iter().any(|fake| path.starts_with(fake))) {
        let Ok(text) = fs_err::read_to_string(root().join(path)) else { continue };
        assert_eq!(keys(&text), [""; 0], "{path}");
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        assert!(!name.ends_with(".pem") && name != "auth.json" && name != ".env", "{path}");
    }
}

#[test]
fn w_s17_nothing_is_open_to_everybody_and_nobody_logs_in_as_root() {
    let is_told = |path: &&String| {
        ["deploy/", "docs/", "scripts/", ".ci/"].iter().any(|folder| path.starts_with(folder))
    };
    for path in tracked().iter().filter(is_told) {
        let Ok(text) = fs_err::read_to_string(root().join(path)) else { continue };
        for word in ["chmod 777", "chmod -R 777", "sudo ssh", "sudo scp", "apt-key add"] {
            assert!(!text.contains(word), "{path}: {word}");
        }
    }
    for line in read("scripts/requirements.txt").lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains("=="), "{line} is not pinned");
    }
}
