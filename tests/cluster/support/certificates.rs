//! The certificates of one control plane.

use std::{
    fs,
    io::{self, Write},
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};

/// Who talks to the API server: the file, the user (CN) and the group (O).
const CLIENTS: [(&str, &str, Option<&str>); 4] = [
    ("admin", "admin", Some("system:masters")),
    ("kwok", "kwok", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
];

/// Files `ca.crt`, `apiserver.{crt,key}`, `sa.{pub,key}` and a pair `NAME.{crt,key}` for each client, in one folder.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// `kubernetes` is the address of the Service of that name.
    pub(crate) fn write(folder: &Path, kubernetes: Ipv4Addr) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        for (name, pem) in files(kubernetes).map_err(io::Error::other)? {
            private(&folder.join(name), &pem)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}

/// Makes a file that its owner alone can read.
pub(crate) fn private(file: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}

/// Names and contents.
fn files(kubernetes: Ipv4Addr) -> Result<Vec<(String, String)>, rcgen::Error> {
    let authority = authority()?;
    let mut files = vec![("ca.crt".to_owned(), authority.pem())];

    let accounts = KeyPair::generate()?;
    files.push(("sa.key".to_owned(), accounts.serialize_pem()));
    files.push(("sa.pub".to_owned(), accounts.public_key_pem()));

    let mut serving = CertificateParams::new(vec![
        Ipv4Addr::LOCALHOST.to_string(),
        kubernetes.to_string(),
        "localhost".to_owned(),
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        "kubernetes.default.svc".to_owned(),
    ])?;
    serving.distinguished_name = subject("kube-apiserver", None);
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    files.extend(issue(&authority, "apiserver", serving)?);

    for (file, user, group) in CLIENTS {
        let mut client = CertificateParams::default();
        client.distinguished_name = subject(user, group);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        files.extend(issue(&authority, file, client)?);
    }
    Ok(files)
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("test-ca", None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    mut params: CertificateParams,
) -> Result<[(String, String); 2], rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok([
        (format!("{name}.crt"), certificate.pem()),
        (format!("{name}.key"), key.serialize_pem()),
    ])
}

fn subject(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject
}
