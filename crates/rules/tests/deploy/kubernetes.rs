//! The manifests: by the schemas of Kubernetes, and by rules of ours. No cluster is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ROLES, VERSION, documents, files, is_pinned, must_agree, python, root, under};

/// The version that the manifests are checked against.
const KUBERNETES: &str = "1.33";

fn folder() -> PathBuf {
    root().join("deploy/k8s")
}

/// The manifests that Kubernetes itself knows: not those for kustomize, kind and KEDA.
fn manifests() -> Vec<PathBuf> {
    let foreign = ["kustomization.yaml", "cluster.yaml", "keda"];
    let is_foreign = |path: &Path| path.iter().any(|part| foreign.iter().any(|name| part == *name));
    let is_manifest =
        |path: &PathBuf| path.extension().is_some_and(|found| found == "yaml") && !is_foreign(path);
    files(&folder()).into_iter().filter(is_manifest).collect()
}

fn objects() -> Vec<Value> {
    manifests().iter().flat_map(|path| documents::<Value>(path)).collect()
}

/// The objects of one kind, by their names.
fn of_kind(kind: &str) -> BTreeMap<String, Value> {
    let objects = objects().into_iter().filter(|object| object["kind"] == kind);
    objects.map(|object| (object["metadata"]["name"].as_str().unwrap().to_owned(), object)).collect()
}

/// The pods of whatever makes pods.
fn pods() -> BTreeMap<String, Value> {
    let kinds = ["Deployment", "StatefulSet", "Job"].iter().flat_map(|kind| of_kind(kind));
    kinds.map(|(name, object)| (name, object["spec"]["template"].clone())).collect()
}

#[test]
fn w14_the_manifests_are_what_kubernetes_takes() {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command
        .args(["-m", "kubernetes_validate", "--strict", "--kubernetes-version", KUBERNETES])
        .args(manifests());
    must_agree(&mut command);
}

#[test]
fn w14_each_role_has_half_a_processor_probes_and_time_to_end() {
    let deployments = of_kind("Deployment");
    let names: Vec<&str> = deployments.keys().map(String::as_str).collect();
    assert_eq!(names, ["api", "iweb-lens", "scheduler", "worker-detect", "worker-jobs"]);
    for (name, deployment) in &deployments {
        let template = &deployment["spec"]["template"];
        let selected = &deployment["spec"]["selector"]["matchLabels"];
        assert_eq!(selected, &template["metadata"]["labels"], "{name} does not select its own pods");
        let container = &template["spec"]["containers"][0];
        let resources = &container["resources"];
        for kind in ["requests", "limits"] {
            assert_eq!(resources[kind]["cpu"], "0.5", "{name}");
        }
        assert_eq!(resources["requests"]["memory"], resources["limits"]["memory"], "{name}");
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let port = &container[probe]["httpGet"]["port"];
            assert_eq!(port, &container["ports"][0]["name"], "{name}: {probe}");
        }
        assert_eq!(container["startupProbe"]["httpGet"]["path"], "/readyz", "{name}");
        // The roles themselves take up to 30 seconds, and what they are told to wait before.
        assert!(template["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() >= 30, "{name}");
    }
}

#[test]
fn w14_and_w_s17_no_pod_has_rights_that_it_does_not_need() {
    for (name, pod) in pods() {
        let spec = &pod["spec"];
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        let containers =
            ["containers", "initContainers"].iter().filter_map(|kind| spec[kind].as_array()).flatten();
        for container in containers {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{name}");
            assert!(is_pinned(container["image"].as_str().unwrap()), "{name}: {}", container["image"]);
        }
        // Only the scheduler talks to the cluster.
        assert_eq!(spec["automountServiceAccountToken"], name == "scheduler", "{name}");
    }
}

#[test]
fn w14_the_courses_cluster_leads_from_port_8080_to_its_pods() {
    let cluster = &documents::<Value>(&folder().join("kind/cluster.yaml"))[0];
    let nodes: Vec<&str> =
        cluster["nodes"].as_array().unwrap().iter().map(|node| node["role"].as_str().unwrap()).collect();
    assert_eq!(nodes, ["control-plane", "worker"]);
    let services = of_kind("Service");
    let mappings = cluster["nodes"][0]["extraPortMappings"].as_array().unwrap();
    for (host, service, port) in [(8080, "iweb-lens", 5000), (8002, "api-port", 8002)] {
        let mapping = mappings.iter().find(|mapping| mapping["hostPort"] == host).unwrap();
        assert_eq!((&mapping["listenAddress"], &mapping["protocol"]), (&json!("127.0.0.1"), &json!("TCP")));
        let service = &services[service]["spec"];
        let node_port = &service["ports"][0]["nodePort"];
        assert_eq!((service["type"].as_str(), node_port), (Some("NodePort"), &mapping["containerPort"]));
        assert!((30_000..=32_767).contains(&node_port.as_u64().unwrap()));
        let pod = pods().into_values().find(|pod| selects(&service["selector"], pod)).unwrap();
        let container = &pod["spec"]["containers"][0]["ports"][0];
        assert_eq!(
            (&container["name"], &container["containerPort"]),
            (&service["ports"][0]["targetPort"], &json!(port))
        );
    }
}

/// Whether labels are among those of a pod.
fn selects(labels: &Value, pod: &Value) -> bool {
    let labels = labels.as_object().unwrap();
    !labels.is_empty() && labels.iter().all(|(name, value)| &pod["metadata"]["labels"][name] == value)
}

#[test]
fn whatever_selects_pods_finds_some() {
    let pods = pods();
    let is_found = |labels: &Value| pods.values().any(|pod| selects(labels, pod));
    for (name, service) in of_kind("Service") {
        assert!(is_found(&service["spec"]["selector"]), "the service {name}");
    }
    for (name, budget) in of_kind("PodDisruptionBudget") {
        assert!(is_found(&budget["spec"]["selector"]["matchLabels"]), "the budget {name}");
    }
    let deployments = of_kind("Deployment");
    for (name, scaler) in of_kind("HorizontalPodAutoscaler") {
        assert!(
            deployments.contains_key(scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap()),
            "{name}"
        );
    }
    let accounts = of_kind("ServiceAccount");
    for (name, pod) in &pods {
        let account = pod["spec"]["serviceAccountName"].as_str();
        assert!(account.is_none_or(|account| accounts.contains_key(account)), "{name}");
    }
}

#[test]
fn w_s16_the_controller_may_do_what_it_must_and_no_more() {
    let role = &of_kind("Role")["sightscan-controller"];
    let expected = json!([
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["worker-detect"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch"]},
    ]);
    assert_eq!(role["rules"], expected);
    let binding = &of_kind("RoleBinding")["sightscan-controller"];
    assert_eq!(binding["subjects"][0]["name"], "sightscan-scheduler");
    assert!(of_kind("ClusterRole").is_empty() && of_kind("ClusterRoleBinding").is_empty());
    // The port on which it asks a worker what it does.
    assert_eq!(pods()["worker-detect"]["spec"]["containers"][0]["ports"][0]["name"], "admin");
}

#[test]
fn w_s6_in_the_cloud_only_the_api_is_public() {
    let policies = of_kind("NetworkPolicy");
    assert_eq!(policies["nobody"]["spec"], json!({"podSelector": {}, "policyTypes": ["Ingress"]}));
    let open = policies.values().filter(|policy| {
        let rules = policy["spec"]["ingress"].as_array();
        rules.is_some_and(|rules| rules.iter().any(|rule| rule.get("from").is_none()))
    });
    let open: Vec<&Value> = open.collect();
    assert_eq!(open.len(), 1);
    let spec = &open[0]["spec"];
    assert_eq!(spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"], "api");
    assert_eq!(spec["ingress"], json!([{"ports": [{"port": 8002, "protocol": "TCP"}]}]));
    let ingresses = of_kind("Ingress");
    let backends: Vec<&Value> = ingresses.values().flat_map(|ingress| under(ingress, "backend")).collect();
    assert_eq!(backends, [&json!({"service": {"name": "api", "port": {"name": "http"}}})]);
    for path in files(&folder().join("eks")).into_iter().chain(files(&folder().join("base"))) {
        if path.extension().is_none_or(|found| found != "yaml") {
            continue;
        }
        for object in documents::<Value>(&path) {
            let kind = object["spec"]["type"].as_str();
            assert!(!matches!(kind, Some("NodePort" | "LoadBalancer")), "{}", path.display());
        }
    }
}

/// What a file of kustomize may hold, so that kubectl 1.20 understands it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kustomization {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    resources: Vec<String>,
    #[serde(default)]
    images: Vec<Image>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Image {
    name: String,
    #[serde(default)]
    new_name: Option<String>,
    new_tag: String,
}

fn overlays() -> Vec<PathBuf> {
    files(&folder()).into_iter().filter(|path| path.ends_with("kustomization.yaml")).collect()
}

/// The images of the pods that an overlay brings, without their tags.
fn images(folder: &Path) -> BTreeSet<String> {
    let kustomization: Kustomization = documents(&folder.join("kustomization.yaml")).remove(0);
    let resources = kustomization.resources.iter().map(|resource| folder.join(resource));
    resources
        .flat_map(|path| match path.is_dir() {
            true => images(&path),
            false => {
                let objects = documents::<Value>(&path);
                let named = objects.iter().flat_map(|object| under(object, "image"));
                named.map(|image| image.as_str().unwrap().rsplit_once(':').unwrap().0.to_owned()).collect()
            }
        })
        .collect()
}

#[test]
fn w14_overlays_name_files_and_images_that_are_there() {
    assert_eq!(overlays().len(), 9);
    for path in overlays() {
        let folder = path.parent().unwrap();
        let kustomization: Kustomization = documents(&path).remove(0);
        for resource in &kustomization.resources {
            let target = folder.join(resource);
            assert!(
                target.is_file() || target.join("kustomization.yaml").exists(),
                "{}: {resource}",
                path.display()
            );
        }
        let images = images(folder);
        for Image { name, new_name, new_tag } in &kustomization.images {
            assert!(images.contains(name), "{}: no pod has the image {name}", path.display());
            assert_eq!(new_tag, VERSION);
            assert!(new_name.as_ref().is_none_or(|new| new.ends_with(&format!("/{name}"))));
        }
    }
}

/// Quantities of processors that are asked for by the pods of an overlay, each by the number of its copies.
fn processors(folder: &Path) -> f64 {
    let kustomization: Kustomization = documents(&folder.join("kustomization.yaml")).remove(0);
    let of_object = |object: &Value| {
        let copies = object["spec"]["replicas"].as_f64().unwrap_or(1.0);
        let containers = object["spec"]["template"]["spec"]["containers"].as_array();
        let asked = containers.into_iter().flatten().map(|container| {
            let cpu = container["resources"]["requests"]["cpu"].as_str().unwrap();
            cpu.parse::<f64>().unwrap()
        });
        copies * asked.sum::<f64>()
    };
    let resources = kustomization.resources.iter().map(|resource| folder.join(resource));
    resources
        .map(|path| match path.is_dir() {
            true => processors(&path),
            false => documents::<Value>(&path).iter().map(of_object).sum(),
        })
        .sum()
}

#[test]
fn row_64_what_is_tried_in_kind_fits_into_the_machine_that_the_guide_names() {
    let guide = fs_err::read_to_string(folder().join("../../docs/deploy.md")).unwrap();
    let line = guide.lines().find(|line| line.contains("to try Kubernetes")).unwrap();
    let machine = line.split("machine with ").nth(1).unwrap().split(' ').next().unwrap();
    let machine: f64 = machine.parse().unwrap();
    let wanted = processors(&folder().join("kind"));
    // The cluster itself takes some.
    assert!((1.0..machine - 0.25).contains(&wanted), "{wanted} of {machine}");
}

#[test]
fn nobody_says_a_number_of_what_somebody_else_scales() {
    let scalers = of_kind("HorizontalPodAutoscaler").into_values();
    let by_processors =
        scalers.map(|scaler| scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap().to_owned());
    // By the pool, or by KEDA.
    let by_the_queue = "worker-detect".to_owned();
    let deployments = of_kind("Deployment");
    for name in by_processors.chain([by_the_queue]) {
        assert!(
            deployments[&name]["spec"]["replicas"].is_null(),
            "{name}: applying the manifest would scale it"
        );
    }
}

#[test]
fn row_63_every_image_of_ours_is_a_stage_of_the_dockerfile() {
    let all = overlays().iter().flat_map(|path| images(path.parent().unwrap())).collect::<BTreeSet<_>>();
    let ours: BTreeSet<&str> = all.iter().filter_map(|image| image.strip_prefix("sightscan-")).collect();
    assert!(ours.iter().all(|image| ROLES.contains(image)), "{ours:?}");
    assert_eq!(ours, BTreeSet::from(["api", "scheduler", "worker-detect", "worker-jobs", "worker-train"]));
    for (name, pod) in pods() {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
        let is_ours = image.starts_with("sightscan-") || image.starts_with("iweb-lens");
        assert!(!is_ours || image.ends_with(&format!(":{VERSION}")), "{name}: {image}");
    }
}

#[test]
fn w14_kubectl_renders_the_overlays_where_it_is_installed() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        return;
    }
    for path in overlays() {
        must_agree(Command::new("kubectl").arg("kustomize").arg(path.parent().unwrap()));
    }
}

/// What KEDA's own schemas say of the objects that we write (KEDA 2.17), with nothing that we do not use.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Keda {
    ScaledObject {
        #[serde(rename = "apiVersion")]
        api_version: String,
        #[serde(rename = "metadata")]
        _metadata: Metadata,
        spec: ScaledObject,
    },
    ScaledJob {
        #[serde(rename = "apiVersion")]
        api_version: String,
        #[serde(rename = "metadata")]
        _metadata: Metadata,
        spec: ScaledJob,
    },
    TriggerAuthentication {
        #[serde(rename = "apiVersion")]
        api_version: String,
        metadata: Metadata,
        spec: Authentication,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    #[serde(rename = "namespace")]
    _namespace: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ScaledObject {
    scale_target_ref: Named,
    polling_interval: u32,
    cooldown_period: u32,
    min_replica_count: u32,
    max_replica_count: u32,
    #[serde(rename = "advanced")]
    _advanced: Advanced,
    triggers: Vec<Trigger>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Advanced {
    #[serde(rename = "horizontalPodAutoscalerConfig")]
    _horizontal_pod_autoscaler_config: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ScaledJob {
    #[serde(rename = "pollingInterval")]
    _polling_interval: u32,
    min_replica_count: u32,
    max_replica_count: u32,
    #[serde(rename = "successfulJobsHistoryLimit")]
    _successful_jobs_history_limit: u32,
    #[serde(rename = "failedJobsHistoryLimit")]
    _failed_jobs_history_limit: u32,
    triggers: Vec<Trigger>,
    job_target_ref: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Trigger {
    #[serde(flatten)]
    scaler: Scaler,
    #[serde(default)]
    authentication_ref: Option<Named>,
}

/// Values are texts, as KEDA wants them.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "metadata", rename_all = "kebab-case")]
enum Scaler {
    Postgresql(Postgresql),
    AwsSqsQueue(Sqs),
    NatsJetstream(Nats),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Postgresql {
    query: String,
    target_query_value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Sqs {
    #[serde(rename = "queueURL")]
    queue_url: String,
    aws_region: String,
    queue_length: String,
    scale_on_in_flight: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Nats {
    nats_server_monitoring_endpoint: String,
    account: String,
    stream: String,
    consumer: String,
    lag_threshold: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Authentication {
    #[serde(default)]
    secret_target_ref: Vec<SecretTarget>,
    #[serde(default, rename = "podIdentity")]
    _pod_identity: Option<PodIdentity>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretTarget {
    parameter: String,
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "key")]
    _key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PodIdentity {
    #[serde(rename = "provider")]
    _provider: String,
}

fn keda(name: &str) -> Vec<Keda> {
    let folder = folder().join("keda").join(name);
    let paths = files(&folder).into_iter().filter(|path| !path.ends_with("kustomization.yaml"));
    paths.flat_map(|path| documents::<Keda>(&path)).collect()
}

/// Looks at an answer of KEDA's objects that all of them have in common.
fn check_common(objects: &[Keda]) {
    let mut known = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for object in objects {
        let (version, triggers) = match object {
            Keda::ScaledObject { api_version, spec, .. } => (api_version, spec.triggers.as_slice()),
            Keda::ScaledJob { api_version, spec, .. } => (api_version, spec.triggers.as_slice()),
            Keda::TriggerAuthentication { api_version, metadata, spec } => {
                known.insert(metadata.name.as_str());
                assert!(spec.secret_target_ref.iter().all(|target| target.parameter == "connection"));
                (api_version, [].as_slice())
            }
        };
        assert_eq!(version, "keda.sh/v1alpha1");
        asked.extend(
            triggers.iter().filter_map(|trigger| Some(trigger.authentication_ref.as_ref()?.name.as_str())),
        );
        for Trigger { scaler, .. } in triggers {
            check_scaler(scaler);
        }
    }
    assert_eq!(known, asked);
}

fn check_scaler(scaler: &Scaler) {
    let threshold = match scaler {
        Scaler::Postgresql(scaler) => {
            assert!(scaler.query.starts_with("SELECT COUNT(*) FROM"));
            &scaler.target_query_value
        }
        Scaler::AwsSqsQueue(scaler) => {
            let region = format!("https://sqs.{}.amazonaws.com/", scaler.aws_region);
            assert!(scaler.queue_url.starts_with(&region) && scaler.scale_on_in_flight == "true");
            &scaler.queue_length
        }
        Scaler::NatsJetstream(scaler) => {
            assert!(scaler.nats_server_monitoring_endpoint.ends_with(":8222"));
            assert_eq!((scaler.account.as_str(), scaler.stream.as_str()), ("$G", "detect"));
            // What the queue's own consumer is called.
            assert_eq!(scaler.consumer, "receivers");
            &scaler.lag_threshold
        }
    };
    assert!(threshold.parse::<u32>().is_ok_and(|threshold| threshold > 0));
}

#[test]
fn i10_keda_scales_the_workers_by_each_kind_of_queue() {
    for (name, is_meant) in [
        ("postgresql", (|scaler| matches!(scaler, Scaler::Postgresql(_))) as fn(&Scaler) -> bool),
        ("sqs", |scaler| matches!(scaler, Scaler::AwsSqsQueue(_))),
        ("nats", |scaler| matches!(scaler, Scaler::NatsJetstream(_))),
    ] {
        let objects = keda(name);
        check_common(&objects);
        let Some(Keda::ScaledObject { spec, .. }) = objects.first() else { panic!("{name}") };
        assert!(of_kind("Deployment").contains_key(&spec.scale_target_ref.name));
        assert_eq!((spec.min_replica_count, spec.max_replica_count), (0, 19), "{name}");
        assert!(spec.polling_interval <= 10 && spec.cooldown_period >= 30, "{name}");
        assert!(spec.triggers.iter().all(|trigger| is_meant(&trigger.scaler)), "{name}");
    }
}

#[test]
fn row_33_a_trainer_with_a_graphics_processor_is_there_for_a_training_only() {
    let objects = keda("train");
    check_common(&objects);
    let Some(Keda::ScaledJob { spec, .. }) = objects.first() else { panic!("no ScaledJob") };
    assert_eq!((spec.min_replica_count, spec.max_replica_count), (0, 1));
    let by_hand = &of_kind("Job")["train"]["spec"];
    for job in [&spec.job_target_ref, by_hand] {
        assert!(job["activeDeadlineSeconds"].as_u64().is_some(), "no machine is paid for without an end");
        let container = &job["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["limits"]["nvidia.com/gpu"], 1);
        assert_eq!(container["args"], json!(["worker", "--exit-when-idle", "60"]));
    }
    assert_eq!(spec.job_target_ref["template"]["spec"], by_hand["template"]["spec"]);
}
