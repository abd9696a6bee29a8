//! The admin port, plain HTTP: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Response, StatusCode, header},
    routing::get,
};

use super::{
    budget::Budget,
    crowd::Crowd,
    metrics::{Live, Metrics},
    now,
    policies::Readiness,
    refusal::plain,
    shutdown::Shutdown,
    tls::Certificate,
    witness::Witness,
    world::Admit,
};
use crate::telemetry::Dropped;

/// The text format of `OpenMetrics` 1.0, which Prometheus asks for.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What is looked at.
pub(super) struct Gauges {
    pub(super) certificate: Arc<Certificate>,
    pub(super) shutdown: Shutdown,
    pub(super) readiness: Readiness,
    pub(super) metrics: Arc<Metrics>,
    pub(super) connections: Arc<Crowd>,
    pub(super) calls: Arc<Budget>,
    pub(super) body_bytes: Arc<Budget>,
    pub(super) admit: Arc<dyn Admit>,
    pub(super) witness: Option<Arc<dyn Witness>>,
    pub(super) dropped_lines: Dropped,
}

/// What is served on the admin port.
pub(super) fn router(gauges: Arc<Gauges>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || plain(StatusCode::METHOD_NOT_ALLOWED, "this is read by GET"))
        .fallback(async || {
            plain(
                StatusCode::NOT_FOUND,
                "nothing is served here; try /livez, /readyz or /metrics",
            )
        })
        .with_state(gauges)
}

/// Whether the process works: it can answer this. Nothing else belongs here, or a cluster without certificates would
/// restart its injectors for ever.
async fn livez() -> Response<Body> {
    plain(StatusCode::OK, "ok")
}

/// Whether calls should be sent here: the first check that fails, or `ok`.
async fn readyz(State(gauges): State<Arc<Gauges>>) -> Response<Body> {
    let failing = if gauges.shutdown.is_leaving() {
        Some("the process is ending")
    } else {
        let certificate = gauges.certificate.unusable(now());
        certificate.or_else(|| gauges.readiness.unread())
    };
    match failing {
        None => plain(StatusCode::OK, "ok"),
        Some(sentence) => plain(StatusCode::SERVICE_UNAVAILABLE, sentence),
    }
}

async fn metrics(State(gauges): State<Arc<Gauges>>) -> Response<Body> {
    let live = Live {
        connections: gauges.connections.len(),
        calls: gauges.calls.taken(),
        body_bytes: gauges.body_bytes.taken(),
        not_after: gauges.certificate.not_after(),
        memo: gauges.admit.memo(),
        events: gauges
            .witness
            .as_ref()
            .map(|witness| witness.told())
            .unwrap_or_default(),
        dropped_lines: gauges.dropped_lines.count(),
    };
    let text = gauges.metrics.text(&live);
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
    response
}
