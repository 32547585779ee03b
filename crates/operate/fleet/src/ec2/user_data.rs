//! What a machine of a pool does when it comes up.

use serde_json::json;

use crate::config::PoolConfig;

/// Where the image has the program.
const PROGRAM: &str = "/usr/local/bin/sightscan";
/// Bytes that EC2 takes, see <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>.
pub(super) const GREATEST: usize = 16 << 10;

/// What systemd is told of the worker. The user need not exist; the environment's file is the image's business, and the only place
/// for secrets.
const PROPERTIES: [&str; 5] = [
    "User=sightscan",
    "DynamicUser=yes",
    "StateDirectory=sightscan",
    "WorkingDirectory=/var/lib/sightscan",
    "EnvironmentFile=-/etc/sightscan/environment",
];

/// The worker of this pool, for cloud-init. However it ends, and at the deadline at the latest, the machine powers off, and is then
/// terminated. At the deadline the worker finishes what it has.
///
/// Commands are lists of arguments (<https://cloudinit.readthedocs.io/en/latest/reference/modules.html#runcmd>), so that no setting
/// is ever read by a shell.
pub(super) fn of(config: &PoolConfig) -> String {
    let deadline = format!("RuntimeMaxSec={}min", config.ec2().deadline_minutes);
    let mut worker: Vec<String> =
        ["systemd-run", "--wait", "--collect", "--unit=sightscan-worker"].map(str::to_owned).to_vec();
    let properties = PROPERTIES.into_iter().chain([&*deadline]);
    worker.extend(properties.map(|property| format!("--property={property}")));
    worker.extend([
        "--setenv=SIGHTSCAN_DATA=/var/lib/sightscan".to_owned(),
        "--".to_owned(),
        PROGRAM.to_owned(),
    ]);
    worker.extend(config.worker_arguments());
    // JSON is YAML, too.
    format!("#cloud-config\n{:#}\n", json!({ "runcmd": [worker, ["systemctl", "poweroff"]] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(config: &PoolConfig) -> Vec<Vec<String>> {
        let text = of(config);
        let document = text.strip_prefix("#cloud-config\n").unwrap();
        let mut read: serde_json::Value = serde_json::from_str(document).unwrap();
        serde_json::from_value(read["runcmd"].take()).unwrap()
    }

    #[test]
    fn a_machine_is_its_worker_and_powers_off_with_it() {
        let commands = commands(&PoolConfig { queue: "sqs:https://a/b".into(), ..PoolConfig::default() });
        let [worker, end] = &*commands else { panic!("{commands:?}") };
        let told: Vec<&str> = worker.iter().skip_while(|word| *word != "--").map(String::as_str).collect();
        assert_eq!(told, ["--", PROGRAM, "worker", "--detect", "sqs:https://a/b", "--exit-when-idle", "30"]);
        assert!(worker.contains(&"--wait".to_owned()), "it is waited for: {worker:?}");
        assert!(worker.contains(&"--property=RuntimeMaxSec=720min".to_owned()), "{worker:?}");
        assert_eq!(end, &["systemctl", "poweroff"]);
    }

    #[test]
    fn w_s4_no_setting_is_read_by_a_shell() {
        let hostile = "$(curl evil); `id` && \"'";
        let config = PoolConfig { models: vec![hostile.into()], ..PoolConfig::default() };
        let commands = commands(&config);
        // Word for word one argument, whatever it holds.
        assert_eq!(commands[0].last().map(String::as_str), Some(hostile));
        let shells = ["sh", "/bin/sh", "bash", "-c"];
        assert!(commands.iter().flatten().all(|word| !shells.contains(&&**word)), "{commands:?}");
    }
}
