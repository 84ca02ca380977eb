//! Where to look for wheels: the usual index settings, resolved without touching the process's environment.

use super::address::{Address, AddressError};
use super::pip_config;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The public index, used where nothing else is set.
pub const DEFAULT_INDEX: &str = "https://pypi.org/simple";

/// Where and how to look for wheels.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexSettings {
    /// Indexes to ask in this order (simple repository API).
    pub indexes: Vec<Address>,
    /// Pages with links, and folders, that are asked before the indexes.
    pub find_links: Vec<FindLinks>,
    /// Hosts (`host` or `host:port`) that may be asked without a valid certificate or without https.
    pub trusted_hosts: Vec<String>,
    /// Certificates (PEM) to trust instead of the platform's.
    pub certificates: Option<PathBuf>,
    /// Proxy for https addresses, and for http ones.
    pub proxies: Proxies,
    /// How long to wait for a connection or for the next bytes.
    pub timeout: Duration,
    /// Python interpreter whose `pip download` is tried when nothing else worked; `None` switches that off.
    pub python: Option<String>,
}

/// Proxies by scheme.
#[derive(Clone, Default, PartialEq)]
pub struct Proxies {
    /// For https addresses.
    pub https: Option<String>,
    /// For http addresses.
    pub http: Option<String>,
    /// Hosts and domain endings that are asked directly; `*` for all.
    pub exceptions: Vec<String>,
}

impl std::fmt::Debug for Proxies {
    /// Proxy addresses may hold passwords, so only their presence is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |p: &Option<String>| p.as_deref().map(super::address::without_credentials);
        let mut text = f.debug_struct("Proxies");
        text.field("https", &shown(&self.https)).field("http", &shown(&self.http));
        text.field("exceptions", &self.exceptions).finish()
    }
}

impl Proxies {
    /// The proxy for an address, `None` for a direct connection.
    pub fn for_address(&self, address: &Address) -> Option<&str> {
        let host = address.host();
        let excepted = self.exceptions.iter().any(|e| {
            let e = e.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
            let name =
                e.rsplit_once(':').filter(|(_, p)| p.parse() == Ok(address.port())).map_or(e.as_str(), |(n, _)| n);
            e == "*"
                || host == name
                || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.') && !name.is_empty())
        });
        let proxy = if address.is_secure() { &self.https } else { &self.http };
        proxy.as_deref().filter(|_| !excepted && !address.is_loopback())
    }
}

/// A place given to `--find-links`.
#[derive(Clone, Debug, PartialEq)]
pub enum FindLinks {
    /// A page with links.
    Page(Address),
    /// A folder of files.
    Folder(PathBuf),
}

/// Why index settings were refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SettingsError {
    /// An address that is none.
    #[error("the index setting {setting}: {error}")]
    Address {
        /// Which setting.
        setting: &'static str,
        /// Why.
        error: AddressError,
    },
    /// A time that is none.
    #[error("the index setting timeout is {0:?}; accepted are seconds above 0")]
    Timeout(String),
}

impl IndexSettings {
    /// Resolves the settings as pip does: its configuration files, then the `PIP_…` variables, then the usual
    /// proxy and certificate variables. `env` reads a variable and `read_file` a text file (`None` where it is
    /// not there); the program passes the real ones.
    pub fn resolve(
        env: impl Fn(&str) -> Option<String>,
        read_file: impl Fn(&Path) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let pip = pip_config::load(&env, &read_file);
        let set = |name: &str| env(name).filter(|v| !v.trim().is_empty());
        let words =
            |key: &str| pip.get(key).map(|v| v.split_whitespace().map(str::to_string).collect()).unwrap_or_default();
        let no_index = pip.get("no-index").is_some_and(|v| is_true(v));
        let mut indexes = Vec::new();
        if !no_index {
            let first = pip.get("index-url").map_or(DEFAULT_INDEX, |v| v.trim());
            indexes.push(address("index-url", first)?);
            let extra: Vec<String> = words("extra-index-url");
            for text in extra {
                indexes.push(address("extra-index-url", &text)?);
            }
        }
        let links: Vec<String> = words("find-links");
        let find_links = links.iter().map(|text| find_links(text)).collect::<Result<_, _>>()?;
        let certificates =
            pip.get("cert").cloned().or_else(|| set("REQUESTS_CA_BUNDLE")).or_else(|| set("CURL_CA_BUNDLE"));
        Ok(Self {
            indexes,
            find_links,
            trusted_hosts: words("trusted-host"),
            certificates: certificates.map(PathBuf::from),
            proxies: proxies(pip.get("proxy").cloned(), &set),
            timeout: timeout(pip.get("timeout").or_else(|| pip.get("default-timeout")))?,
            python: Some("python3".to_string()),
        })
    }

    /// Whether a host may be asked without https or a valid certificate.
    pub fn trusts(&self, address: &Address) -> bool {
        let (host, with_port) = (address.host(), format!("{}:{}", address.host(), address.port()));
        self.trusted_hosts.iter().any(|t| t.eq_ignore_ascii_case(&host) || t.eq_ignore_ascii_case(&with_port))
    }
}

fn address(setting: &'static str, text: &str) -> Result<Address, SettingsError> {
    Address::parse(text).map_err(|error| SettingsError::Address { setting, error })
}

fn find_links(text: &str) -> Result<FindLinks, SettingsError> {
    if let Some(path) = text.strip_prefix("file://") {
        return Ok(FindLinks::Folder(path.into()));
    }
    if text.contains("://") {
        address("find-links", text).map(FindLinks::Page)
    } else {
        Ok(FindLinks::Folder(text.into()))
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "y" | "on" | "t")
}

fn timeout(text: Option<&String>) -> Result<Duration, SettingsError> {
    let Some(text) = text else { return Ok(Duration::from_secs(15)) };
    let seconds: Option<f64> = text.trim().parse().ok().filter(|s| *s > 0.0 && *s < 1e6);
    seconds.map(Duration::from_secs_f64).ok_or_else(|| SettingsError::Timeout(text.clone()))
}

fn proxies(pip: Option<String>, set: &impl Fn(&str) -> Option<String>) -> Proxies {
    let any = |names: &[&str]| names.iter().find_map(|name| set(name));
    let exceptions = any(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    Proxies {
        https: pip.clone().or_else(|| any(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])),
        // The upper-case form of http_proxy can be set by a web client of a CGI script, hence it is not read.
        http: pip.or_else(|| any(&["http_proxy", "all_proxy", "ALL_PROXY"])),
        exceptions: exceptions.split(',').map(str::trim).filter(|e| !e.is_empty()).map(str::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(env: &[(&str, &str)], files: &[(&str, &str)]) -> Result<IndexSettings, SettingsError> {
        let find = |of: &[(&str, &str)], name: &str| of.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
        IndexSettings::resolve(|name| find(env, name), |path| find(files, path.to_str()?))
    }

    #[test]
    fn nothing_set_means_the_public_index() {
        let settings = resolved(&[], &[]).unwrap();
        assert_eq!(settings.indexes, [Address::parse(DEFAULT_INDEX).unwrap()]);
        assert!(settings.find_links.is_empty() && settings.certificates.is_none());
    }

    #[test]
    fn files_and_variables_meet() {
        let file = (
            "/h/.config/pip/pip.conf",
            "[global]\nindex-url = https://u:pw@a.example/simple\ntrusted-host = b.example:8080\n",
        );
        let env = [
            ("HOME", "/h"),
            ("PIP_EXTRA_INDEX_URL", "http://b.example:8080/s https://c.example/s"),
            ("PIP_FIND_LINKS", "/opt/wheels https://d.example/links.html file:///srv"),
            ("PIP_CERT", "/ca.pem"),
            ("PIP_TIMEOUT", "3"),
            ("https_proxy", "http://p:q@proxy:3128"),
            ("NO_PROXY", "c.example, .d.example"),
        ];
        let s = resolved(&env, &[file]).unwrap();
        let shown: Vec<String> = s.indexes.iter().map(Address::to_string).collect();
        assert_eq!(shown, ["https://a.example/simple", "http://b.example:8080/s", "https://c.example/s"]);
        assert!(s.trusts(&s.indexes[1]) && !s.trusts(&s.indexes[0]));
        assert_eq!(s.find_links.len(), 3);
        assert_eq!((s.certificates, s.timeout), (Some("/ca.pem".into()), Duration::from_secs(3)));
        let to = |text: &str| s.proxies.for_address(&Address::parse(text).unwrap()).is_some();
        assert!(to("https://a.example/") && !to("https://c.example/") && !to("https://x.d.example/"));
        assert!(!to("http://a.example/") && !to("https://127.0.0.1/") && to("https://notc.example/"));
        let printed = format!("{:?}", (&s.indexes, &s.proxies));
        assert!(!printed.contains("pw") && !printed.contains(":q@"), "{printed}");
    }

    #[test]
    fn mistakes_are_told_without_the_password() {
        let error = resolved(&[("PIP_INDEX_URL", "ftp://u:hidden@a/")], &[]).unwrap_err().to_string();
        assert!(error.contains("index-url") && !error.contains("hidden"), "{error}");
        assert!(matches!(resolved(&[("PIP_DEFAULT_TIMEOUT", "soon")], &[]), Err(SettingsError::Timeout(_))));
        assert!(resolved(&[("PIP_NO_INDEX", "true")], &[]).unwrap().indexes.is_empty());
    }
}
