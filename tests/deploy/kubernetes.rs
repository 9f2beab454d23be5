//! `deploy/kubernetes`: kustomize puts it together, the schemas of Kubernetes take it, and what
//! belongs together agrees: drain and grace, probes and ports, the configuration and the program.

use crate::command::{run, said, succeeds};
use crate::tools::{file, installed, program};
use crate::yaml::{documents, list, text};
use serde_json::Value;
use std::process::Command;

/// The oldest release that is still cared for when this was written, and the newest that the
/// schemas know.
const VERSIONS: [&str; 2] = ["1.32", "1.37"];

/// What `kubectl apply -k` would send.
fn built(folder: &str) -> String {
    let folder = file("deploy/kubernetes").join(folder);
    succeeds(Command::new(program("kubectl")).arg("kustomize").arg(folder))
}

fn the<'a>(all: &'a [Value], kind: &str) -> &'a Value {
    let mut found = all.iter().filter(|document| document["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "two of {kind}");
    first
}

#[test]
fn the_schemas_take_it() {
    let dir = tempfile::tempdir().unwrap();
    let validate = installed("tests/deploy/python/.venv/bin/kubernetes-validate");
    for (folder, unknown) in [("base", 0), ("monitored", 1)] {
        let path = dir.path().join(folder);
        std::fs::write(&path, built(folder)).unwrap();
        for version in VERSIONS {
            let output = run(Command::new(&validate).args(["--strict", "-k", version]).arg(&path));
            assert!(output.status.success(), "{folder}: {}", said(&output));
            // Of the operator's kinds it has no schema: those are looked at below.
            assert_eq!(
                said(&output).matches("Couldn't find schema").count(),
                unknown,
                "{}",
                said(&output)
            );
        }
    }
    // A key that is none is found.
    let path = dir.path().join("mistaken");
    std::fs::write(&path, built("base").replace("maxUnavailable: 1", "maxUnavailble: 1")).unwrap();
    assert!(!run(Command::new(&validate).arg("--strict").arg(&path)).status.success());
}

/// The configuration that the pods get.
fn configuration(all: &[Value]) -> fanfare::config::Config {
    let yaml = text(&the(all, "ConfigMap")["data"], "fanfare.yaml");
    match fanfare::config::read(yaml, "fanfare.yaml", &|_| None) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

#[test]
fn the_configuration_fits_the_pods() {
    let all = documents(&built("base"));
    let yaml = text(&the(&all, "ConfigMap")["data"], "fanfare.yaml");
    assert!(yaml.contains("\nreload: watch\n"), "pods don't read a changed file");
    let config = configuration(&all);
    let pod = &the(&all, "Deployment")["spec"]["template"]["spec"];
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    // Between the end of the drain and SIGKILL: the process ends, and its log is written.
    assert!(grace >= (config.drain.delay + config.drain.timeout).as_secs() + 5);
    let container = &list(pod, "containers")[0];
    let port = |name: &str| {
        let port = list(container, "ports")
            .iter()
            .find(|port| port["name"] == name)
            .unwrap();
        port["containerPort"].as_u64().unwrap()
    };
    assert_eq!(config.admin.map(|admin| u64::from(admin.port())), Some(port("admin")));
    assert!(
        config.admin.is_some_and(|admin| admin.ip().is_unspecified()),
        "kubelet can't ask"
    );
    let listens = format!("0.0.0.0:{}", port("clients"));
    assert_eq!(config.listen, [fanfare::config::parse_listen(&listens).unwrap()]);
    for source in &config.sources {
        assert!(
            !source.required,
            "all pods would be unready while the origin of {} is away",
            source.name
        );
    }
}

#[test]
fn probes_ask_what_the_admin_answers() {
    let all = documents(&built("base"));
    let container = &list(&the(&all, "Deployment")["spec"]["template"]["spec"], "containers")[0];
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((text(get, "path"), text(get, "port")), (path, "admin"));
    }
    let args: Vec<&str> = list(container, "args").iter().filter_map(Value::as_str).collect();
    let mounted = text(&list(container, "volumeMounts")[0], "mountPath");
    assert_eq!(args[..3], ["serve", "--config", &format!("{mounted}/fanfare.yaml")]);
    // Mounted as a file by itself it would never change.
    assert!(list(container, "volumeMounts")[0]["subPath"].is_null());
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
}

#[test]
fn what_selects_finds_something() {
    let all = documents(&built("monitored"));
    let deployment = the(&all, "Deployment");
    let labels = deployment["spec"]["template"]["metadata"]["labels"].clone();
    let monitor = &the(&all, "ServiceMonitor")["spec"];
    let service = the(&all, "Service");
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &the(&all, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ] {
        assert_eq!(selector, &labels);
    }
    assert_eq!(monitor["selector"]["matchLabels"], service["metadata"]["labels"]);
    let ports: Vec<&str> = list(&service["spec"], "ports")
        .iter()
        .map(|port| text(port, "name"))
        .collect();
    assert!(ports.contains(&text(&list(monitor, "endpoints")[0], "port")));
    // The rules know the relays by the job's name, which comes from this label.
    let label = text(monitor, "jobLabel");
    assert_eq!(service["metadata"]["labels"][label], "fanfare");
    let autoscaler = &the(&all, "HorizontalPodAutoscaler")["spec"];
    assert_eq!(autoscaler["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
    let metric = text(&list(autoscaler, "metrics")[0]["pods"]["metric"], "name");
    assert!(crate::promql::exists(metric), "{metric}");
}
