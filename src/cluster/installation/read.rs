//! Reads what there is of an installation: one request after the other, none of which changes anything.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::{
    admissionregistration::v1::ServiceReference,
    apps::v1::Deployment,
    core::v1::{Namespace, Secret, Service},
    discovery::v1::EndpointSlice,
};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;

use super::{Backend, Certificates, Installation, Scope, Seen, Unseen, Webhook, probe, rights, seen, served};
use crate::{
    certs::held::CERTIFICATE,
    cluster::{
        Error, answer, listed, policies,
        registered::{Registered, registered},
        webhook_config::Kind,
    },
};

/// Label of an `EndpointSlice`: the Service that it is of.
const OF_SERVICE: &str = "kubernetes.io/service-name";

/// Reads it all.
///
/// # Errors
/// When the API server cannot be reached.
pub async fn read(client: Client, scope: Scope) -> Result<Installation, Error> {
    let version = match answer("get", "version of the API server", "", client.apiserver_version()).await {
        Err(error @ (Error::Request { .. } | Error::Timeout { .. })) => return Err(error),
        answered => seen(answered),
    };
    let mut backends = Backends::new();
    let policy_webhooks = webhooks(&client, Kind::Validating, &scope, &mut backends).await;
    let webhooks = webhooks(&client, Kind::Mutating, &scope, &mut backends).await;
    let namespaces = namespaces(&client, &scope).await;
    let marked = served::marked(&client, &scope).await;
    let probes = probe::probes(&client, &scope, &webhooks, &namespaces, &marked).await;
    let policies = seen(policies::fetch(client, Vec::new()).await).map(|policies| policies.problems);
    Ok(Installation {
        scope,
        version,
        webhooks,
        policy_webhooks,
        namespaces,
        marked,
        probes,
        policies,
    })
}

/// Backends by namespace and name of their Service, for several entries lead to one.
type Backends = BTreeMap<(String, String), Arc<Backend>>;

/// The entries that are ours, and what they lead to.
async fn webhooks(client: &Client, kind: Kind, scope: &Scope, backends: &mut Backends) -> Seen<Vec<Webhook>> {
    let entries = seen(registered(client.clone(), kind, scope.webhook.as_deref()).await)?;
    let mut webhooks = Vec::new();
    for Registered {
        kind,
        configuration,
        entry,
    } in entries
    {
        let backend = match (&entry.client_config.service, &entry.client_config.url) {
            (Some(service), _) => Ok(shared(client, service, backends).await),
            (None, url) => Err(Unseen::Moot(format!(
                "it leads to {}, and not to a Service",
                url.as_deref().unwrap_or("nowhere")
            ))),
        };
        webhooks.push(Webhook {
            kind,
            configuration,
            entry,
            backend,
        });
    }
    Ok(webhooks)
}

async fn shared(client: &Client, service: &ServiceReference, backends: &mut Backends) -> Arc<Backend> {
    let id = (service.namespace.clone(), service.name.clone());
    if let Some(known) = backends.get(&id) {
        return Arc::clone(known);
    }
    let read = Arc::new(backend(client, service).await);
    backends.insert(id, Arc::clone(&read));
    read
}

async fn namespaces(client: &Client, scope: &Scope) -> Seen<BTreeMap<String, BTreeMap<String, String>>> {
    let api: Api<Namespace> = Api::all(client.clone());
    let mut params = ListParams::default();
    if let Some(name) = &scope.namespace {
        params = params.fields(&format!("metadata.name={name}"));
    }
    let list = seen(listed("namespaces", api.list_metadata(&params)).await)?;
    let labels = |it: kube::api::ObjectMeta| (it.name.unwrap_or_default(), it.labels.unwrap_or_default());
    Ok(list.into_iter().flatten().map(|it| labels(it.metadata)).collect())
}

async fn backend(client: &Client, reference: &ServiceReference) -> Backend {
    let (namespace, name) = (&reference.namespace, &reference.name);
    let service: Seen<Option<Service>> = get(client, namespace, name, "services").await;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let of_service = ListParams::default().labels(&format!("{OF_SERVICE}={name}"));
    let slices = listed(
        &format!("endpointslices of namespace {namespace}"),
        slices.list(&of_service),
    )
    .await;
    let slices = seen(slices).map(|list| list.into_iter().flatten().collect());
    let deployment = match &service {
        Ok(service) => deployment(client, namespace, service.as_ref()).await,
        Err(why) => Err(why.clone()),
    };
    let (secret, rights) = match &deployment {
        Ok(Some(deployment)) => (
            certificates(client, namespace, deployment).await,
            Ok(rights::ask(client, namespace, deployment).await),
        ),
        Ok(None) => {
            let why = Unseen::Moot(format!(
                "there is no Deployment behind the Service {namespace}/{name}"
            ));
            (Err(why.clone()), Err(why))
        }
        Err(why) => (Err(why.clone()), Err(why.clone())),
    };
    Backend {
        namespace: namespace.clone(),
        service_name: name.clone(),
        service,
        slices,
        deployment,
        secret,
        rights,
    }
}

/// An object, or that there is none.
async fn get<K>(client: &Client, namespace: &str, name: &str, resource: &str) -> Seen<Option<K>>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let what = format!("{resource}/{name} in namespace {namespace}");
    seen(answer("get", &what, "", api.get_opt(name)).await)
}

/// The Deployment whose pods the Service selects.
async fn deployment(client: &Client, namespace: &str, service: Option<&Service>) -> Seen<Option<Deployment>> {
    let selector = service.and_then(|service| service.spec.as_ref()?.selector.as_ref());
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        return Ok(None);
    };
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let what = format!("deployments of namespace {namespace}");
    let list = seen(listed(&what, api.list(&ListParams::default())).await)?;
    let is_selected = |deployment: &Deployment| {
        let template = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.template.metadata.as_ref());
        let labels = template.and_then(|metadata| metadata.labels.as_ref());
        labels.is_some_and(|labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
    };
    Ok(list.into_iter().flatten().find(is_selected))
}

/// The certificate of the Secret that the Deployment names: by its argument, or else as a volume with `tls.crt`.
async fn certificates(client: &Client, namespace: &str, deployment: &Deployment) -> Seen<Certificates> {
    let spec = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let mut volumes = spec.into_iter().flat_map(|spec| spec.volumes.iter().flatten());
    let mounted = || volumes.find_map(|volume| volume.secret.as_ref()?.secret_name.as_deref());
    let Some(name) = rights::argument(deployment, "--secret").or_else(mounted) else {
        return Err(Unseen::Moot(
            "the Deployment names no Secret with a certificate".to_owned(),
        ));
    };
    let secret: Option<Secret> = get(client, namespace, name, "secrets").await?;
    let data = secret.and_then(|secret| secret.data);
    Ok(Certificates {
        secret: name.to_owned(),
        chain: data
            .and_then(|mut data| data.remove(CERTIFICATE))
            .map(|text| text.0),
    })
}
