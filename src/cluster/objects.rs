//! Single objects of a cluster: as they are, and as the API server would store them.

use hyper::http;
use kube::{
    Client, Resource as _,
    api::{ApiResource, DynamicObject, GetParams, GroupVersionKind, Patch, PatchParams, PostParams},
    core::Request,
};
use serde_json::Value;

use super::{Error, answer, kinds::Kind};

/// What is missing where an object cannot even be created.
const NO_NAMESPACE: &str = "create its namespace, or name another one with -n";

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

    /// Those of any kind, in a namespace if it has any.
    pub(super) fn of(client: Client, resource: ApiResource, namespace: Option<String>) -> Self {
        Self {
            client,
            resource,
            namespace,
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

    /// The object of this name, where there is one.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Value>, Error> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the API server would store if this were applied in the name of this field manager; with `force`, over all
    /// others.
    pub(super) async fn try_apply(
        &self,
        name: &str,
        manager: &str,
        object: &Value,
        force: bool,
    ) -> Result<Value, Error> {
        let params = PatchParams {
            dry_run: true,
            force,
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let request = self.request().patch(name, &params, &Patch::Apply(object));
        self.answer("patch", name, NO_NAMESPACE, request).await
    }

    /// What the API server would store if this were put in the place of what is there.
    pub(super) async fn try_replace(
        &self,
        name: &str,
        manager: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let params = PostParams {
            dry_run: true,
            field_manager: Some(manager.to_owned()),
        };
        let request = self
            .request()
            .replace(name, &params, object.to_string().into_bytes());
        self.answer("update", name, NO_NAMESPACE, request).await
    }

    /// Their namespace, where they have one.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
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
        let answered = answer(verb, &what, missing, async {
            self.client.request::<Value>(request?).await
        });
        answered.await.map_err(Error::of_a_person)
    }

    /// Kind, namespace and name, for messages.
    fn what(&self, name: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{name}", self.resource.kind),
            None => format!("{} {name}", self.resource.kind),
        }
    }
}
