//! The structure of a DICOM file, walked with every length checked against the bytes that are there.
//!
//! `dicom-object` allocates what an element's length claims and recurses as deep as a file nests, so it is given
//! only what this walk picks out: top-level elements of a fixed list, whole and short. Sequences are stepped
//! over here, and pixel data never pass through it. Sources: DICOM PS3.5 chapter 7 and annex A, PS3.10.

use crate::error::ReadError;
use dicom_core::Tag;
use std::ops::Range;
use std::path::Path;

/// Undefined length of an element or item.
const UNDEFINED: u32 = 0xffff_ffff;
/// Deepest nesting of sequences.
const MAX_DEPTH: usize = 32;
/// Longest value of a picked element, bytes.
const MAX_VALUE: usize = 1 << 16;
/// VRs with a 16-bit length (PS3.5 section 7.1.2).
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
];
/// VRs that picked elements may have: text, and 16-bit numbers.
const PICKED: [&[u8; 2]; 15] =
    [b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM", b"UI", b"US"];
/// Picked elements that are 16-bit numbers by the dictionary (PS3.6), which holds where no VR is written.
const NUMBERS: [Tag; 7] = [
    Tag(0x0028, 0x0002),
    Tag(0x0028, 0x0010),
    Tag(0x0028, 0x0011),
    Tag(0x0028, 0x0100),
    Tag(0x0028, 0x0101),
    Tag(0x0028, 0x0102),
    Tag(0x0028, 0x0103),
];
const PIXEL_DATA: Tag = Tag(0x7fe0, 0x0010);

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Syntax {
    pub explicit_vr: bool,
    pub big_endian: bool,
}

const EXPLICIT_LITTLE: Syntax = Syntax { explicit_vr: true, big_endian: false };

/// Where the pixels are in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PixelData {
    /// None in this file.
    Absent,
    /// Plain numbers.
    Native(Range<usize>),
    /// Compressed: the basic offset table and the fragments.
    Fragments(Range<usize>, Vec<Range<usize>>),
}

/// A walked data set.
pub(super) struct Walked {
    /// The picked elements, headers and values, one after the other.
    pub picked: Vec<u8>,
    /// Sequences at the top level.
    pub sequences: Vec<Tag>,
    pub pixel_data: PixelData,
}

/// One element's header.
struct Element {
    tag: Tag,
    vr: Option<[u8; 2]>,
    length: u32,
    /// Position of the value.
    value: usize,
}

struct Walker<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

/// Whether a file begins like DICOM (PS3.10: a preamble of 128 bytes, then `DICM`).
pub(crate) fn recognises(start: &[u8]) -> bool {
    start.get(128..132) == Some(b"DICM")
}

/// Reads the transfer syntax from the file meta information; returns it with the position of the data set.
pub(super) fn transfer_syntax(path: &Path, bytes: &[u8]) -> Result<(String, usize), ReadError> {
    if !recognises(bytes) {
        return Err(ReadError::damaged(path, "it does not have the mark DICM after 128 bytes"));
    }
    let walker = Walker { path, bytes };
    let mut at = 132;
    let mut uid = None;
    while at < bytes.len() && walker.u16(at, false)? == 0x0002 {
        let element = walker.header(at, EXPLICIT_LITTLE)?;
        let value = walker.value(&element)?;
        if element.tag == Tag(0x0002, 0x0010) {
            let text = String::from_utf8_lossy(&bytes[value.clone()]);
            uid = Some(text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).chars().take(64).collect());
        }
        at = value.end;
    }
    let uid = uid.ok_or_else(|| ReadError::field(path, "(0002,0010) TransferSyntaxUID", "missing", "its UID"))?;
    Ok((uid, at))
}

/// Walks the data set from `start`, picking the elements named in `wanted`.
pub(super) fn walk(
    path: &Path,
    bytes: &[u8],
    start: usize,
    syntax: Syntax,
    wanted: &[Tag],
) -> Result<Walked, ReadError> {
    let walker = Walker { path, bytes };
    let mut walked = Walked { picked: Vec::new(), sequences: Vec::new(), pixel_data: PixelData::Absent };
    let mut at = start;
    while at < bytes.len() {
        let element = walker.header(at, syntax)?;
        if element.tag == PIXEL_DATA {
            walked.pixel_data = walker.pixel_data(&element, syntax)?;
            break;
        }
        let end = if element.length == UNDEFINED {
            walked.sequences.push(element.tag);
            walker.skip_items(element.value, walker.nested_syntax(&element, syntax), 0)?
        } else {
            let value = walker.value(&element)?;
            if element.vr == Some(*b"SQ") {
                walked.sequences.push(element.tag);
            } else if wanted.contains(&element.tag) {
                if value.len() > MAX_VALUE {
                    let found = format!("{} bytes long", value.len());
                    let accepted = format!("at most {MAX_VALUE} bytes");
                    return Err(ReadError::field(path, element.tag.to_string(), found, accepted));
                }
                walker.check_picked(&element)?;
                walked.picked.extend_from_slice(&bytes[at..value.end]);
            }
            value.end
        };
        at = end;
    }
    Ok(walked)
}

impl Walker<'_> {
    fn slice(&self, at: usize, length: usize) -> Result<&[u8], ReadError> {
        let end = at.saturating_add(length);
        self.bytes.get(at..end).ok_or_else(|| ReadError::Truncated {
            path: self.path.to_path_buf(),
            needed: end as u64,
            found: self.bytes.len() as u64,
        })
    }

    fn u16(&self, at: usize, big_endian: bool) -> Result<u16, ReadError> {
        let b = self.slice(at, 2)?;
        Ok(if big_endian { u16::from_be_bytes([b[0], b[1]]) } else { u16::from_le_bytes([b[0], b[1]]) })
    }

    fn u32(&self, at: usize, big_endian: bool) -> Result<u32, ReadError> {
        let b = self.slice(at, 4)?;
        let b = [b[0], b[1], b[2], b[3]];
        Ok(if big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) })
    }

    fn tag(&self, at: usize, big_endian: bool) -> Result<Tag, ReadError> {
        Ok(Tag(self.u16(at, big_endian)?, self.u16(at + 2, big_endian)?))
    }

    fn header(&self, at: usize, syntax: Syntax) -> Result<Element, ReadError> {
        let big = syntax.big_endian;
        let tag = self.tag(at, big)?;
        if !syntax.explicit_vr || tag.group() == 0xfffe {
            return Ok(Element { tag, vr: None, length: self.u32(at + 4, big)?, value: at + 8 });
        }
        let vr: [u8; 2] = self.slice(at + 4, 2)?.try_into().expect("two bytes were taken");
        if SHORT.contains(&&vr) {
            let length = u32::from(self.u16(at + 6, big)?);
            return Ok(Element { tag, vr: Some(vr), length, value: at + 8 });
        }
        Ok(Element { tag, vr: Some(vr), length: self.u32(at + 8, big)?, value: at + 12 })
    }

    /// The value of an element of defined length.
    fn value(&self, element: &Element) -> Result<Range<usize>, ReadError> {
        if element.length == UNDEFINED {
            let what = format!("element {} has no length and is no sequence", element.tag);
            return Err(ReadError::damaged(self.path, what));
        }
        self.slice(element.value, element.length as usize)?;
        Ok(element.value..element.value + element.length as usize)
    }

    /// Refuses a picked element whose value is not whole numbers of its VR: a parser that reads whole numbers only
    /// would take the bytes left over for the next element, and its length for memory.
    fn check_picked(&self, element: &Element) -> Result<(), ReadError> {
        let is_number = element.vr.map_or(NUMBERS.contains(&element.tag), |vr| &vr == b"US");
        let refused = |found: String, accepted: &str| {
            Err(ReadError::field(self.path, element.tag.to_string(), found, accepted.to_owned()))
        };
        match element.vr {
            Some(vr) if !PICKED.contains(&&vr) => {
                refused(format!("VR {}", vr.escape_ascii()), "text or 16-bit numbers (US)")
            }
            _ if is_number && !element.length.is_multiple_of(2) => {
                refused(format!("16-bit numbers in {} bytes", element.length), "an even number of bytes")
            }
            _ => Ok(()),
        }
    }

    /// Elements of unknown VR and undefined length hold implicit little-endian items (PS3.5 section 6.2.2).
    fn nested_syntax(&self, element: &Element, syntax: Syntax) -> Syntax {
        if element.vr == Some(*b"UN") { Syntax { explicit_vr: false, big_endian: false } } else { syntax }
    }

    /// Steps over the items of a sequence of undefined length; returns the position behind it.
    fn skip_items(&self, mut at: usize, syntax: Syntax, depth: usize) -> Result<usize, ReadError> {
        if depth > MAX_DEPTH {
            return Err(ReadError::damaged(self.path, format!("sequences nest more than {MAX_DEPTH} deep")));
        }
        loop {
            let item = self.header(at, syntax)?;
            at = match item.tag {
                Tag(0xfffe, 0xe0dd) => return Ok(item.value),
                Tag(0xfffe, 0xe000) if item.length == UNDEFINED => self.skip_elements(item.value, syntax, depth)?,
                Tag(0xfffe, 0xe000) => self.value(&item)?.end,
                tag => return Err(ReadError::damaged(self.path, format!("{tag} stands where an item should"))),
            };
        }
    }

    /// Steps over the elements of an item of undefined length.
    fn skip_elements(&self, mut at: usize, syntax: Syntax, depth: usize) -> Result<usize, ReadError> {
        loop {
            let element = self.header(at, syntax)?;
            at = if element.tag == Tag(0xfffe, 0xe00d) {
                return Ok(element.value);
            } else if element.length == UNDEFINED {
                self.skip_items(element.value, self.nested_syntax(&element, syntax), depth + 1)?
            } else {
                self.value(&element)?.end
            };
        }
    }

    fn pixel_data(&self, element: &Element, syntax: Syntax) -> Result<PixelData, ReadError> {
        if element.length != UNDEFINED {
            return Ok(PixelData::Native(self.value(element)?));
        }
        let mut items = Vec::new();
        let mut at = element.value;
        loop {
            let item = self.header(at, syntax)?;
            match item.tag {
                Tag(0xfffe, 0xe0dd) => break,
                Tag(0xfffe, 0xe000) => items.push(self.value(&item)?),
                tag => return Err(ReadError::damaged(self.path, format!("{tag} stands where a fragment should"))),
            }
            at = items.last().map_or(at, |range| range.end);
        }
        if items.is_empty() {
            return Err(ReadError::damaged(self.path, "the compressed pixel data have no offset table"));
        }
        let table = items.remove(0);
        Ok(PixelData::Fragments(table, items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SamplesPerPixel as a 32-bit number of two bytes made a parser take its value for an element of gigabytes.
    #[test]
    fn a_picked_element_of_broken_numbers_is_refused() {
        let picks = |vr: &[u8; 2], length: u16, explicit_vr: bool| {
            let mut bytes = vec![0x28, 0, 0x02, 0];
            if explicit_vr {
                bytes.extend_from_slice(vr);
                bytes.extend_from_slice(&length.to_le_bytes());
            } else {
                bytes.extend_from_slice(&u32::from(length).to_le_bytes());
            }
            bytes.extend(std::iter::repeat_n(1, usize::from(length)));
            let syntax = Syntax { explicit_vr, big_endian: false };
            walk(Path::new("x.dcm"), &bytes, 0, syntax, &[Tag(0x0028, 0x0002)]).map(|w| w.picked.len())
        };
        assert_eq!(picks(b"US", 2, true).unwrap(), 10);
        assert_eq!(picks(b"US", 2, false).unwrap(), 10);
        for (vr, length, explicit_vr) in [(b"SL", 2, true), (b"FD", 8, true), (b"US", 3, true), (b"US", 3, false)] {
            let said = picks(vr, length, explicit_vr).unwrap_err().to_string();
            assert!(said.contains("x.dcm") && said.contains("0028,0002"), "{said}");
        }
    }
}
