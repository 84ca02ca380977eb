//! A project's page on an index: HTML (PEP 503) or JSON (PEP 691), and the link to one file on it.

use super::address::Address;
use serde::Deserialize;

/// What to accept, best first (PEP 691).
pub const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// A link to the wanted file.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Where the file lies.
    pub address: Address,
    /// Hash that the page states, lower-case hexadecimal.
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
struct JsonPage {
    files: Vec<JsonFile>,
}

#[derive(Deserialize)]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
}

/// The link to `file` on a page at `address`. `content_type` decides how it is read; `None` where the page does
/// not have the file or cannot be read.
pub fn find(page: &str, content_type: &str, address: &Address, file: &str) -> Option<Link> {
    if content_type.contains("json") { find_json(page, address, file) } else { find_html(page, address, file) }
}

fn find_json(page: &str, address: &Address, file: &str) -> Option<Link> {
    let page: JsonPage = serde_json::from_str(page).ok()?;
    let found = page.files.into_iter().find(|f| f.filename == file)?;
    let sha256 = found.hashes.get("sha256").map(|h| h.to_ascii_lowercase());
    Some(Link { address: address.join(&found.url).ok()?, sha256 })
}

fn find_html(page: &str, address: &Address, file: &str) -> Option<Link> {
    let base = tags(page, "base").find_map(|tag| address.join(&attribute(tag, "href")?).ok());
    let base = base.as_ref().unwrap_or(address);
    tags(page, "a").find_map(|tag| {
        let target = base.join(&attribute(tag, "href")?).ok()?;
        let sha256 = target.fragment().and_then(|f| f.strip_prefix("sha256=")).map(|h| h.to_ascii_lowercase());
        (target.file_name() == file).then_some(Link { address: target, sha256 })
    })
}

/// The insides of all start tags of a name: what stands between `<name` and `>`.
fn tags<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    page.split('<').skip(1).filter_map(move |piece| {
        let inside = piece.get(..name.len()).filter(|n| n.eq_ignore_ascii_case(name)).and(piece.get(name.len()..))?;
        if !inside.starts_with(|c: char| c.is_ascii_whitespace()) {
            return None;
        }
        Some(&inside[..end_of_tag(inside)])
    })
}

/// Where the tag's `>` stands outside quotes.
fn end_of_tag(inside: &str) -> usize {
    let mut quote = None;
    for (n, c) in inside.char_indices() {
        match (quote, c) {
            (None, '>') => return n,
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    inside.len()
}

/// Value of an attribute, character references of the address kind resolved.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let key = &rest[..end];
        rest = rest[end..].trim_start();
        let Some(after) = rest.strip_prefix('=') else {
            if key.is_empty() {
                return None;
            }
            continue;
        };
        let after = after.trim_start();
        let (value, next) = match after.chars().next() {
            Some(q @ ('"' | '\'')) => after[1..].split_once(q)?,
            _ => after.split_at(after.find(|c: char| c.is_ascii_whitespace()).unwrap_or(after.len())),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(unescape(value));
        }
        rest = next.trim_start();
    }
    None
}

fn unescape(text: &str) -> String {
    [("&#43;", "+"), ("&#x2B;", "+"), ("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .iter()
        .fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn html_links_are_found_and_resolved() {
        let page = r#"<!DOCTYPE html><html><body><h1>Links</h1><abbr href="no"></abbr>
            <a href="../../files/p-1.0.whl#sha256=AB12" data-requires-python="&gt;=3.8">p-1.0.whl</a>
            <A class='x>y' HREF = 'https://f.example/x?a=1&amp;b=2/p-2.0.whl'>p</A>
            <a rel=internal href=p-3.0.whl>p-3.0.whl</a><a name="n">n</a><a"#;
        let index = at("https://i.example/simple/p/");
        let link = find(page, "text/html; charset=utf-8", &index, "p-1.0.whl").unwrap();
        assert_eq!(
            (link.address.to_string().as_str(), link.sha256.as_deref()),
            ("https://i.example/files/p-1.0.whl", Some("ab12"))
        );
        let bare = find(page, "text/html", &index, "p-3.0.whl").unwrap();
        assert_eq!((bare.address.to_string().as_str(), bare.sha256), ("https://i.example/simple/p/p-3.0.whl", None));
        assert_eq!(find(page, "text/html", &index, "p-4.0.whl"), None);
    }

    #[test]
    fn a_base_moves_relative_links() {
        let page = "<base href='https://b.example/x/'><a href='p.whl'>p</a>";
        let link = find(page, "text/html", &at("https://i.example/simple/p/"), "p.whl").unwrap();
        assert_eq!(link.address.to_string(), "https://b.example/x/p.whl");
    }

    #[test]
    fn json_pages_are_read() {
        let page = r#"{"meta":{"api-version":"1.1"},"name":"p","files":[
            {"filename":"p-0.9.whl","url":"x"},
            {"filename":"p-1.0.whl","url":"/f/p-1.0.whl","hashes":{"sha256":"AA"},"yanked":false}]}"#;
        let index = at("https://u:pw@i.example/simple/p/");
        let link = find(page, "application/vnd.pypi.simple.v1+json", &index, "p-1.0.whl").unwrap();
        assert_eq!(
            (link.address.to_string().as_str(), link.sha256.as_deref()),
            ("https://i.example/f/p-1.0.whl", Some("aa"))
        );
        assert_eq!(find("not json", "application/json", &index, "p"), None);
    }
}
