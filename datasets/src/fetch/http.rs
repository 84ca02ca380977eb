//! Requests under the index settings: credentials to their own origin only, https unless the host is trusted,
//! proxies and certificates as set, redirects followed one by one under the same rules.

use super::address::Address;
use super::settings::IndexSettings;
use base64::Engine;
use std::sync::Arc;
use thiserror::Error;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 8;
/// Largest index page, bytes.
const MAX_PAGE: u64 = 1 << 26;

/// Why a request failed. Messages hold no credentials.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Plain http to a host that is not trusted.
    #[error("{0} is not https; name its host in trusted-host to allow it")]
    Insecure(Address),
    /// The server answered with an error.
    #[error("{address} answered {status}{hint}", hint = if *status == 401 || *status == 403 { " (are the index's user and password set?)" } else { "" })]
    Status {
        /// What was asked for.
        address: Address,
        /// HTTP status.
        status: u16,
    },
    /// Too many redirects.
    #[error("{0} redirects more than {MAX_REDIRECTS} times")]
    Redirects(Address),
    /// A redirect without a usable target.
    #[error("{0} redirects to no usable address")]
    BadRedirect(Address),
    /// The certificates to trust could not be read.
    #[error("the certificate file {path} cannot be used: {reason}")]
    Certificates {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The proxy's address is not one.
    #[error("the proxy for {0} is not an address of the form http://host:port")]
    Proxy(Address),
    /// No connection, a broken connection, a certificate that is not trusted.
    #[error("{address}: {reason}")]
    Transport {
        /// What was asked for.
        address: Address,
        /// What the connection says.
        reason: String,
    },
}

/// An answer, and where it finally came from.
pub struct Answer {
    /// Address after redirects.
    pub address: Address,
    /// Status, headers and body.
    pub response: Response<Body>,
}

impl Answer {
    /// A header as text, empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}

/// Asks for an address. Statuses 200 and 206 are answers (and 416 if a range was asked for), all else is an error.
pub fn get(settings: &IndexSettings, address: &Address, headers: &[(&str, String)]) -> Result<Answer, HttpError> {
    let mut at = address.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = get_once(settings, &at, headers)?;
        let status = response.status().as_u16();
        match status {
            200 | 206 => return Ok(Answer { address: at, response }),
            416 if headers.iter().any(|(name, _)| *name == "range") => return Ok(Answer { address: at, response }),
            301 | 302 | 303 | 307 | 308 => {
                let target = response.headers().get("location").and_then(|v| v.to_str().ok());
                at = target.and_then(|t| at.join(t).ok()).ok_or_else(|| HttpError::BadRedirect(at.clone()))?;
            }
            status => return Err(HttpError::Status { address: at, status }),
        }
    }
    Err(HttpError::Redirects(address.clone()))
}

/// Asks for an index page; gives its address, content type and text.
pub fn get_page(
    settings: &IndexSettings,
    address: &Address,
    accept: &str,
) -> Result<(Address, String, String), HttpError> {
    let mut answer = get(settings, address, &[("accept", accept.to_string())])?;
    let content_type = answer.header("content-type").to_string();
    let text = answer.response.body_mut().with_config().limit(MAX_PAGE).lossy_utf8(true).read_to_string();
    let text = text.map_err(|e| HttpError::Transport { address: answer.address.clone(), reason: e.to_string() })?;
    Ok((answer.address, content_type, text))
}

fn get_once(
    settings: &IndexSettings,
    address: &Address,
    headers: &[(&str, String)],
) -> Result<Response<Body>, HttpError> {
    if !address.is_secure() && !address.is_loopback() && !settings.trusts(address) {
        return Err(HttpError::Insecure(address.clone()));
    }
    let mut request = agent(settings, address)?.get(address.request_text());
    if let Some(c) = address.credentials() {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", c.user, c.password));
        request = request.header("authorization", format!("Basic {pair}"));
    }
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.call().map_err(|e| HttpError::Transport { address: address.clone(), reason: e.to_string() })
}

/// An agent for one host: its proxy, its trust, no redirects of its own.
fn agent(settings: &IndexSettings, address: &Address) -> Result<Agent, HttpError> {
    let proxy = match settings.proxies.for_address(address) {
        Some(text) => Some(Proxy::new(text).map_err(|_| HttpError::Proxy(address.clone()))?),
        None => None,
    };
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(if address.is_secure() { root_certificates(settings)? } else { RootCerts::PlatformVerifier })
        .disable_verification(settings.trusts(address))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("regiscope/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_connect(Some(settings.timeout))
        .timeout_recv_response(Some(settings.timeout))
        .timeout_per_read(Some(settings.timeout))
        .build();
    Ok(config.new_agent())
}

fn root_certificates(settings: &IndexSettings) -> Result<RootCerts, HttpError> {
    let Some(path) = &settings.certificates else { return Ok(RootCerts::PlatformVerifier) };
    let failed = |reason: String| HttpError::Certificates { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| failed(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(failed("it holds no PEM certificate".to_string()));
    }
    Ok(RootCerts::from(certificates))
}
