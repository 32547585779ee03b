//! The template for EC2, and who may do what there.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use super::{documents, files, must_agree, python, read, root, under};

/// The template; `!Ref A` and its kind are read as `A`.
fn template() -> Value {
    documents::<Value>(&root().join("deploy/aws/sightscan.yaml")).remove(0)
}

/// Resources of one type, by their names.
fn of_type(template: &Value, kind: &str) -> BTreeMap<String, Value> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let found = resources.filter(|(_, resource)| resource["Type"] == kind);
    found.map(|(name, resource)| (name.clone(), resource["Properties"].clone())).collect()
}

#[test]
fn w_p12_the_template_is_what_cloudformation_takes() {
    let Some(python) = python() else { return };
    let checker = python.with_file_name("cfn-lint");
    must_agree(Command::new(checker).arg(root().join("deploy/aws/sightscan.yaml")));
}

#[test]
fn w_s6_only_the_load_balancer_is_open_to_the_world() {
    let template = template();
    let groups = of_type(&template, "AWS::EC2::SecurityGroup");
    assert_eq!(groups.len(), 4);
    for (name, group) in &groups {
        for rule in group["SecurityGroupIngress"].as_array().into_iter().flatten() {
            let is_open = rule.get("CidrIp").is_some() || rule.get("CidrIpv6").is_some();
            assert_eq!(is_open, name == "BalancerGroup", "{name}: {rule}");
            assert_eq!(rule["FromPort"], rule["ToPort"], "{name}");
            assert_ne!(rule["FromPort"], 22, "{name}: nobody logs in");
            assert!(!is_open || rule["FromPort"] == 443, "{name}: {rule}");
        }
    }
    let database = &of_type(&template, "AWS::RDS::DBInstance")["Database"];
    assert_eq!(database["PubliclyAccessible"], false);
    assert_eq!(
        (&database["StorageEncrypted"], &database["DeletionProtection"]),
        (&json!(true), &json!(true))
    );
    assert!(database["BackupRetentionPeriod"].as_u64().unwrap() >= 7);
    assert_eq!(
        of_type(&template, "AWS::RDS::DBParameterGroup")["DatabaseParameters"]["Parameters"]["rds.force_ssl"],
        "1"
    );
    let listener = &of_type(&template, "AWS::ElasticLoadBalancingV2::Listener")["Https"];
    assert_eq!((&listener["Protocol"], &listener["Port"]), (&json!("HTTPS"), &json!(443)));
    // Every machine that reaches the database proves which one it talks to.
    let scripts = under(&template, "Fn::Base64");
    assert_eq!(scripts.len(), 5);
    assert!(scripts.iter().all(|script| script.to_string().contains("PGSSLMODE=verify-full")));
}

#[test]
fn w_s7_and_w_s8_no_machine_has_a_key_and_nobody_logs_in() {
    let template = template();
    assert_eq!(under(&template, "KeyName"), [&Value::Null; 0]);
    let options = under(&template, "MetadataOptions");
    assert_eq!(options.len(), 5);
    assert!(options.iter().all(|options| options["HttpTokens"] == "required"));
    // The password is drawn by the service that keeps it, and is in no text of ours.
    let reference = "{{resolve:secretsmanager:${DatabaseSecret}:SecretString:password}}";
    assert_eq!(under(&template, "MasterUserPassword"), [&json!(reference)]);
    let drawn = &of_type(&template, "AWS::SecretsManager::Secret")["DatabaseSecret"]["GenerateSecretString"];
    assert_eq!(drawn["GenerateStringKey"], "password");
    for path in files(&root().join("deploy")) {
        let text = fs_err::read_to_string(&path).unwrap();
        for word in
            ["ssh -i", "scp ", "ec2key", "StrictHostKeyChecking", "--key-name", "AWS_SECRET_ACCESS_KEY:"]
        {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn objects_are_not_public_and_do_not_stay_for_ever() {
    let template = template();
    let buckets = of_type(&template, "AWS::S3::Bucket");
    assert_eq!(buckets.len(), 2);
    for (name, bucket) in &buckets {
        let blocked = bucket["PublicAccessBlockConfiguration"].as_object().unwrap();
        assert!(blocked.len() == 4 && blocked.values().all(|is| is == true), "{name}");
        let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
        assert!(rules.iter().all(|rule| rule["Status"] == "Enabled"), "{name}");
        assert!(bucket.get("BucketEncryption").is_some(), "{name}");
    }
    assert_eq!(under(&buckets["Pictures"], "ExpirationInDays").len(), 1, "what went through a queue goes");
    assert_eq!(under(&buckets["Blobs"], "ExpirationInDays").len(), 0, "images and models stay");
    let queues = of_type(&template, "AWS::SQS::Queue");
    assert_eq!(queues["Detect"]["RedrivePolicy"]["deadLetterTargetArn"], "Dead.Arn");
    assert_eq!(
        queues["Dead"]["QueueName"],
        json!("${AWS::StackName}-detect-dead"),
        "where workers put what they give up"
    );
}

#[test]
fn i18_and_w_c2_machines_that_were_started_for_work_power_themselves_off() {
    let template = template();
    let worker = &of_type(&template, "AWS::EC2::LaunchTemplate")["WorkerTemplate"]["LaunchTemplateData"];
    assert_eq!(worker["InstanceInitiatedShutdownBehavior"], "terminate");
    let trainer = &of_type(&template, "AWS::EC2::Instance")["Trainer"];
    assert_eq!(trainer["InstanceInitiatedShutdownBehavior"], "stop", "the trainer is never ended");
    for role in ["worker", "trainer"] {
        let unit = read(&format!("deploy/aws/image/sightscan-{role}.service"));
        for line in ["SuccessAction=poweroff", "FailureAction=poweroff"] {
            assert!(unit.lines().any(|found| found == line), "{role}: {line}");
        }
        let start = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
        assert!(start.contains("--exit-when-idle"), "{start}");
        assert!(!unit.contains("Restart="), "{role}");
    }
    assert!(
        read("deploy/aws/image/sightscan-trainer.service").contains("RuntimeMaxSec="),
        "whatever happens"
    );
    for role in ["api", "scheduler", "jobs"] {
        assert!(
            read(&format!("deploy/aws/image/sightscan-{role}.service")).contains("Restart=always"),
            "{role}"
        );
    }
}

/// One text, or several.
fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    items.iter().map(|item| item.as_str().unwrap()).collect()
}

/// The actions of a policy, each with what it may be done to.
fn statements(policy: &Value) -> Vec<(BTreeSet<&str>, Vec<&str>, bool)> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .map(|statement| {
            assert_eq!(statement["Effect"], "Allow");
            let actions = texts(&statement["Action"]).into_iter().collect();
            (actions, texts(&statement["Resource"]), statement.get("Condition").is_some())
        })
        .collect()
}

/// What is too much in a policy.
fn excesses(policy: &Value) -> Vec<String> {
    let mut excesses = Vec::new();
    for (actions, resources, _) in statements(policy) {
        for action in actions {
            let verb = action.split(':').nth(1).unwrap_or("*");
            let only_looks = ["Describe", "List", "Get"].iter().any(|word| verb.starts_with(word));
            if action.contains('*') {
                excesses.push(format!("{action} is more than one thing"));
            }
            if resources.contains(&"*") && !only_looks {
                excesses.push(format!("{action} may be done to everything"));
            }
        }
    }
    excesses
}

fn policies() -> BTreeMap<String, Value> {
    let paths = files(&root().join("deploy/aws/policies")).into_iter();
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths
        .map(|path| (name(&path), serde_json::from_str(&fs_err::read_to_string(&path).unwrap()).unwrap()))
        .collect()
}

#[test]
fn w_s16_every_role_may_do_what_it_must_and_no_more() {
    let policies = policies();
    for (name, policy) in &policies {
        assert_eq!(excesses(policy), [""; 0], "{name}");
    }
    // As the original's manual asked for it.
    let full = json!({"Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]});
    assert_eq!(excesses(&full).len(), 2);
    // Machines are started by one template, ended by their tag, and only the scheduler does it.
    let machines = |policy: &Value| {
        let all = statements(policy);
        all.iter()
            .filter(|(actions, ..)| {
                actions.iter().any(|action| action.starts_with("ec2:") && !action.starts_with("ec2:Describe"))
            })
            .map(|(.., bound)| *bound)
            .collect::<Vec<_>>()
    };
    for (name, policy) in policies.iter().filter(|(name, _)| *name != "bake") {
        let bound = machines(policy);
        assert_eq!(bound.is_empty(), name != "scheduler", "{name}");
        assert!(bound.iter().all(|is| *is), "{name}");
    }
}

#[test]
fn w_s16_the_template_grants_what_the_policies_say() {
    let template = template();
    let mut granted = BTreeMap::new();
    for role in of_type(&template, "AWS::IAM::Role").values() {
        let policy = &role["Policies"][0];
        let rights: BTreeSet<&str> =
            statements(&policy["PolicyDocument"]).into_iter().flat_map(|(actions, ..)| actions).collect();
        // In a cluster the token is in a secret of the cluster.
        let rights: BTreeSet<String> = rights
            .into_iter()
            .filter(|right| !right.starts_with("secretsmanager:"))
            .map(str::to_owned)
            .collect();
        granted.insert(policy["PolicyName"].as_str().unwrap().to_owned(), rights);
    }
    let mut said = policies();
    said.remove("bake");
    let said: BTreeMap<String, BTreeSet<String>> = said
        .iter()
        .map(|(name, policy)| {
            (
                name.clone(),
                statements(policy).into_iter().flat_map(|(actions, ..)| actions).map(str::to_owned).collect(),
            )
        })
        .collect();
    assert_eq!(granted, said);
}

#[test]
fn w_s9_and_w_s16_no_machine_is_told_a_secret() {
    let template = template();
    for script in under(&template, "Fn::Base64") {
        let script = script.to_string();
        for word in ["PGPASSWORD", "AWS_ACCESS_KEY", "AWS_SECRET", "SIGHTSCAN_ADMIN_TOKEN", "MAPS_KEY"] {
            assert!(!script.contains(word), "{script}");
        }
    }
    // It fetches them itself, by its role, into a file that only the role's user reads.
    let start = read("deploy/aws/image/start");
    assert!(start.contains("umask 027") && start.contains("aws secretsmanager get-secret-value"));
}
