//! pip's configuration files: where they lie and how they are read (ini files, as pip documents them).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings by key, as pip spells them (`index-url`), later files over earlier ones.
pub type Settings = BTreeMap<String, String>;

/// Sections that `pip download` reads, the more special one last.
const SECTIONS: [&str; 2] = ["global", "download"];

/// Reads the files in pip's order: global, user, site, then `PIP_CONFIG_FILE`; finally the `PIP_…` variables.
/// `PIP_CONFIG_FILE` naming the null device switches all files off; naming an existing file it replaces the
/// user's.
pub fn load(env: &impl Fn(&str) -> Option<String>, read_file: &impl Fn(&Path) -> Option<String>) -> Settings {
    let mut settings = Settings::new();
    for path in files(env, read_file) {
        if let Some(text) = read_file(&path) {
            let sections = parse(&text);
            for section in SECTIONS {
                settings.extend(sections.get(section).cloned().unwrap_or_default());
            }
        }
    }
    for key in [
        "index-url",
        "extra-index-url",
        "find-links",
        "no-index",
        "trusted-host",
        "cert",
        "proxy",
        "default-timeout",
        "timeout",
    ] {
        let variable = format!("PIP_{}", key.to_ascii_uppercase().replace('-', "_"));
        if let Some(value) = env(&variable).filter(|v| !v.trim().is_empty()) {
            settings.insert(key.to_string(), value);
        }
    }
    settings
}

fn files(env: &impl Fn(&str) -> Option<String>, read_file: &impl Fn(&Path) -> Option<String>) -> Vec<PathBuf> {
    let set = |name: &str| env(name).filter(|v| !v.is_empty());
    let named = set("PIP_CONFIG_FILE").map(PathBuf::from);
    if named.as_deref().is_some_and(|p| p == Path::new("/dev/null") || p == Path::new("nul")) {
        return Vec::new();
    }
    let mut files = Vec::new();
    let shared = set("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".to_string());
    // pip gives the first folder of the list the last word.
    files.extend(shared.split(':').rev().filter(|d| !d.is_empty()).map(|d| Path::new(d).join("pip/pip.conf")));
    files.push("/etc/pip.conf".into());
    if let Some(folder) = set("PROGRAMDATA") {
        files.push(Path::new(&folder).join("pip/pip.ini"));
    }
    if named.as_deref().is_none_or(|p| read_file(p).is_none()) {
        files.extend(user_files(&set));
    }
    if let Some(folder) = set("VIRTUAL_ENV") {
        files.extend(["pip.conf", "pip.ini"].map(|name| Path::new(&folder).join(name)));
    }
    files.extend(named);
    files
}

fn user_files(set: &impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(home) = set("HOME").map(PathBuf::from) {
        files.push(home.join(".pip/pip.conf"));
        let config = set("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        files.push(config.join("pip/pip.conf"));
        files.push(home.join("Library/Application Support/pip/pip.conf"));
    }
    if let Some(folder) = set("APPDATA") {
        files.push(Path::new(&folder).join("pip/pip.ini"));
    }
    files
}

/// Sections of an ini file. Keys are lower-case with dashes; indented lines continue a value; `#` and `;` begin
/// comment lines.
fn parse(text: &str) -> BTreeMap<String, Settings> {
    let mut sections: BTreeMap<String, Settings> = BTreeMap::new();
    let mut section = String::new();
    let mut key: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let Some(value) = key.as_ref().and_then(|k| sections.get_mut(&section)?.get_mut(k))
        {
            value.push('\n');
            value.push_str(trimmed);
        } else if let Some(name) = trimmed.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            section = name.trim().to_ascii_lowercase();
            key = None;
        } else if let Some((name, value)) = trimmed.split_once(['=', ':']) {
            let name = name.trim().trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
            sections.entry(section.clone()).or_default().insert(name.clone(), value.trim().to_string());
            key = Some(name);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(env: &[(&str, &str)], files: &[(&str, &str)]) -> Settings {
        let find = |of: &[(&str, &str)], name: &str| of.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
        load(&|name: &str| find(env, name), &|path: &Path| find(files, path.to_str()?))
    }

    #[test]
    fn the_form_of_the_files() {
        let text = "# a\n[global]\nIndex_URL = https://a/simple\nextra-index-url =\n  https://b/simple\n  ; c\n  https://c/simple\n[install]\nindex-url=https://no/\n[download]\ntimeout: 5\nnonsense\n";
        let settings = loaded(&[], &[("/etc/pip.conf", text)]);
        assert_eq!(settings["index-url"], "https://a/simple");
        assert_eq!(
            settings["extra-index-url"].split_whitespace().collect::<Vec<_>>(),
            ["https://b/simple", "https://c/simple"]
        );
        assert_eq!(settings["timeout"], "5");
        assert_eq!(settings.len(), 3);
    }

    #[test]
    fn later_files_and_variables_win() {
        let url = |n: &str| format!("[global]\nindex-url = https://{n}/\n");
        let paths = [
            "/etc/xdg/pip/pip.conf",
            "/etc/pip.conf",
            "/h/.pip/pip.conf",
            "/h/.config/pip/pip.conf",
            "/v/pip.conf",
            "/named",
        ];
        let texts: Vec<String> = (0..paths.len()).map(|n| url(&n.to_string())).collect();
        let env =
            [("HOME", "/h"), ("VIRTUAL_ENV", "/v"), ("PIP_CONFIG_FILE", "/named"), ("PIP_INDEX_URL", "https://env/")];
        for last in 0..paths.len() {
            let files: Vec<(&str, &str)> = (0..=last).map(|n| (paths[n], texts[n].as_str())).collect();
            assert_eq!(loaded(&env[..3], &files)["index-url"], format!("https://{last}/"), "{}", paths[last]);
        }
        let files = [(paths[2], texts[2].as_str()), (paths[5], "[global]\ntimeout = 1\n")];
        assert_eq!(loaded(&env[..3], &files).get("index-url"), None, "a named file replaces the user's");
        assert_eq!(loaded(&env, &files)["index-url"], "https://env/");
    }

    #[test]
    fn the_null_device_switches_files_off() {
        let files = [("/etc/pip.conf", "[global]\nindex-url = https://a/\n")];
        assert!(loaded(&[("PIP_CONFIG_FILE", "/dev/null")], &files).is_empty());
    }
}
