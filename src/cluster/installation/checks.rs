//! The table of checks, and those that look at the cluster as a whole.

use std::time::SystemTime;

use super::{Installation, Said, Verdict, Webhook, certificate, probe, reach, releases, rights, served};
use crate::{
    cluster::webhook_config::{Entry, Kind},
    finding::Severity,
};

/// Oldest Kubernetes that is supported: 1.28.
const OLDEST_MINOR: u32 = 28;

/// One check.
#[derive(Debug)]
pub struct Check {
    /// Stable code in kebab-case.
    pub code: &'static str,
    /// What holds where it says `ok`.
    pub holds: &'static str,
    say: fn(&Installation, SystemTime) -> Vec<Said>,
}

/// All checks, in the order in which they are told: what others stand on comes first.
pub const CHECKS: &[Check] = &[
    Check {
        code: "api-server",
        holds: "the API server answers, and its version is supported",
        say: api_server,
    },
    Check {
        code: "webhook",
        holds: "a MutatingWebhookConfiguration has our entry",
        say: webhook,
    },
    Check {
        code: "policy-webhook",
        holds: "a ValidatingWebhookConfiguration has our entry, where policies are watched",
        say: policy_webhook,
    },
    Check {
        code: "service",
        holds: "the Service that each entry leads to is there, with the port that the entry names",
        say: reach::service,
    },
    Check {
        code: "deployment",
        holds: "the Deployment has a ready replica",
        say: reach::deployment,
    },
    Check {
        code: "endpoints",
        holds: "the Service leads to a ready pod",
        say: reach::endpoints,
    },
    Check {
        code: "certificate",
        holds: "the certificate in the Secret is valid now, not about to expire, and one for the Service",
        say: certificate::certificate,
    },
    Check {
        code: "ca-bundle",
        holds: "the caBundle of each entry trusts the certificate in the Secret",
        say: certificate::ca_bundle,
    },
    Check {
        code: "rights",
        holds: "the ServiceAccount of the Deployment may do what its arguments ask for",
        say: rights::rights,
    },
    Check {
        code: "injection",
        holds: "a marked ConfigMap, created with dryRun, comes back complete",
        say: probe::injection,
    },
    Check {
        code: "selectors",
        holds: "every marked object is one that the webhook is asked about",
        say: served::selectors,
    },
    Check {
        code: "releases",
        holds: "every marked ConfigMap and workload is complete",
        say: releases::releases,
    },
    Check {
        code: "policies",
        holds: "every policy can be read",
        say: policies,
    },
];

/// What every check says, at this moment.
pub fn verdicts(installation: &Installation, now: SystemTime) -> Vec<Verdict> {
    let told = CHECKS.iter().flat_map(|check| {
        let said = (check.say)(installation, now);
        said.into_iter().map(|said| Verdict {
            code: check.code,
            outcome: said.outcome,
            place: said.place,
            message: said.message,
            mend: said.mend,
        })
    });
    told.collect()
}

fn api_server(installation: &Installation, _: SystemTime) -> Vec<Said> {
    let version = match &installation.version {
        Ok(version) => version,
        Err(why) => return vec![Said::skipped("", why)],
    };
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let name = &version.git_version;
    let said = match (number(&version.major), number(&version.minor)) {
        (Some(1), Some(minor)) if minor < OLDEST_MINOR => Said::error(
            "",
            format!("the API server is Kubernetes {name}, older than the oldest that is supported"),
            &format!("use Kubernetes 1.{OLDEST_MINOR} or newer"),
        ),
        (Some(_), Some(_)) => Said::ok("", format!("Kubernetes {name} answers")),
        _ => Said::warning(
            "",
            format!("Kubernetes {name} answers, of an unknown version"),
            "",
        ),
    };
    vec![said]
}

fn webhook(installation: &Installation, _: SystemTime) -> Vec<Said> {
    if installation.webhooks.as_ref().is_ok_and(Vec::is_empty) {
        let message = format!("{}, so nothing is injected", none(installation, Kind::Mutating));
        let mend = "install the injector (chart deploy/injector), or use the post-renderer";
        return vec![Said::error("", message, mend)];
    }
    installation.each_mutating(leads)
}

fn policy_webhook(installation: &Installation, _: SystemTime) -> Vec<Said> {
    let registered = match &installation.policy_webhooks {
        Ok(registered) => registered,
        Err(why) => return vec![Said::skipped("", why)],
    };
    if !registered.is_empty() {
        return registered.iter().map(leads).collect();
    }
    installation.each_mutating(|webhook| {
        let backend = match &webhook.backend {
            Ok(backend) => backend,
            Err(why) => return Said::skipped(&webhook.place(), why),
        };
        match backend.deployment() {
            Ok(deployment) if rights::watches_policies(deployment) => {
                let none = none(installation, Kind::Validating);
                let message = format!(
                    "it watches policies, and {none}, so that one with errors is taken, and is not in force"
                );
                let mend = "set webhook.policies.enabled of the injector's chart";
                Said::warning(&backend.deployment_place(deployment), message, mend)
            }
            Ok(deployment) => Said::ok(
                &backend.deployment_place(deployment),
                "it watches no policies, so that none has to be checked as it is written".to_owned(),
            ),
            Err(why) => Said::skipped(&backend.service_place(), &why),
        }
    })
}

/// That no configuration of this kind has an entry of ours.
fn none(installation: &Installation, kind: Kind) -> String {
    let (entry, kind) = (kind.entry(), kind.as_str());
    match &installation.scope.webhook {
        Some(name) => format!("there is no {kind} {name} with an entry {entry}"),
        None => format!("no {kind} has an entry {entry}"),
    }
}

/// Where an entry leads.
fn leads(webhook: &Webhook) -> Said {
    let Entry {
        name, client_config, ..
    } = &webhook.entry;
    let leads = match (&client_config.service, &client_config.url) {
        (Some(service), _) => format!("Service {}/{}", service.namespace, service.name),
        (None, Some(url)) => url.clone(),
        (None, None) => "nowhere".to_owned(),
    };
    let policy = webhook.entry.failure_policy();
    let message = format!("the entry {name} leads to {leads}, failurePolicy {policy}");
    Said::ok(&webhook.place(), message)
}

fn policies(installation: &Installation, _: SystemTime) -> Vec<Said> {
    match &installation.policies {
        Ok(problems) if problems.is_empty() => {
            vec![Said::ok("", "every policy can be read".to_owned())]
        }
        Ok(problems) => {
            let said = problems.iter().map(|problem| {
                let finding = &problem.finding;
                let say = match finding.severity {
                    Severity::Error => Said::error,
                    Severity::Warning => Said::warning,
                };
                let at = match finding.path.as_str() {
                    "" => String::new(),
                    path => format!("{path}: "),
                };
                say(&problem.place, format!("{at}{}", finding.message), &finding.mend)
            });
            said.collect()
        }
        Err(why) => vec![Said::skipped("", why)],
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use k8s_openapi::apimachinery::pkg::version::Info;

    use super::{CHECKS, verdicts};
    use crate::{
        cluster::installation::{Installation, Outcome, Scope, Unseen},
        finding::{Finding, Severity},
        policy_document::Problem,
    };

    fn nothing_seen() -> Installation {
        let unseen = Unseen::Forbidden("you may not look".to_owned());
        Installation {
            scope: Scope::default(),
            version: Err(unseen.clone()),
            webhooks: Err(unseen.clone()),
            policy_webhooks: Err(unseen.clone()),
            namespaces: Err(unseen.clone()),
            marked: Err(unseen.clone()),
            probes: Err(unseen.clone()),
            policies: Err(unseen),
        }
    }

    /// The lines of one check.
    fn told(installation: &Installation, code: &str) -> Vec<String> {
        let verdicts = verdicts(installation, SystemTime::UNIX_EPOCH);
        let of_code = verdicts.iter().filter(|verdict| verdict.code == code);
        of_code.map(ToString::to_string).collect()
    }

    #[test]
    fn every_check_has_a_code_of_its_own_and_is_skipped_by_whoever_sees_nothing() {
        let codes: BTreeSet<&str> = CHECKS.iter().map(|check| check.code).collect();
        assert_eq!(codes.len(), CHECKS.len());
        let verdicts = verdicts(&nothing_seen(), SystemTime::UNIX_EPOCH);
        assert_eq!(verdicts.len(), CHECKS.len());
        for verdict in verdicts {
            assert_eq!(verdict.outcome, Outcome::Skipped, "{verdict}");
            assert_eq!(verdict.message, "you may not look");
        }
    }

    #[test]
    fn versions_of_the_api_server() {
        for (major, minor, git, expected) in [
            ("1", "28", "v1.28.0", "ok[api-server]: Kubernetes v1.28.0 answers"),
            (
                "1",
                "33+",
                "v1.33.1-gke.1",
                "ok[api-server]: Kubernetes v1.33.1-gke.1 answers",
            ),
            (
                "1",
                "27",
                "v1.27.9",
                "error[api-server]: the API server is Kubernetes v1.27.9, older than the oldest that is supported; use \
                 Kubernetes 1.28 or newer",
            ),
            ("2", "0", "v2.0.0", "ok[api-server]: Kubernetes v2.0.0 answers"),
            (
                "",
                "",
                "main",
                "warning[api-server]: Kubernetes main answers, of an unknown version",
            ),
        ] {
            let mut installation = nothing_seen();
            installation.version = Ok(Info {
                major: major.to_owned(),
                minor: minor.to_owned(),
                git_version: git.to_owned(),
                ..Info::default()
            });
            assert_eq!(told(&installation, "api-server"), [expected]);
        }
    }

    #[test]
    fn policies_with_problems() {
        let problem = |severity, path: &str| Problem {
            place: "ClusterInjectionPolicy central".to_owned(),
            finding: Finding {
                code: "unknown-plugin",
                severity,
                path: path.to_owned(),
                message: "unknown plugin `rapll`".to_owned(),
                mend: "did you mean `rapl`?".to_owned(),
            },
        };
        let mut installation = nothing_seen();
        installation.policies = Ok(vec![
            problem(Severity::Error, "spec.defaults.plugins.rapll"),
            problem(Severity::Warning, ""),
        ]);
        assert_eq!(
            told(&installation, "policies"),
            [
                "error[policies]: ClusterInjectionPolicy central: spec.defaults.plugins.rapll: unknown plugin `rapll`; did \
                 you mean `rapl`?",
                "warning[policies]: ClusterInjectionPolicy central: unknown plugin `rapll`; did you mean `rapl`?",
            ]
        );
        installation.policies = Ok(Vec::new());
        assert_eq!(
            told(&installation, "policies"),
            ["ok[policies]: every policy can be read"]
        );
    }
}
