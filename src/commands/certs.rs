//! `certs`: serving certificates for those who bring their own, and a look at any.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{
    exit::{Exit, Failure},
    io::{self, NewFile, Readers},
    now, print,
};
use crate::{
    certs::{
        Authority, Bundle, Details, Issued, Life, Pair, ServerNames, Trusted,
        held::{CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY},
        pem::{fingerprint, has_key},
    },
    cli::{Certs, CertsCommand, InspectCerts, IssueCerts, Output},
    text::printable,
};

const DAY: Duration = Duration::from_hours(24);

pub(super) fn run(args: Certs) -> Result<Exit, Failure> {
    match args.command {
        CertsCommand::Issue(args) => issue(args, now()),
        CertsCommand::Inspect(args) => inspect(&args, now()),
    }
}

fn issue(args: IssueCerts, now: SystemTime) -> Result<Exit, Failure> {
    let IssueCerts {
        out,
        service,
        namespace,
        names,
        days,
        with_ca_key,
        overwrite,
    } = args;
    let usage = |error: &dyn ToString| Failure::Usage(error.to_string());
    let mut all = Vec::new();
    if let (Some(service), Some(namespace)) = (service, namespace) {
        let of_service = ServerNames::of_service(&service, &namespace).map_err(|error| usage(&error))?;
        all.extend_from_slice(of_service.as_slice());
    }
    all.extend(names);
    let names = ServerNames::new(all).map_err(|error| usage(&error))?;

    let refused = |error: &dyn ToString| Failure::Refused(error.to_string());
    let lifetime = DAY * days;
    let authority = Authority::new(now, lifetime).map_err(|error| refused(&error))?;
    let Issued { certificate, key, .. } = authority
        .issue(&names, now, lifetime)
        .map_err(|error| refused(&error))?;
    let file = |name: &str, pem: String, readers| NewFile {
        path: out.join(name),
        bytes: pem.into_bytes(),
        readers,
    };
    let mut files = vec![
        file(CA_CERTIFICATE, authority.certificate_pem(), Readers::Any),
        file(CERTIFICATE, certificate, Readers::Any),
        file(KEY, key, Readers::Owner),
    ];
    if with_ca_key {
        files.push(file(CA_KEY, authority.key_pem(), Readers::Owner));
    }

    let is_there = |name: &&str| out.join(name).exists();
    let there = [CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY]
        .into_iter()
        .find(is_there);
    if let (Some(name), false) = (there, overwrite) {
        return Err(Failure::Refused(format!(
            "{} is there already; choose another directory, or say --overwrite",
            out.join(name).display()
        )));
    }
    io::make_directory(&out)?;
    io::replace_all(&files)?;
    if !with_ca_key {
        // The key of a CA that is gone; not before the new files are there.
        io::remove(&out.join(CA_KEY))?;
    }
    let mut text = String::new();
    for file in &files {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}", file.path.display());
    }
    let _ = writeln!(text, "for {}, {days} days", names.as_slice().join(", "));
    io::print_text(&text)?;
    Ok(Exit::Done)
}

/// What was found out about a file of certificates.
struct Inspection {
    bundle: Vec<Trusted>,
    /// Whether the key belongs to the first certificate, where there is one to ask about.
    key: Option<Result<(), String>>,
    /// Whether the CAs trust it, where some were given.
    trust: Option<Result<(), String>>,
}

fn inspect(args: &InspectCerts, now: SystemTime) -> Result<Exit, Failure> {
    let InspectCerts {
        file,
        key,
        ca,
        output,
    } = args;
    let chain = io::read(file)?;
    let refused = |path: &Path, error: &dyn ToString| {
        Failure::Refused(format!("{}: {}", path.display(), error.to_string()))
    };
    let bundle = Trusted::read_all(&chain).map_err(|error| refused(file, &error))?;
    let key = match key {
        Some(path) => Some(io::read(path)?),
        None => has_key(&chain).then(|| chain.clone()),
    };
    let trust = match ca {
        Some(path) => {
            let authorities = Bundle::read(&io::read(path)?).map_err(|error| refused(path, &error))?;
            let chain: Vec<_> = bundle.iter().map(|it| it.certificate().clone()).collect();
            Some(authorities.trusts(&chain, now).map_err(|error| error.to_string()))
        }
        None => None,
    };
    let fits = |key: Vec<u8>| {
        Pair::read(&chain, &key)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let inspection = Inspection {
        key: key.map(fits),
        bundle,
        trust,
    };
    io::print_text(&match output {
        Output::Text => inspection.text(now),
        Output::Json => print::pretty(&inspection.json(now)),
    })?;
    Ok(if inspection.is_good(now) {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Where in its life a certificate is, in words.
fn state(life: Life) -> &'static str {
    match life {
        Life::NotYet => "not valid yet",
        Life::Valid => "valid",
        Life::Expired => "expired",
    }
}

fn days_left(details: &Details, now: SystemTime) -> u64 {
    let left = details.not_after.duration_since(now).unwrap_or_default();
    left.as_secs() / DAY.as_secs()
}

/// A moment as RFC 3339 writes it.
fn written(moment: SystemTime) -> String {
    humantime::format_rfc3339_seconds(moment.max(SystemTime::UNIX_EPOCH)).to_string()
}

impl Inspection {
    fn is_good(&self, now: SystemTime) -> bool {
        let all_valid = self.bundle.iter().all(|it| it.details().life(now) == Life::Valid);
        all_valid && [&self.key, &self.trust].into_iter().flatten().all(Result::is_ok)
    }

    fn text(&self, now: SystemTime) -> String {
        let mut text = String::new();
        for (at, certificate) in self.bundle.iter().enumerate() {
            let details = certificate.details();
            let kind = if details.is_authority {
                "CA certificate"
            } else {
                "certificate"
            };
            let state = match details.life(now) {
                Life::Valid => format!("{} days left", days_left(details, now)),
                life => state(life).to_owned(),
            };
            let names = match details.names.as_slice() {
                [] => "none".to_owned(),
                names => printable(&names.join(", ")),
            };
            let (subject, issuer) = (printable(&details.subject), printable(&details.issuer));
            let (from, until) = (written(details.not_before), written(details.not_after));
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{kind} {}: {}", at + 1, subject);
            let _ = writeln!(text, "  issuer       {issuer}");
            let _ = writeln!(text, "  names        {names}");
            let _ = writeln!(text, "  validity     {from} to {until}: {state}");
            let _ = writeln!(text, "  fingerprint  {}", fingerprint(certificate.certificate()));
        }
        for (what, answer, good) in [
            ("key", &self.key, "belongs to certificate 1"),
            ("CA", &self.trust, "trusts certificate 1"),
        ] {
            let answer = match answer {
                None => "not given",
                Some(Ok(())) => good,
                Some(Err(error)) => error,
            };
            let _ = writeln!(text, "{what}: {answer}");
        }
        text
    }

    fn json(&self, now: SystemTime) -> Value {
        let certificate = |certificate: &Trusted| {
            let details = certificate.details();
            json!({
                "subject": details.subject,
                "issuer": details.issuer,
                "names": details.names,
                "isAuthority": details.is_authority,
                "notBefore": written(details.not_before),
                "notAfter": written(details.not_after),
                "state": state(details.life(now)),
                "daysLeft": days_left(details, now),
                "fingerprint": fingerprint(certificate.certificate()),
            })
        };
        let answer = |answer: &Option<Result<(), String>>| match answer {
            None => Value::Null,
            Some(Ok(())) => json!({"good": true, "problem": null}),
            Some(Err(problem)) => json!({"good": false, "problem": problem}),
        };
        json!({
            "good": self.is_good(now),
            "certificates": self.bundle.iter().map(certificate).collect::<Vec<_>>(),
            "key": answer(&self.key),
            "ca": answer(&self.trust),
        })
    }
}
