//! Requests to the API server without a program between: many a second, and the answer as it comes.

use hyper::http::Request;
use kube::client::Body;
use serde_json::Value;

use super::Cluster;

/// Whether what is asked for is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Yes,
    /// `--dry-run=server`: admission and validation, and no more.
    No,
}

impl Stored {
    fn query(self) -> &'static str {
        match self {
            Self::Yes => "",
            Self::No => "?dryRun=All",
        }
    }
}

/// Creates an object in the namespace that it names. What the API server makes of it, or what it says against it.
pub(crate) fn create(cluster: &Cluster, object: &Value, stored: Stored) -> Result<Value, String> {
    let path = format!("{}{}", collection(object), stored.query());
    let request = Request::post(path).header("Content-Type", "application/json");
    send(cluster, request, object)
}

/// Changes an object by a merge patch (RFC 7386).
pub(crate) fn merge(cluster: &Cluster, object: &Value, change: &Value) -> Result<Value, String> {
    let name = object["metadata"]["name"].as_str().expect("it has a name");
    let path = format!("{}/{name}", collection(object));
    let request = Request::patch(path).header("Content-Type", "application/merge-patch+json");
    send(cluster, request, change)
}

/// The same, with the warnings of the answer's headers (`Warning: 299 - "..."`).
pub(crate) fn create_and_hear(
    cluster: &Cluster,
    object: &Value,
    stored: Stored,
) -> (Result<Value, String>, Vec<String>) {
    let request = Request::post(format!("{}{}", collection(object), stored.query()))
        .header("Content-Type", "application/json")
        .body(Body::from(object.to_string().into_bytes()))
        .expect("it is a request");
    cluster.block_on(async {
        let answer = cluster
            .client()
            .send(request)
            .await
            .expect("the API server answers");
        let headers = answer.headers().get_all("Warning").iter();
        let warnings = headers
            .map(|warning| String::from_utf8_lossy(warning.as_bytes()).into_owned())
            .collect();
        let status = answer.status();
        let body = answer.into_body().collect_bytes().await.expect("it has a body");
        let body: Value = serde_json::from_slice(&body).expect("the answer is JSON");
        let made = if status.is_success() {
            Ok(body)
        } else {
            Err(body.to_string())
        };
        (made, warnings)
    })
}

fn send(cluster: &Cluster, request: hyper::http::request::Builder, body: &Value) -> Result<Value, String> {
    let request = request
        .body(body.to_string().into_bytes())
        .expect("it is a request");
    let client = cluster.client();
    cluster
        .block_on(client.request(request))
        .map_err(|error| match error {
            kube::Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
            other => format!("{other:?}"),
        })
}

/// Where the objects of this kind lie, in this namespace or in none.
fn collection(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let root = if version.contains('/') { "apis" } else { "api" };
    let kind = text(&object["kind"]).to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
        None => format!("/{root}/{version}/{plural}"),
    }
}
