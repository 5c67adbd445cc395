//! What TLS is spoken with: certificates, authorities, versions. RFC 3261 §26.2, RFC 5922, RFC 8446.
//!
//! Made of the configuration and replaced whole at a reload. A connection keeps what it began with.

use dialplane_core::config::{Config, ConfigError, listen_address};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    ServerConfig, ServerConnection, SignatureScheme, SupportedProtocolVersion, version,
};
use std::sync::Arc;
use webpki::EndEntityCert;

/// Versions of TLS, by the oldest one allowed.
const FROM_1_2: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const FROM_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// By index of the listener.
    servers: Vec<Option<Arc<ServerConfig>>>,
    client: Option<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// Every file that cannot be used, and every listener that lacks one.
    pub fn load(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut keys = Vec::new();
        let provider = Arc::new(ring::default_provider());
        for (index, certificate) in config.certificate.iter().enumerate() {
            match certified_key(index, &certificate.chain, &certificate.key, &provider) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(error) => errors.push(error),
            }
        }
        let versions = if config.tls.oldest == "1.3" { FROM_1_3 } else { FROM_1_2 };
        // RFC 5922 §7.3, RFC 5923 §9.2: who is asked for a certificate shows the one he has.
        let own = keys.first().filter(|_| config.tls.present).cloned();
        let resolver = Arc::new(ByName { keys });
        let mut tls = Self::default();
        for (index, entry) in config.listen.iter().enumerate() {
            let secure = listen_address(&entry.address).is_ok_and(|address| address.transport.is_secure());
            if secure && config.certificate.is_empty() {
                let problem = format!("{} needs a [[certificate]]", entry.address);
                errors.push(ConfigError::new(format!("listen[{index}].address"), problem));
            } else if secure {
                let authorities = entry.client_authorities.as_deref();
                match server(index, authorities, versions, &provider, &resolver) {
                    Ok(server) => tls.servers.push(Some(Arc::new(server))),
                    Err(error) => errors.push(error),
                }
                continue;
            } else if entry.client_authorities.is_some() {
                let path = format!("listen[{index}].client_authorities");
                errors.push(ConfigError::new(path, "only tls and wss ask for a certificate"));
            }
            tls.servers.push(None);
        }
        // Without a listener for TLS nothing is sent over it either (RFC 3261 §18.1.1: the Via must name one).
        if tls.servers.iter().any(Option::is_some) {
            match client(config, versions, &provider, own) {
                Ok(client) => tls.client = Some(Arc::new(client)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(tls) } else { Err(errors) }
    }

    /// Our side of a connection that this listener accepted.
    #[must_use]
    pub fn accept(&self, listener: usize) -> Option<rustls::Connection> {
        let config = self.servers.get(listener)?.clone()?;
        ServerConnection::new(config).ok().map(rustls::Connection::Server)
    }

    /// Our side of a connection to a host that must show a certificate for `name`.
    #[must_use]
    pub fn connect(&self, name: ServerName<'static>) -> Option<rustls::Connection> {
        ClientConnection::new(self.client.clone()?, name).ok().map(rustls::Connection::Client)
    }
}

/// Chooses by the name that the client asks for.
#[derive(Debug)]
struct ByName {
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let has = |key: &&Arc<CertifiedKey>| {
            let (Some(wanted), Some(leaf)) = (&wanted, key.cert.first()) else { return false };
            EndEntityCert::try_from(leaf).is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(wanted).is_ok())
        };
        self.keys.iter().find(has).or(self.keys.first()).cloned()
    }
}

fn certified_key(index: usize, chain: &str, key: &str, provider: &CryptoProvider) -> Result<CertifiedKey, ConfigError> {
    let certificates = certificates(chain, format!("certificate[{index}].chain"))?;
    let wrong = |what: String| ConfigError::new(format!("certificate[{index}].key"), format!("{key}: {what}"));
    let der = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(words(&error, "private key")))?;
    let certified = CertifiedKey::from_der(certificates, der, provider);
    certified.map_err(|error| wrong(format!("it does not fit the certificate in {chain}: {error}")))
}

/// The certificates of a PEM file, at least one.
fn certificates(file: &str, path: String) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(ConfigError::new(path, format!("{file}: there is no certificate in it"))),
        Ok(found) => Ok(found),
        Err(error) => Err(ConfigError::new(path, format!("{file}: {}", words(&error, "certificate")))),
    }
}

fn words(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        other => format!("not PEM: {other}"),
    }
}

fn authorities(file: &str, path: &str) -> Result<Arc<RootCertStore>, ConfigError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file, path.to_owned())? {
        store.add(certificate).map_err(|error| ConfigError::new(path, format!("{file}: {error}")))?;
    }
    Ok(Arc::new(store))
}

fn server(
    index: usize,
    client_authorities: Option<&str>,
    versions: &[&'static SupportedProtocolVersion],
    provider: &Arc<CryptoProvider>,
    resolver: &Arc<ByName>,
) -> Result<ServerConfig, ConfigError> {
    let path = format!("listen[{index}].client_authorities");
    let refused = |error: &dyn std::fmt::Display| ConfigError::new(path.clone(), error.to_string());
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| refused(&error))?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = authorities(file, &path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            builder.with_client_cert_verifier(verifier.build().map_err(|error| refused(&error))?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::clone(resolver) as Arc<dyn ResolvesServerCert>);
    // A ticket is worth a handshake; a second one is only for clients that connect twice at once.
    config.send_tls13_tickets = 1;
    config.ticketer = ring::Ticketer::new().map_err(|error| refused(&error))?;
    Ok(config)
}

fn client(
    config: &Config,
    versions: &[&'static SupportedProtocolVersion],
    provider: &Arc<CryptoProvider>,
    own: Option<Arc<CertifiedKey>>,
) -> Result<ClientConfig, ConfigError> {
    const PATH: &str = "tls.authorities";
    let refused = |error: &dyn std::fmt::Display| ConfigError::new(PATH, error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| refused(&error))?;
    let without_asking = |trusted| {
        let verifier = Arc::new(WithoutAsking { provider: Arc::clone(provider), trusted });
        builder.clone().dangerous().with_custom_certificate_verifier(verifier)
    };
    let with_own = |builder: ConfigBuilder<ClientConfig, WantsClientCert>| match own {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    if !config.tls.verify {
        return Ok(with_own(without_asking(true)));
    }
    let roots = match &config.tls.authorities {
        Some(file) => authorities(file, PATH)?,
        None => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(store)
        }
    };
    if roots.is_empty() {
        return Ok(with_own(without_asking(false)));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
    let verifier = verifier.map_err(|error| refused(&error))?;
    Ok(with_own(builder.with_webpki_verifier(verifier)))
}

/// Takes every certificate (`tls.verify = false`), or none: on a machine without authorities nobody can be known.
#[derive(Debug)]
struct WithoutAsking {
    provider: Arc<CryptoProvider>,
    trusted: bool,
}

impl ServerCertVerifier for WithoutAsking {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trusted {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
