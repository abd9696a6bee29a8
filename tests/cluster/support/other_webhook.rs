//! A webhook of somebody else: it answers every review with one and the same patch, once for each pod that lacks it.

use std::{fs, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use super::{Cluster, injector::make_pair};

const PORT: u16 = 8443;

/// It answers until it is dropped.
#[derive(Debug)]
pub(crate) struct OtherWebhook {
    task: JoinHandle<()>,
}

impl OtherWebhook {
    /// Listens at an address of its own, and lets the API server ask about pods that are made in this namespace. The
    /// patch has to put something first in the list of containers: a pod whose first is not `agent` is left alone.
    #[track_caller]
    pub(crate) fn start(cluster: &Cluster, name: &str, namespace: &str, patch: Value) -> Self {
        let address = cluster.service_ip();
        let folder = cluster.folder().join(format!("{name}.tls"));
        let authority = make_pair(&folder, &format!("other.{namespace}.svc"));
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "other", "namespace": namespace},
            "spec": {"clusterIP": address, "ports": [{"port": PORT}]},
        });
        let config = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "other.example.org", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {
                    "service": {"name": "other", "namespace": namespace, "port": PORT},
                    "caBundle": STANDARD.encode(authority),
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                           "resources": ["pods"]}],
            }],
        });
        let chain = fs::read(folder.join("tls.crt")).expect("the file is there");
        let key = fs::read(folder.join("tls.key")).expect("the file is there");
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .expect("it is PEM");
        let key = PrivateKeyDer::from_pem_slice(&key).expect("it is PEM");
        let tls =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider has them")
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .expect("it is a pair");
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = cluster
            .block_on(TcpListener::bind((address, PORT)))
            .expect("the address is free");
        let task = cluster.start_task(serve(listener, tls, Arc::new(patch)));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [service, config]});
        cluster
            .kubectl_with(&["create", "-f", "-"], &list.to_string())
            .ok();
        Self { task }
    }
}

impl Drop for OtherWebhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, patch: Arc<Value>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, patch) = (tls.clone(), Arc::clone(&patch));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let answer = service_fn(|request| answer(request, Arc::clone(&patch)));
            // Whoever goes away in the middle fails the test by what it then lacks.
            let _end = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    patch: Arc<Value>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
    if review["request"]["object"]["spec"]["containers"][0]["name"] == "agent" {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(STANDARD.encode(patch.to_string()));
    }
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok(Response::builder()
        .header("Content-Type", "application/json")
        .body(Full::from(review.to_string()))
        .expect("it is a response"))
}
