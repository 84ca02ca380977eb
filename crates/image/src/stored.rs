//! The numbers of an image whose header is understood: where they stand and how they become an array.
//!
//! Shared by the formats that keep plain numbers behind a text header (MetaImage, NRRD).

use crate::error::ReadError;
use crate::input::Input;
use crate::raw::{Header, RawImage, Samples};
use crate::read::{Loaded, Opened};
use crate::scalar::{Encoding, ScalarType};
use std::path::PathBuf;

/// Largest length of a line or number in text data.
const MAX_TEXT_NUMBER: usize = 64;

/// Form of the stored numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// Fixed size.
    Binary(Encoding),
    /// Decimal numbers between white space (or commas).
    Text(ScalarType),
}

/// Where the stored numbers are.
pub(crate) enum Place {
    /// Next in this stream.
    Here(Input),
    /// One equal part in each of these files, after `skip` bytes (`None`: at the very end of each file).
    Parts {
        /// The files in order.
        files: Vec<PathBuf>,
        /// Bytes before the part.
        skip: Option<u64>,
    },
}

/// An image between its header and its numbers.
pub(crate) struct Stored {
    /// Everything but the numbers, in the order of the array (components last).
    pub header: Header,
    /// Numbers of one voxel that stand together in the file before the next voxel; 1 for scalar images.
    pub components_first: usize,
    /// Form of the numbers.
    pub form: Form,
    /// Where they are.
    pub place: Place,
}

impl Stored {
    /// Reads the numbers in their own type.
    pub fn into_image(self) -> Result<RawImage, ReadError> {
        let Self { mut header, components_first, form, place } = self;
        let values = header.len();
        let samples = match place {
            Place::Here(mut input) => {
                let samples = read_numbers(&mut input, values, form)?;
                header.warnings.extend(input.finish()?);
                samples
            }
            Place::Parts { files, skip } => {
                let each = values / files.len().max(1);
                let mut all: Option<Samples> = None;
                for path in &files {
                    let mut input = open_part(path, skip, each, form)?;
                    let part = read_numbers(&mut input, each, form)?;
                    match &mut all {
                        None => all = Some(part),
                        Some(all) => append(all, part),
                    }
                }
                all.ok_or_else(|| ReadError::damaged(&header.path, "its list of data files is empty"))?
            }
        };
        Ok(RawImage::new(header, components_last(samples, components_first)))
    }

    /// Reads one volume straight into f32.
    pub fn into_volume(self) -> Result<Loaded, ReadError> {
        self.header.require_volume()?;
        match self {
            Self { header, form: Form::Binary(encoding), place: Place::Here(input), .. } => {
                Opened { header, encoding, input }.into_volume()
            }
            other => {
                let image = other.into_image()?;
                let warnings = image.header().warnings.clone();
                Ok(Loaded { volume: image.into_volume_f32()?, warnings })
            }
        }
    }

    /// Verifies that the numbers are complete.
    pub fn into_header(self) -> Result<Header, ReadError> {
        match self {
            Self { header, form: Form::Binary(encoding), place: Place::Here(input), .. } => {
                Opened { header, encoding, input }.into_header()
            }
            other => Ok(other.into_image()?.into_parts().0),
        }
    }
}

fn open_part(path: &std::path::Path, skip: Option<u64>, values: usize, form: Form) -> Result<Input, ReadError> {
    let mut input = Input::open_raw(path)?;
    match (skip, form) {
        (Some(skip), _) => input.skip(skip)?,
        (None, Form::Binary(encoding)) => input.skip_to_last(values as u64 * encoding.scalar_type.size() as u64)?,
        (None, Form::Text(_)) => {}
    }
    Ok(input)
}

fn read_numbers(input: &mut Input, values: usize, form: Form) -> Result<Samples, ReadError> {
    match form {
        Form::Binary(encoding) => input.read_samples(values, encoding),
        Form::Text(scalar_type) => read_text(input, values, scalar_type),
    }
}

/// Reads decimal numbers; each needs at least one digit and, but for the last, a separator.
fn read_text(input: &mut Input, values: usize, scalar_type: ScalarType) -> Result<Samples, ReadError> {
    input.require((values as u64).saturating_mul(2).saturating_sub(1))?;
    let mut tokens = Tokens { input, pending: Vec::new() };
    macro_rules! read {
        ($variant:ident, $t:ty) => {{
            let mut out: Vec<$t> = Vec::new();
            while out.len() < values {
                let token = tokens.next(values, out.len())?;
                let value = token.parse().map_err(|_| {
                    ReadError::field(
                        tokens.input.path(),
                        format!("number {} of the data", out.len()),
                        format!("{token:?}"),
                        format!("decimal numbers of type {scalar_type}"),
                    )
                })?;
                out.push(value);
            }
            Samples::$variant(out)
        }};
    }
    Ok(match scalar_type {
        ScalarType::U8 => read!(U8, u8),
        ScalarType::I8 => read!(I8, i8),
        ScalarType::U16 => read!(U16, u16),
        ScalarType::I16 => read!(I16, i16),
        ScalarType::U32 => read!(U32, u32),
        ScalarType::I32 => read!(I32, i32),
        ScalarType::U64 => read!(U64, u64),
        ScalarType::I64 => read!(I64, i64),
        ScalarType::F32 => read!(F32, f32),
        ScalarType::F64 | ScalarType::F128 => read!(F64, f64),
    })
}

/// Splits a stream at white space and commas.
struct Tokens<'a> {
    input: &'a mut Input,
    /// Bytes taken and not yet used, in reverse order.
    pending: Vec<u8>,
}

impl Tokens<'_> {
    fn byte(&mut self) -> Result<Option<u8>, ReadError> {
        if self.pending.is_empty() {
            let mut chunk = vec![0; 4096];
            let filled = self.input.fill(&mut chunk)?;
            chunk.truncate(filled);
            chunk.reverse();
            self.pending = chunk;
        }
        Ok(self.pending.pop())
    }

    fn next(&mut self, needed: usize, found: usize) -> Result<String, ReadError> {
        let mut token = String::new();
        while let Some(byte) = self.byte()? {
            if byte.is_ascii_whitespace() || byte == b',' {
                if !token.is_empty() {
                    return Ok(token);
                }
            } else if byte.is_ascii_graphic() && token.len() < MAX_TEXT_NUMBER {
                token.push(char::from(byte));
            } else {
                let what = format!("number {found} of the text data is not a decimal number");
                return Err(ReadError::damaged(self.input.path(), what));
            }
        }
        if token.is_empty() {
            let what = format!("the text data end after {found} of {needed} numbers");
            return Err(ReadError::damaged(self.input.path(), what));
        }
        Ok(token)
    }
}

fn append(all: &mut Samples, part: Samples) {
    macro_rules! append {
        ($($variant:ident),*) => {
            match (all, part) {
                $((Samples::$variant(a), Samples::$variant(b)) => a.extend(b),)*
                _ => unreachable!("all parts are read with one scalar type"),
            }
        };
    }
    append!(U8, I8, U16, I16, U32, I32, U64, I64, F32, F64);
}

/// Turns `c` components that stand together for each voxel into `c` volumes one after the other.
fn components_last(samples: Samples, components: usize) -> Samples {
    if components <= 1 {
        return samples;
    }
    let voxels = samples.len() / components;
    gathered(samples, |n| n % voxels * components + n / voxels)
}

/// The same numbers in another order: number `n` is taken from `source(n)`.
pub(crate) fn gathered(samples: Samples, source: impl Fn(usize) -> usize) -> Samples {
    macro_rules! gather {
        ($($variant:ident),*) => {
            match samples {
                $(Samples::$variant(v) => Samples::$variant((0..v.len()).map(|n| v[source(n)]).collect()),)*
            }
        };
    }
    gather!(U8, I8, U16, I16, U32, I32, U64, I64, F32, F64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_move_behind_the_voxels() {
        let together = Samples::U8(vec![1, 10, 2, 20, 3, 30]);
        assert_eq!(components_last(together, 2), Samples::U8(vec![1, 2, 3, 10, 20, 30]));
    }

    #[test]
    fn text_is_read_as_numbers_and_nothing_else() {
        let read = |text: &str, n, t| {
            let mut input = Input::from_bytes("a.txt".as_ref(), text.as_bytes().to_vec());
            read_text(&mut input, n, t)
        };
        assert_eq!(read("1 -2,3\n 4", 4, ScalarType::I16).unwrap(), Samples::I16(vec![1, -2, 3, 4]));
        assert_eq!(read("1.5\t2e3", 2, ScalarType::F32).unwrap(), Samples::F32(vec![1.5, 2000.0]));
        assert!(matches!(read("1 2", 3, ScalarType::U8), Err(ReadError::Truncated { .. })));
        assert!(matches!(read("1 2      ", 3, ScalarType::U8), Err(ReadError::Damaged { .. })));
        assert!(matches!(read("1 256 3", 3, ScalarType::U8), Err(ReadError::Field { .. })));
        assert!(matches!(read("1 \u{e9} 3", 3, ScalarType::U8), Err(ReadError::Damaged { .. })));
    }
}
