//! The certificate in the Secret, and whether the caBundle trusts it.

use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;

use super::{Backend, Installation, Said, Unseen, Webhook, rights::is_self_managed};
use crate::certs::{Bundle, Details, Life, ServerNames, Trusted, Untrusted};

/// A certificate is about to expire when less than this part of its life is left. It is renewed when a third is left.
const SOON: u32 = 5;

pub(super) fn certificate(installation: &Installation, now: SystemTime) -> Vec<Said> {
    installation.each_backend(|webhook, backend| match chain(backend) {
        Err(said) => said,
        Ok((place, chain)) => {
            let Some(leaf) = chain.first() else {
                return Said::skipped(&place, &Unseen::Moot("it has no certificate".to_owned()));
            };
            of_leaf(&place, leaf.details(), webhook, backend, now)
        }
    })
}

fn of_leaf(place: &str, leaf: &Details, webhook: &Webhook, backend: &Backend, now: SystemTime) -> Said {
    let written = |time| format_rfc3339_seconds(time).to_string();
    let mend = renewal(backend);
    match leaf.life(now) {
        Life::Expired => {
            return Said::error(
                place,
                format!("its certificate expired at {}", written(leaf.not_after)),
                &mend,
            );
        }
        Life::NotYet => {
            let message = format!("its certificate begins at {}", written(leaf.not_before));
            return Said::error(place, message, "set the clocks, or wait");
        }
        Life::Valid => {}
    }
    let service = ServerNames::of_service(&backend.service_name, &backend.namespace);
    if let Ok(wanted) = service
        && let Some(called) = wanted.as_slice().first()
        && webhook.entry.client_config.service.is_some()
        && !leaf.names.iter().any(|name| wanted.as_slice().contains(name))
    {
        let message = format!(
            "its certificate is for {}, and the API server calls {called}",
            leaf.names.join(", ")
        );
        return Said::error(place, message, "issue one for that name");
    }
    let left = leaf.not_after.duration_since(now).unwrap_or(Duration::ZERO);
    let life = leaf
        .not_after
        .duration_since(leaf.not_before)
        .unwrap_or(Duration::ZERO);
    let until = format!("its certificate is valid until {}", written(leaf.not_after));
    if left < life / SOON {
        let message = format!("{until}, with less than a fifth of its life left, and was not renewed yet");
        Said::warning(place, message, &mend)
    } else {
        Said::ok(place, until)
    }
}

/// How the certificate is renewed in this mode.
fn renewal(backend: &Backend) -> String {
    let namespace = &backend.namespace;
    let deployment = backend.deployment().ok();
    let name = deployment
        .and_then(|it| it.metadata.name.as_deref())
        .unwrap_or(&backend.service_name);
    if deployment.is_some_and(is_self_managed) {
        format!("see why the injector does not renew it: kubectl -n {namespace} logs deployment/{name}")
    } else {
        "renew it: whoever wrote the Secret, such as cert-manager or `alumet-injector certs issue`".to_owned()
    }
}

/// The Secret and the certificates in it, or what is wrong with them.
fn chain(backend: &Backend) -> Result<(String, Vec<Trusted>), Said> {
    let certificates = match &backend.secret {
        Ok(certificates) => certificates,
        Err(why) => return Err(Said::skipped(&backend.service_place(), why)),
    };
    let place = format!("Secret {}/{}", backend.namespace, certificates.secret);
    let Some(pem) = &certificates.chain else {
        let mend = if backend.deployment().is_ok_and(is_self_managed) {
            "the injector writes it when it starts; see its log"
        } else {
            "write certificate and key into it, as tls.crt and tls.key"
        };
        return Err(Said::error(
            &place,
            "it is not there, or has no tls.crt".to_owned(),
            mend,
        ));
    };
    match Trusted::read_all(pem) {
        Ok(chain) => Ok((place, chain)),
        Err(error) => Err(Said::error(&place, format!("tls.crt: {error}"), "")),
    }
}

pub(super) fn ca_bundle(installation: &Installation, now: SystemTime) -> Vec<Said> {
    installation.each_webhook(|webhook| {
        let place = webhook.place();
        let Some(pem) = webhook.entry.ca_bundle() else {
            if webhook.entry.client_config.url.is_some() {
                let message = "it has no caBundle, so the API server asks the authorities of its machine";
                return Said::ok(&place, message.to_owned());
            }
            let mend = match webhook.backend.as_ref().ok().and_then(|it| it.deployment().ok()) {
                Some(deployment) if is_self_managed(deployment) => "the injector writes it; see its log",
                _ => "set webhook.caBundle of the injector's chart, or let cert-manager write it",
            };
            let message = "it has no caBundle, so the API server trusts no injector";
            return Said::error(&place, message.to_owned(), mend);
        };
        let bundle = match Bundle::read(pem) {
            Ok(bundle) => bundle,
            Err(error) => {
                return Said::error(
                    &place,
                    format!("its caBundle cannot be read: {error}"),
                    "write it again",
                );
            }
        };
        let backend = match &webhook.backend {
            Ok(backend) => backend,
            Err(why) => return Said::skipped(&place, why),
        };
        match chain(backend) {
            Ok((secret, chain)) => of_bundle(&place, &bundle, &secret, &chain, now),
            Err(said) => {
                // What is wrong with the Secret, the check before this one has told.
                let why = match &backend.secret {
                    Err(why) => why.clone(),
                    Ok(_) => Unseen::Moot(format!(
                        "nothing to compare with: {}: {}",
                        said.place, said.message
                    )),
                };
                Said::skipped(&place, &why)
            }
        }
    })
}

fn of_bundle(place: &str, bundle: &Bundle, secret: &str, chain: &[Trusted], now: SystemTime) -> Said {
    let Some(leaf) = chain.first() else {
        return Said::skipped(place, &Unseen::Moot(format!("{secret} has no certificate")));
    };
    // That a certificate has expired is another check's.
    let moment = match leaf.details().life(now) {
        Life::Valid => now,
        Life::Expired => leaf.details().not_after,
        Life::NotYet => leaf.details().not_before,
    };
    let certificates: Vec<_> = chain.iter().map(|it| it.certificate().clone()).collect();
    match bundle.trusts(&certificates, moment) {
        Ok(()) => Said::ok(place, format!("its caBundle trusts the certificate in {secret}")),
        Err(why) => {
            let mend = match why {
                Untrusted::UnknownIssuer => {
                    "write the authority that issued the certificate into the caBundle, or restart the injector"
                }
                _ => "issue the certificate anew",
            };
            let message = format!("its caBundle does not trust the certificate in {secret}: {why}");
            Said::error(place, message, mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use k8s_openapi::{
        ByteString,
        api::admissionregistration::v1::{ServiceReference, WebhookClientConfig},
    };

    use super::{ca_bundle, certificate};
    use crate::{
        certs::{Authority, Issued, ServerNames},
        cluster::{
            installation::{
                Backend, Certificates, Installation, Scope, Seen, Unseen, Webhook, checks::verdicts,
            },
            webhook_config::{Entry, Kind},
        },
    };

    const DAY: Duration = Duration::from_hours(24);

    fn then() -> SystemTime {
        SystemTime::UNIX_EPOCH + 10_000 * DAY
    }

    fn issued(service: &str) -> Issued {
        let authority = Authority::new(then(), 100 * DAY).unwrap();
        let names = ServerNames::of_service(service, "ns").unwrap();
        authority.issue(&names, then(), 10 * DAY).unwrap()
    }

    fn installation(bundle: Option<&str>, chain: Option<&str>) -> Installation {
        fn moot<T>() -> Seen<T> {
            Err(Unseen::Moot("not looked at".to_owned()))
        }
        let backend = Backend {
            namespace: "ns".to_owned(),
            service_name: "injector".to_owned(),
            service: Ok(None),
            slices: Ok(Vec::new()),
            deployment: Ok(None),
            secret: Ok(Certificates {
                secret: "pair".to_owned(),
                chain: chain.map(|pem| pem.as_bytes().to_vec()),
            }),
            rights: moot(),
        };
        let entry = Entry {
            client_config: WebhookClientConfig {
                ca_bundle: bundle.map(|pem| ByteString(pem.as_bytes().to_vec())),
                service: Some(ServiceReference {
                    namespace: "ns".to_owned(),
                    name: "injector".to_owned(),
                    ..ServiceReference::default()
                }),
                ..WebhookClientConfig::default()
            },
            ..Entry::default()
        };
        Installation {
            scope: Scope::default(),
            version: moot(),
            webhooks: Ok(vec![Webhook {
                kind: Kind::Mutating,
                configuration: "config".to_owned(),
                entry,
                backend: Ok(Arc::new(backend)),
            }]),
            policy_webhooks: Ok(Vec::new()),
            namespaces: moot(),
            marked: moot(),
            probes: moot(),
            policies: moot(),
        }
    }

    fn told(installation: &Installation, code: &str, now: SystemTime) -> String {
        let all = verdicts(installation, now);
        let lines: Vec<String> = all
            .iter()
            .filter(|it| it.code == code)
            .map(ToString::to_string)
            .collect();
        lines.join("\n")
    }

    #[test]
    fn the_life_of_a_certificate() {
        let pair = issued("injector");
        let installation = installation(None, Some(&pair.certificate));
        for (days, expected) in [
            (
                1,
                "ok[certificate]: Secret ns/pair: its certificate is valid until ",
            ),
            (
                7,
                "ok[certificate]: Secret ns/pair: its certificate is valid until ",
            ),
            (
                9,
                "warning[certificate]: Secret ns/pair: its certificate is valid until ",
            ),
            (
                11,
                "error[certificate]: Secret ns/pair: its certificate expired at ",
            ),
        ] {
            let told = told(&installation, "certificate", then() + days * DAY);
            assert!(told.starts_with(expected), "{days}: {told}");
        }
        let early = told(&installation, "certificate", then() - 2 * DAY);
        assert!(
            early.starts_with("error[certificate]: Secret ns/pair: its certificate begins at "),
            "{early}"
        );
    }

    #[test]
    fn certificates_that_cannot_be_used() {
        let other = issued("other");
        for (chain, expected) in [
            (
                None,
                "error[certificate]: Secret ns/pair: it is not there, or has no tls.crt; write certificate and key into it, as \
                 tls.crt and tls.key",
            ),
            (
                Some("hello"),
                "error[certificate]: Secret ns/pair: tls.crt: there is no certificate; a bundle has blocks `-----BEGIN \
                 CERTIFICATE-----`",
            ),
            (
                Some(other.certificate.as_str()),
                "error[certificate]: Secret ns/pair: its certificate is for other.ns.svc, other.ns.svc.cluster.local, and the \
                 API server calls injector.ns.svc; issue one for that name",
            ),
        ] {
            assert_eq!(
                told(&installation(None, chain), "certificate", then() + DAY),
                expected
            );
        }
    }

    #[test]
    fn ca_bundles() {
        let pair = issued("injector");
        let place = "MutatingWebhookConfiguration config";
        for (bundle, expected) in [
            (
                None,
                format!(
                    "error[ca-bundle]: {place}: it has no caBundle, so the API server trusts no injector; set \
                     webhook.caBundle of the injector's chart, or let cert-manager write it"
                ),
            ),
            (
                Some("hello"),
                format!(
                    "error[ca-bundle]: {place}: its caBundle cannot be read: there is no certificate; a bundle has blocks \
                     `-----BEGIN CERTIFICATE-----`; write it again"
                ),
            ),
        ] {
            let installation = installation(bundle, Some(&pair.certificate));
            assert_eq!(told(&installation, "ca-bundle", then() + DAY), expected);
        }
    }

    #[test]
    fn an_expired_certificate_is_told_once() {
        let authority = Authority::new(then(), 100 * DAY).unwrap();
        let names = ServerNames::of_service("injector", "ns").unwrap();
        let pair = authority.issue(&names, then(), 10 * DAY).unwrap();
        let installation = installation(Some(&authority.certificate_pem()), Some(&pair.certificate));
        let now = then() + 20 * DAY;
        let outcomes = |said: Vec<super::Said>| said[0].outcome.as_str();
        assert_eq!(outcomes(certificate(&installation, now)), "error");
        assert_eq!(outcomes(ca_bundle(&installation, now)), "ok");
    }
}
