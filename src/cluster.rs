//! What is read from and written to a cluster. It knows the API server, names and certificates, and no admission.

pub mod events;
pub mod installation;
pub mod inventory;
mod kept_config;
pub mod kinds;
pub mod objects;
mod pace;
pub mod policies;
mod races;
pub mod registered;
pub mod self_managed;
pub mod serving_cert;
pub mod upgrade;
pub mod webhook_config;

use std::time::Duration;

use kube::{Config, api::PatchParams, config::KubeConfigOptions, core::Status};

/// Who wrote a field, in the object's `managedFields`.
const FIELD_MANAGER: &str = "alumet-injector";

/// Longest wait for one answer of the API server; a watch is not an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Statuses that say something of the object that came: it cannot be read, is too large, or is invalid.
const OF_THE_OBJECT: [u16; 3] = [400, 413, 422];

/// Why something in the cluster cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no client of an API server.
    #[error("the cluster cannot be found; set KUBECONFIG, or run in a pod with a service account")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The kubeconfig has no such context, or nothing can be made of it.
    #[error("context {name:?} of the kubeconfig cannot be used; `kubectl config get-contexts` lists them")]
    Context {
        /// Its name.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object that somebody else makes is not there.
    #[error("there is no {what}; {mend}")]
    Missing {
        /// Kind, namespace and name.
        what: String,
        /// What to do.
        mend: &'static str,
        /// The API server's own sentence, where it was asked for the object.
        source: Option<Box<Status>>,
    },
    /// The service account may not do this.
    #[error("may not {verb} the {what}; give the service account the verb {verb:?} for it, by resourceNames")]
    Forbidden {
        /// Kubernetes' word for what was asked.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
        /// The API server's own sentence: who may not do what to which resource.
        source: Box<Status>,
    },
    /// The account may not do this with a whole resource.
    #[error("may not {verb} {resource}; give the account the verb {verb:?} for this resource")]
    ForbiddenResource {
        /// Kubernetes' word for what was asked.
        verb: &'static str,
        /// The resource, with its group.
        resource: String,
        /// The API server's own sentence: who may not do what to which resource.
        source: Box<Status>,
    },
    /// The cluster knows a group in other versions than this program.
    #[error(
        "the cluster has {group} as {versions}, and this injector reads {read}; install the CustomResourceDefinitions of \
         this injector, or an injector that reads that version"
    )]
    OtherVersions {
        /// The group.
        group: &'static str,
        /// The versions that the cluster serves.
        versions: String,
        /// The version that is read here.
        read: &'static str,
    },
    /// The API server did not answer in time.
    #[error("no answer within {} s to {verb} of the {what}", ANSWER_WITHIN.as_secs())]
    Timeout {
        /// Kubernetes' word for what was asked.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
    },
    /// Anything else.
    #[error("cannot {verb} the {what}")]
    Request {
        /// Kubernetes' word for what was asked.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The answer is not the object. What stands in it is not shown, since it may be a Secret's.
    #[error("the answer to {verb} of the {what} is not such an object")]
    Answer {
        /// Kubernetes' word for what was asked.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
    },
    /// No entry of the webhook configuration leads to this server.
    #[error(
        "no entry of the {what} leads to {target}; set its clientConfig, or start with the names that it has"
    )]
    NoEntry {
        /// Kind and name.
        what: String,
        /// Service or hosts.
        target: String,
    },
    /// A certificate was not made.
    #[error("no certificate for the {what}")]
    Unissued {
        /// Kind, namespace and name.
        what: String,
        /// Why.
        source: crate::certs::Unissued,
    },
    /// The server does not take the certificate.
    #[error("the certificate cannot be served with")]
    NotServed(#[source] self_managed::Refusal),
    /// What was written is not enough, round after round.
    #[error("the {what} is changed by somebody else again and again")]
    Contended {
        /// Kind, namespace and name.
        what: String,
    },
}

impl Error {
    /// Whether the API server refuses what was asked for what the object is, so that it may take the same of another one:
    /// it is invalid, or too large.
    pub fn is_of_the_object(&self) -> bool {
        match self {
            Self::Request { source, .. } => {
                matches!(&**source, kube::Error::Api(status) if OF_THE_OBJECT.contains(&status.code))
            }
            _ => false,
        }
    }

    /// The API server's own sentence, where it does not take the object; else the error as it was.
    fn into_refusal(self) -> Result<String, Self> {
        match self.status() {
            // The others are about the moment, and not about the object.
            Some(status) if matches!(status.code, 400 | 403 | 404 | 409 | 413 | 422 | 500) => {
                Ok(status.message.clone())
            }
            _ => Err(self),
        }
    }

    /// What the API server answered, where it answered.
    fn status(&self) -> Option<&Status> {
        match self {
            Self::Missing { source, .. } => source.as_deref(),
            Self::Forbidden { source, .. } | Self::ForbiddenResource { source, .. } => Some(source),
            Self::Request { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same where it is a person who may not do it, and no service account of ours.
    fn of_a_person(self) -> Self {
        match self {
            Self::Forbidden { verb, what, source } => Self::ForbiddenResource {
                verb,
                resource: what,
                source,
            },
            error => error,
        }
    }
}

/// Waits for an answer, and says in one sentence what came instead of it.
async fn answer<T>(
    verb: &'static str,
    what: &str,
    missing: &'static str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_WITHIN, request).await {
        Ok(answered) => answered.map_err(|error| refused(verb, what, missing, error)),
        Err(_) => Err(Error::Timeout {
            verb,
            what: what.to_owned(),
        }),
    }
}

/// The sentence for what the client library says.
fn refused(verb: &'static str, what: &str, missing: &'static str, error: kube::Error) -> Error {
    let what = what.to_owned();
    match error {
        kube::Error::Api(status) if status.code == 404 => Error::Missing {
            what,
            mend: missing,
            source: Some(status),
        },
        kube::Error::Api(source) if source.code == 403 => Error::Forbidden { verb, what, source },
        error => Error::Request {
            verb,
            what,
            source: Box::new(error),
        },
    }
}

/// Waits for a list of a resource: nothing where the cluster does not know the resource.
async fn listed<T>(
    resource: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<Option<T>, Error> {
    asked("list", resource, request).await
}

/// Waits for an answer about a resource: nothing where there is none.
async fn asked<T>(
    verb: &'static str,
    resource: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<Option<T>, Error> {
    match answer(verb, resource, "", request).await {
        Ok(answered) => Ok(Some(answered)),
        Err(Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error.of_a_person()),
    }
}

/// What a patch says besides its operations.
fn patch_params() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// The API server that KUBECONFIG or the pod's service account names.
pub async fn client() -> Result<kube::Client, Error> {
    kube::Client::try_default()
        .await
        .map_err(|error| Error::Config(Box::new(error)))
}

/// The API server of a context of the kubeconfig; without one, as [`client`].
pub async fn client_of(context: Option<&str>) -> Result<kube::Client, Error> {
    let Some(context) = context else {
        return client().await;
    };
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let no_context = |source: Box<dyn std::error::Error + Send + Sync>| Error::Context {
        name: context.to_owned(),
        source,
    };
    let config = Config::from_kubeconfig(&options).await;
    let config = config.map_err(|error| no_context(Box::new(error)))?;
    kube::Client::try_from(config).map_err(|error| no_context(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_one_object_is_told_from_what_is_wrong_with_all() {
        let answered = |code| {
            let status = Status {
                code,
                ..Status::failure("no", "Reason")
            };
            refused("patch", "policy", "", kube::Error::Api(status.boxed()))
        };
        for code in [400, 413, 422] {
            assert!(answered(code).is_of_the_object(), "{code}");
        }
        for code in [401, 403, 404, 409, 429, 500, 503, 504] {
            assert!(!answered(code).is_of_the_object(), "{code}");
        }
        let timeout = Error::Timeout {
            verb: "patch",
            what: String::new(),
        };
        assert!(!timeout.is_of_the_object());
    }
}
