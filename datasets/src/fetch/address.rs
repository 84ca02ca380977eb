//! Addresses of an index: without credentials in the text that is printed, with them beside it.

use fluent_uri::{Uri, UriRef};
use std::fmt;
use thiserror::Error;

/// An `http` or `https` address. Credentials given in it (`https://user:password@host/…`) are kept apart and
/// appear in no message.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    uri: Uri<String>,
    credentials: Option<Credentials>,
}

/// User and password of an address, percent-decoded. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub user: String,
    pub password: String,
}

/// Why an address was refused. The text is given without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{address:?} is not an address; accepted are http:// and https:// addresses")]
pub struct AddressError {
    /// What was found.
    pub address: String,
}

/// Splits `scheme://user:password@host/…` into the address without credentials, and the credentials.
fn split_credentials(text: &str) -> (String, Option<Credentials>) {
    let Some(start) = text.find("//").map(|n| n + 2) else { return (text.to_string(), None) };
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |n| start + n);
    let Some(at) = text[start..end].rfind('@').map(|n| start + n) else { return (text.to_string(), None) };
    let (user, password) = text[start..at].split_once(':').unwrap_or((&text[start..at], ""));
    let decode = |t: &str| percent_encoding::percent_decode_str(t).decode_utf8_lossy().into_owned();
    let credentials = Credentials { user: decode(user), password: decode(password) };
    (format!("{}{}", &text[..start], &text[at + 1..]), Some(credentials))
}

/// A text with any credentials of an address in it left out, for messages.
pub(super) fn without_credentials(text: &str) -> String {
    split_credentials(text).0
}

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (bare, credentials) = split_credentials(text.trim());
        let refused = || AddressError { address: bare.clone() };
        let uri = Uri::parse(bare.clone()).map_err(|_| refused())?;
        let scheme = uri.scheme().as_str();
        let host = uri.authority().map_or("", |a| a.host());
        if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) || host.is_empty() {
            return Err(refused());
        }
        Ok(Self(Box::new(Parts { uri, credentials })))
    }

    /// The address that a link on this page means. Credentials carry over to the same origin only.
    pub fn join(&self, link: &str) -> Result<Self, AddressError> {
        let (bare, credentials) = split_credentials(link.trim());
        let refused = || AddressError { address: bare.clone() };
        let reference = UriRef::parse(bare.as_str()).map_err(|_| refused())?;
        // A base must have no fragment.
        let mut base = self.0.uri.clone();
        base.set_fragment(None);
        let absolute = reference.resolve_against(&base).map_err(|_| refused())?;
        let mut joined = Self::parse(absolute.as_str())?;
        joined.0.credentials =
            credentials.or_else(|| self.0.credentials.clone().filter(|_| self.origin() == joined.origin()));
        Ok(joined)
    }

    /// This address with another as its folder's last step, ending in a slash: `base/name/`.
    pub(super) fn child(&self, name: &str) -> Result<Self, AddressError> {
        let text = self.0.uri.as_str();
        let path = text.split(['?', '#']).next().unwrap_or(text).trim_end_matches('/');
        let mut child = Self::parse(&format!("{path}/{name}/"))?;
        child.0.credentials = self.0.credentials.clone();
        Ok(child)
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.0.uri.scheme().as_str().eq_ignore_ascii_case("https")
    }

    /// Host, lower-case.
    pub fn host(&self) -> String {
        self.0.uri.authority().map_or("", |a| a.host()).trim_matches(['[', ']']).to_ascii_lowercase()
    }

    /// Port, the scheme's own where none is given.
    pub fn port(&self) -> u16 {
        let given = self.0.uri.authority().and_then(|a| a.port_to_u16().ok().flatten());
        given.unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    fn origin(&self) -> (bool, String, u16) {
        (self.is_secure(), self.host(), self.port())
    }

    /// Whether the host is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.0.credentials.as_ref()
    }

    /// The text to request: no credentials, no fragment.
    pub(super) fn request_text(&self) -> &str {
        self.0.uri.as_str().split('#').next().unwrap_or("")
    }

    /// The fragment, such as `sha256=…`.
    pub(super) fn fragment(&self) -> Option<&str> {
        self.0.uri.fragment().map(|f| f.as_str())
    }

    /// The last step of the path, percent-decoded.
    pub(super) fn file_name(&self) -> String {
        let last = self.0.uri.path().as_str().rsplit('/').next().unwrap_or("");
        percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.request_text())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_but_never_shown() {
        let a = Address::parse("https://me:s3cr%40t@host.example:8443/simple?x=1#frag").unwrap();
        assert_eq!(a.to_string(), "https://host.example:8443/simple?x=1");
        assert!(!format!("{a:?}").contains("s3cr"));
        let c = a.credentials().unwrap();
        assert_eq!((c.user.as_str(), c.password.as_str()), ("me", "s3cr@t"));
        let error = Address::parse("ftp://me:s3cret@host/").unwrap_err().to_string();
        assert!(!error.contains("s3cret") && error.contains("ftp://host/"), "{error}");
    }

    #[test]
    fn links_resolve_and_credentials_stay_with_their_origin() {
        let page = Address::parse("https://me:pw@index.example/simple/proj/").unwrap();
        let same = page.join("../../files/a%2B.whl#sha256=00").unwrap();
        assert_eq!(same.to_string(), "https://index.example/files/a%2B.whl");
        assert_eq!((same.file_name().as_str(), same.fragment()), ("a+.whl", Some("sha256=00")));
        assert!(same.credentials().is_some());
        assert!(page.join("https://files.example/a.whl").unwrap().credentials().is_none());
        assert!(page.join("http://index.example/a.whl").unwrap().credentials().is_none());
        assert!(page.join("//index.example:444/a.whl").unwrap().credentials().is_none());
        assert!(page.join("file:///etc/passwd").is_err() && page.join("a b").is_err());
    }

    #[test]
    fn children_hosts_and_ports() {
        let a = Address::parse("http://LOCALHOST:81/simple").unwrap();
        assert_eq!(a.child("p").unwrap().to_string(), "http://LOCALHOST:81/simple/p/");
        assert!(a.is_loopback() && !a.is_secure() && a.port() == 81);
        assert!(Address::parse("http://[::1]/").unwrap().is_loopback());
        assert_eq!(Address::parse("https://x/").unwrap().port(), 443);
    }
}
