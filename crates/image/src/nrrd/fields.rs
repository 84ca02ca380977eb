//! The lines of an NRRD header.

use crate::error::ReadError;
use crate::header_text::{MAX_LINE, MAX_LINES, quoted};
use crate::input::Input;
use crate::scalar::ScalarType;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The words of the specification for each scalar type.
pub(super) const TYPES: [(ScalarType, &[&str]); 10] = [
    (ScalarType::I8, &["signed char", "int8", "int8_t"]),
    (ScalarType::U8, &["uchar", "unsigned char", "uint8", "uint8_t"]),
    (ScalarType::I16, &["short", "short int", "signed short", "signed short int", "int16", "int16_t"]),
    (ScalarType::U16, &["ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"]),
    (ScalarType::I32, &["int", "signed int", "int32", "int32_t"]),
    (ScalarType::U32, &["uint", "unsigned int", "uint32", "uint32_t"]),
    (
        ScalarType::I64,
        &["longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"],
    ),
    (ScalarType::U64, &["ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"]),
    (ScalarType::F32, &["float"]),
    (ScalarType::F64, &["double"]),
];

/// `field: value` lines by name in lower case, without spaces.
pub(super) struct Fields {
    pub path: PathBuf,
    values: HashMap<String, String>,
    /// Names after `data file: LIST`.
    pub list: Vec<String>,
}

impl Fields {
    /// Reads the magic line and the header, up to the blank line or (for a header apart from its data) the end.
    pub fn read(input: &mut Input) -> Result<Self, ReadError> {
        let path = input.path().to_path_buf();
        let magic = input.read_line(MAX_LINE)?.unwrap_or_default();
        let version = magic.strip_prefix(b"NRRD000").and_then(|rest| rest.first());
        if !matches!(version, Some(b'1'..=b'5')) {
            let found = quoted(&String::from_utf8_lossy(&magic[..magic.len().min(16)])).to_string();
            return Err(ReadError::field(&path, "the first line", found, "NRRD0001 to NRRD0005"));
        }
        let mut fields = Self { path: path.clone(), values: HashMap::new(), list: Vec::new() };
        for _ in 0..MAX_LINES {
            let Some(line) = input.read_line(MAX_LINE)? else { return Ok(fields) };
            let line = String::from_utf8_lossy(&line).into_owned();
            let line = line.trim_end();
            if line.is_empty() {
                return Ok(fields);
            }
            // Comments, and `key:=value` lines, which mean nothing to the array.
            if line.starts_with('#') || line.contains(":=") {
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(ReadError::field(&path, "a header line", quoted(line), "lines of the form field: value"));
            };
            let (name, value) = (name.trim().to_ascii_lowercase().replace(' ', ""), value.trim().to_string());
            let lists = name == "datafile" && value.split_whitespace().next() == Some("LIST");
            fields.values.insert(name, value);
            if lists {
                fields.list = listed(input, &path)?;
                return Ok(fields);
            }
        }
        Err(ReadError::field(&path, "the header", format!("longer than {MAX_LINES} lines"), "shorter headers"))
    }

    /// A field by its name without spaces.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A field that must be there.
    pub fn required(&self, name: &str) -> Result<&str, ReadError> {
        self.get(name).ok_or_else(|| ReadError::field(&self.path, name, "missing", "its value"))
    }

    /// The scalar type.
    pub fn scalar_type(&self) -> Result<ScalarType, ReadError> {
        let word = self.required("type")?;
        let lower = word.to_ascii_lowercase();
        TYPES.iter().find(|(_, words)| words.contains(&lower.as_str())).map(|&(t, _)| t).ok_or_else(|| {
            let accepted = TYPES.map(|(_, words)| words[0]).join(", ");
            ReadError::field(&self.path, "type", quoted(word), accepted)
        })
    }
}

/// The names that end a header with `data file: LIST`, one a line.
fn listed(input: &mut Input, path: &Path) -> Result<Vec<String>, ReadError> {
    let mut names = Vec::new();
    while let Some(line) = input.read_line(MAX_LINE)? {
        let name = String::from_utf8_lossy(&line).trim().to_string();
        if !name.is_empty() {
            names.push(name);
        }
        if names.len() > MAX_LINES {
            let found = format!("a list of more than {MAX_LINES} names");
            return Err(ReadError::field(path, "data file", found, "shorter lists"));
        }
    }
    Ok(names)
}
