//! Whether the API server's calls reach a server: Service, Deployment, endpoints.

use std::time::SystemTime;

use super::{Installation, Said};

/// Port of a Service that an entry leads to when it names none.
const HTTPS: i32 = 443;

pub(super) fn service(installation: &Installation, _: SystemTime) -> Vec<Said> {
    installation.each_backend(|webhook, backend| {
        let place = backend.service_place();
        let service = match &backend.service {
            Ok(Some(service)) => service,
            Ok(None) => {
                let message = format!("it is not there, and the {} leads to it", webhook.place());
                return Said::error(
                    &place,
                    message,
                    "install the injector again, or take the webhook away",
                );
            }
            Err(why) => return Said::skipped(&place, why),
        };
        let reference = webhook.entry.client_config.service.as_ref();
        let wanted = reference.and_then(|service| service.port).unwrap_or(HTTPS);
        let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        let ports: Vec<i32> = ports.map(|port| port.port).collect();
        if ports.contains(&wanted) {
            return Said::ok(&place, format!("it has the port {wanted}"));
        }
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        let message = format!(
            "it has the ports {}, and the {} calls port {wanted}",
            ports.join(", "),
            webhook.place()
        );
        Said::error(
            &place,
            message,
            "set service.port of the injector's chart, and upgrade it",
        )
    })
}

pub(super) fn deployment(installation: &Installation, _: SystemTime) -> Vec<Said> {
    installation.each_backend(|_, backend| {
        let deployment = match backend.deployment() {
            Ok(deployment) => deployment,
            Err(why) => return Said::skipped(&backend.service_place(), &why),
        };
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        let place = backend.deployment_place(deployment);
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let status = deployment.status.as_ref();
        let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
        let namespace = &backend.namespace;
        match ready {
            0 if wanted == 0 => Said::error(
                &place,
                "it has no ready replica, for none is wanted".to_owned(),
                &format!("kubectl -n {namespace} scale deployment {name} --replicas=1"),
            ),
            0 => Said::error(
                &place,
                format!("it has no ready replica of {wanted}"),
                &format!("see why: kubectl -n {namespace} describe pods; kubectl -n {namespace} logs deployment/{name}"),
            ),
            ready if ready < wanted => Said::warning(
                &place,
                format!("{ready} of {wanted} replicas are ready"),
                &format!("see why: kubectl -n {namespace} describe pods"),
            ),
            ready => Said::ok(&place, format!("{ready} of {wanted} replicas are ready")),
        }
    })
}

pub(super) fn endpoints(installation: &Installation, _: SystemTime) -> Vec<Said> {
    installation.each_backend(|_, backend| {
        let place = backend.service_place();
        let slices = match &backend.slices {
            Ok(slices) => slices,
            Err(why) => return Said::skipped(&place, why),
        };
        let all: Vec<bool> = slices
            .iter()
            .flat_map(|slice| &slice.endpoints)
            // Unknown is ready, says the API.
            .map(|endpoint| {
                endpoint
                    .conditions
                    .as_ref()
                    .and_then(|it| it.ready)
                    .unwrap_or(true)
            })
            .collect();
        let ready = all.iter().filter(|ready| **ready).count();
        let message = |what: &str| format!("it leads to {what}");
        if ready > 0 {
            let pods = if ready == 1 { "pod" } else { "pods" };
            Said::ok(&place, message(&format!("{ready} ready {pods}")))
        } else {
            let what = if all.is_empty() {
                "no pod".to_owned()
            } else {
                format!("no ready pod of {}", all.len())
            };
            let mend =
                "see that its selector has the labels of the injector's pods, and why these are not ready";
            Said::error(&place, message(&what), mend)
        }
    })
}
