//! What is counted, and where it is read: the admin port and `docs/metrics.md`.

use std::fs;

use alumet_injector::server::metrics::METRICS;

use crate::{
    files::{golden, root},
    server_support::{Client, Config, admin, review, serve},
};

#[tokio::test]
async fn every_metric_is_told_with_its_help() {
    let server = serve(Config::default()).await;
    server.serves().await;
    let response = server.admin("/metrics").await;
    assert_eq!(
        response.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = response.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for metric in METRICS {
        let family = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        for line in [
            format!("# HELP {family} {}.\n", metric.help),
            format!("# TYPE {family} {}\n", metric.kind),
        ] {
            assert!(text.contains(&line), "no line {line:?} in\n{text}");
        }
        let sample = text
            .lines()
            .find(|line| line.starts_with(metric.name) && !line.contains("_bucket"))
            .unwrap_or_else(|| panic!("no sample of {}", metric.name));
        for label in metric.labels {
            assert!(sample.contains(&format!("{label}=\"")), "{sample} lacks {label}");
        }
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(families, METRICS.len(), "each is in the table");
}

#[test]
fn the_document_lists_them() {
    let rows: String = METRICS
        .iter()
        .map(|metric| {
            let labels = metric
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect::<Vec<_>>()
                .join(", ");
            format!(
                "| `{}` | {} | {labels} | {} |\n",
                metric.name, metric.kind, metric.help
            )
        })
        .collect();
    let path = root("docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- metrics -->\n", "<!-- end of metrics -->\n");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let table = format!("| name | type | labels | meaning |\n|---|---|---|---|\n{rows}");
    golden(&path, &format!("{before}{begin}{table}{end}{after}"));
}

/// Whoever may call could otherwise fill the memory of those who scrape.
#[tokio::test]
async fn no_label_comes_from_what_was_sent() {
    let server = serve(Config::default()).await;
    let mut client = server.connect().await;
    for number in 0..20 {
        let mut review = review();
        let name = format!("canary{number}");
        for member in ["uid", "name", "namespace"] {
            review["request"][member] = name.as_str().into();
        }
        review["request"]["kind"]["kind"] = name.as_str().into();
        review["request"]["object"]["kind"] = name.as_str().into();
        review["request"]["object"]["metadata"]["labels"]["injector.alumet.dev/component"] =
            name.as_str().into();
        assert_eq!(client.post(&review.to_string()).await.status, 200);
    }
    let text = server.admin("/metrics").await.text();
    assert!(!text.contains("canary"), "{text}");
    let sample = "admission_requests_total{operation=\"CREATE\",kind=\"other\",outcome=\"not-ours\"}";
    assert!((server.metric(sample).await - 20.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn the_admin_port_refuses_what_it_does_not_have() {
    let server = serve(Config::default()).await;
    for path in ["/", "/mutate", "/metrics/", "/readyz/certificate"] {
        let response = admin(server.admin, path).await;
        assert_eq!(
            (response.status, response.header("location")),
            (404, None),
            "{path}"
        );
    }
    let stream = tokio::net::TcpStream::connect(server.admin).await.unwrap();
    let mut client = Client::new(stream);
    let response = client
        .ask("POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(
        (response.status, response.header("allow")),
        (405, Some("GET,HEAD"))
    );
}
