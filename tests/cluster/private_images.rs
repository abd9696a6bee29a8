//! Images of a private registry: every pod of the release has the registry and the pull secret, those of `helm test` too.

use alumet_injector::names::{COMPONENT_LABEL, HOOK_ANNOTATION};
use serde_json::{Deserializer, Value, json};

use crate::{
    helm::{Major, program},
    support::{
        Case, Cluster, cases,
        poll::wait_for,
        processes::Spec,
        release::{CLIENT, Release, SERVER, SERVER_NAME, SOON},
    },
};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        helm_3_tests_a_post_rendered_release_with_private_images,
        helm_4_tests_a_post_rendered_release_with_private_images,
        helm_3_tests_a_release_of_the_webhook_with_private_images,
        helm_4_tests_a_release_of_the_webhook_with_private_images,
    ]
}

fn helm_3_tests_a_post_rendered_release_with_private_images(cluster: &Cluster) {
    let namespace = cluster.namespace("private");
    private_images(&Release::post_rendered(cluster, Major::Three, &namespace));
}

fn helm_4_tests_a_post_rendered_release_with_private_images(cluster: &Cluster) {
    let namespace = cluster.namespace("private");
    private_images(&Release::post_rendered(cluster, Major::Four, &namespace));
}

fn helm_3_tests_a_release_of_the_webhook_with_private_images(cluster: &Cluster) {
    let namespace = cluster.served_namespace("private");
    private_images(&Release::of(cluster, Major::Three, &namespace));
}

fn helm_4_tests_a_release_of_the_webhook_with_private_images(cluster: &Cluster) {
    private_images(&Release::served(cluster, "private"));
}

/// Helm takes a test pod away when it has succeeded, so somebody watches.
fn private_images(release: &Release<'_>) {
    let cluster = release.cluster;
    release.install(("private-images", &["influxdb2.persistence.enabled=false"]));
    let agents = [(CLIENT, 4), (SERVER, 1)];
    for pod in agents
        .map(|(component, count)| release.ready(component, count))
        .concat()
    {
        assert_private(&pod);
    }

    let watch = [
        "get",
        "pods",
        "--watch",
        "-o",
        "json",
        "--namespace",
        &release.namespace,
    ];
    let spec = Spec::new(program("KUBECTL"))
        .env("KUBECONFIG", cluster.kubeconfig().to_str().unwrap())
        .args(&watch);
    let watch = cluster.spawn("kubectl get pods --watch", spec);
    wait_for("the watch", SOON, || {
        (!seen(&watch.text()).is_empty()).then_some(())
    });
    let said = release.helm(&["test"], &["--timeout=120s"]);
    assert_eq!(said.matches("Succeeded").count(), 2, "{said}");
    let tested = wait_for("the watch to have seen the test pods", SOON, || {
        let mut seen = seen(&watch.text());
        seen.retain(|pod| !pod["metadata"]["annotations"][HOOK_ANNOTATION].is_null());
        let succeeded: Vec<_> = seen
            .iter()
            .filter(|pod| pod["status"]["phase"] == "Succeeded")
            .map(|pod| pod["metadata"]["name"].clone())
            .collect();
        let both = ["connection", "measurements"]
            .iter()
            .all(|test| succeeded.contains(&json!(format!("{SERVER_NAME}-test-{test}"))));
        both.then_some(seen)
    });
    for pod in &tested {
        assert!(pod["metadata"]["labels"][COMPONENT_LABEL].is_null(), "{pod:#}");
        assert_private(pod);
    }
}

fn assert_private(pod: &Value) {
    assert_eq!(
        pod["spec"]["imagePullSecrets"],
        json!([{"name": "gh-registry-secret"}]),
        "{pod:#}"
    );
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
    assert!(
        image.starts_with("registry.example.org/alumet/alumet-agent:"),
        "{image}"
    );
}

/// The objects that a watch printed; the last one may be half written.
fn seen(text: &str) -> Vec<Value> {
    let objects = Deserializer::from_str(text).into_iter::<Value>();
    objects.map_while(Result::ok).collect()
}
