//! `POST /validate`: beside `/mutate`, under the same limits, counted and logged with the rest.

use serde_json::{Value, json};

use crate::{
    admission::review,
    server_support::{Config, call, serve},
};

/// The review of a policy with these defaults.
fn policy(defaults: &Value) -> String {
    let policy = json!({
        "apiVersion": "injector.alumet.dev/v1alpha1",
        "kind": "ClusterInjectionPolicy",
        "metadata": {"name": "p"},
        "spec": {"defaults": defaults},
    });
    review("CREATE", None, &policy).to_string()
}

fn validate(body: &str) -> String {
    call(body).replacen("/mutate", "/validate", 1)
}

#[tokio::test]
async fn a_policy_is_let_in_or_refused_and_counted() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    let good = policy(&json!({"env": {"A": "x"}}));
    let wrong = policy(&json!({"plugins": {"rapll": {}}}));
    let answered = client.ask(validate(&good)).await;
    assert_eq!(
        (answered.status, &answered.json()["response"]["allowed"]),
        (200, &json!(true))
    );
    for _ in 0..2 {
        let answered = client.ask(validate(&wrong)).await.json();
        assert_eq!(answered["response"]["status"]["code"], 422);
        assert_eq!(
            answered["response"]["status"]["message"],
            "spec.defaults.plugins.rapll: error[unknown-plugin]: unknown plugin `rapll`; did you mean `rapl`?"
        );
    }
    for (outcome, times) in [("policy-accepted", 1.0), ("policy-refused", 2.0)] {
        let sample = format!(
            "admission_requests_total{{operation=\"CREATE\",kind=\"ClusterInjectionPolicy\",outcome=\"{outcome}\"}}"
        );
        let counted = server.metric(&sample).await;
        assert!((counted - times).abs() < f64::EPSILON, "{outcome}: {counted}");
    }
}

/// A policy that somebody sends to the wrong path is no object to complete.
#[tokio::test]
async fn each_path_answers_what_it_is_for() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    let wrong = policy(&json!({"plugins": {"rapll": {}}}));
    let answered = client.ask(call(&wrong)).await.json();
    assert_eq!(answered["response"]["auditAnnotations"]["outcome"], "not-ours");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"injector.alumet.dev/component": "agent"}}});
    let answered = client
        .ask(validate(&review("CREATE", Some("a"), &pod).to_string()))
        .await
        .json();
    assert_eq!(answered["response"]["auditAnnotations"]["outcome"], "not-ours");
    assert_eq!(answered["response"]["allowed"], true);
}

#[tokio::test]
async fn the_limits_are_those_of_the_other_path() {
    let mut config = Config::default();
    config.limits.calls.max_body_bytes = 200_000;
    let server = serve(config).await;
    // Longer than what is answered on the thread that serves.
    let long = policy(&json!({"plugins": {"x".repeat(100_000): {}}}));
    let answered = server.connect().await.ask(validate(&long)).await;
    assert_eq!(answered.json()["response"]["allowed"], false);
    let too_long = policy(&json!({"plugins": {"x".repeat(200_000): {}}}));
    let good = policy(&json!({}));
    for (request, status) in [
        (validate(&too_long), 413),
        (validate(&good).replacen("application/json", "text/plain", 1), 415),
        (validate("{}"), 400),
        ("GET /validate HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 405),
    ] {
        assert_eq!(server.connect().await.ask(request).await.status, status);
    }
}
