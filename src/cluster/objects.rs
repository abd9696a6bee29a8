//! Single objects of a cluster: as they are, and as the API server would store them.

use hyper::http;
use kube::{
    Client, Resource as _,
    api::{ApiResource, DynamicObject, GetParams, GroupVersionKind},
    core::Request,
};
use serde_json::Value;

use super::{Error, answer, kinds::Kind};

/// The objects of one kind, in a namespace if they have any.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    resource: ApiResource,
    namespace: Option<String>,
}

impl Objects {
    /// Those of a kind that something is injected into.
    pub fn of_kind(client: Client, kind: Kind, namespace: &str) -> Self {
        let gvk = GroupVersionKind::gvk(kind.group, "v1", kind.name);
        Self {
            client,
            resource: ApiResource::from_gvk_with_plural(&gvk, kind.plural),
            namespace: Some(namespace.to_owned()),
        }
    }

    /// The object of this name.
    ///
    /// # Errors
    /// When there is none, the account may not read it, or the API server does not answer.
    pub async fn get(&self, name: &str) -> Result<Value, Error> {
        let request = self.request().get(name, &GetParams::default());
        let mend = "name another one, or its namespace with -n";
        self.answer("get", name, mend, request).await
    }

    fn request(&self) -> Request {
        let namespace = self.namespace.as_deref();
        Request::new(DynamicObject::url_path(&self.resource, namespace))
    }

    async fn answer(
        &self,
        verb: &'static str,
        name: &str,
        missing: &'static str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Error> {
        let what = self.what(name);
        let request = request.map_err(kube::Error::BuildRequest);
        answer(verb, &what, missing, async {
            self.client.request::<Value>(request?).await
        })
        .await
    }

    /// Kind, namespace and name, for messages.
    fn what(&self, name: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{name}", self.resource.kind),
            None => format!("{} {name}", self.resource.kind),
        }
    }
}
