//! A file as a bounded stream of bytes: plain, gzip or zlib, with errors that name the file.
//!
//! Nothing is allocated because a header says so: [`Input::require`] compares the bytes a header declares with
//! those the file can hold (deflate expands at most 1032 : 1), and the readers then take them chunk by chunk.

use crate::error::{ReadError, Warning};
use crate::raw::Samples;
use crate::scalar::{Encoding, ScalarType, Scale, decode, f64_from_binary128};
use flate2::bufread::{GzDecoder, ZlibDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Largest expansion of deflate (RFC 1951: 258 bytes from two bits).
const DEFLATE_EXPANSION: u64 = 1032;
/// Bytes decoded at a time; a multiple of every scalar size.
const CHUNK: usize = 1 << 16;
/// Bytes after the data that are still read to reach a checksum.
const MAX_TRAILING: u64 = 64 << 20;

/// A stream of bytes from a file.
pub struct Input {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// At most so many bytes can still come.
    limit: u64,
    compressed: bool,
    /// Set when something that is not gzip follows the last member.
    foreign_tail: Arc<AtomicBool>,
}

impl Input {
    /// Opens a regular file; gzip is recognised by its first bytes and undone.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let raw = Self::open_raw(path)?;
        raw.ungzipped()
    }

    /// Opens a regular file as it is.
    pub fn open_raw(path: &Path) -> Result<Self, ReadError> {
        let error = |e| ReadError::io(path, e);
        let metadata = std::fs::metadata(path).map_err(error)?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a folder" } else { "something that is not a regular file" };
            return Err(ReadError::unsupported(path, what, "a regular file"));
        }
        let file = File::open(path).map_err(error)?;
        let reader = Box::new(BufReader::with_capacity(CHUNK, file));
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            limit: metadata.len(),
            compressed: false,
            foreign_tail: Arc::default(),
        })
    }

    /// Bytes in memory as a stream; `path` is the name that errors give.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Self {
        let limit = bytes.len() as u64;
        Self {
            path: path.to_path_buf(),
            reader: Box::new(io::Cursor::new(bytes)),
            limit,
            compressed: false,
            foreign_tail: Arc::default(),
        }
    }

    /// The same stream with gzip undone if it begins like gzip.
    pub fn ungzipped(mut self) -> Result<Self, ReadError> {
        let start = self.reader.fill_buf().map_err(|e| ReadError::io(&self.path, e))?;
        if start.starts_with(&[0x1f, 0x8b]) { Ok(self.gunzip()) } else { Ok(self) }
    }

    /// What remains of the stream, taken as gzip members.
    pub fn gunzip(self) -> Self {
        let members = GzipMembers::new(self.reader, Arc::clone(&self.foreign_tail));
        let reader = Box::new(BufReader::with_capacity(CHUNK, members));
        Self { reader, limit: expanded(self.limit), compressed: true, ..self }
    }

    /// What remains of the stream, taken as one zlib stream.
    pub fn unzlib(self) -> Self {
        let reader = Box::new(BufReader::with_capacity(CHUNK, ZlibDecoder::new(self.reader)));
        Self { reader, limit: expanded(self.limit), compressed: true, ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Upper bound on the bytes that can still come (exact if the file is not compressed).
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the bytes come out of a decompressor.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The next bytes, as many as there are up to `most`, without taking them.
    pub fn look_ahead(&mut self, most: usize) -> Result<Vec<u8>, ReadError> {
        let limit = self.limit;
        let mut start = vec![0; most];
        let found = self.fill(&mut start)?;
        start.truncate(found);
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(io::Cursor::new(start.clone()).chain(rest));
        self.limit = limit;
        Ok(start)
    }

    /// Refuses a declared number of bytes that the file cannot hold.
    pub fn require(&self, bytes: u64) -> Result<(), ReadError> {
        if bytes > self.limit {
            return Err(ReadError::Truncated { path: self.path.clone(), needed: bytes, found: self.limit });
        }
        Ok(())
    }

    /// Fills `buffer` as far as the stream goes; returns the bytes filled.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(broken(&self.path, e)),
            }
        }
        self.limit = self.limit.saturating_sub(filled as u64);
        Ok(filled)
    }

    /// Fills the whole `buffer`.
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        let found = self.fill(buffer)?;
        if found < buffer.len() {
            let (needed, found) = (buffer.len() as u64, found as u64);
            return Err(ReadError::Truncated { path: self.path.clone(), needed, found });
        }
        Ok(())
    }

    /// Takes one line without its end (`\n` or `\r\n`) of at most `max` bytes; `None` at the end of the stream.
    pub fn read_line(&mut self, max: usize) -> Result<Option<Vec<u8>>, ReadError> {
        let mut line = Vec::new();
        (&mut self.reader).take(max as u64 + 1).read_until(b'\n', &mut line).map_err(|e| broken(&self.path, e))?;
        self.limit = self.limit.saturating_sub(line.len() as u64);
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if line.len() > max {
            return Err(ReadError::field(
                &self.path,
                "a header line",
                format!("longer than {max} bytes"),
                "shorter lines",
            ));
        }
        Ok(Some(line))
    }

    /// Takes all of a stream that is not compressed.
    pub fn read_all(&mut self) -> Result<Vec<u8>, ReadError> {
        if self.compressed {
            return Err(ReadError::unsupported(&self.path, "this format inside gzip", "the file itself"));
        }
        let mut bytes: Vec<u8> = Vec::new();
        let size = self.limit as usize;
        bytes
            .try_reserve_exact(size)
            .map_err(|_| ReadError::OutOfMemory { path: self.path.clone(), bytes: self.limit })?;
        bytes.resize(size, 0);
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over one line of any length.
    pub fn skip_line(&mut self) -> Result<(), ReadError> {
        let skipped = self.reader.skip_until(b'\n').map_err(|e| broken(&self.path, e))?;
        if skipped == 0 {
            return Err(ReadError::Truncated { path: self.path.clone(), needed: 1, found: 0 });
        }
        self.limit = self.limit.saturating_sub(skipped as u64);
        Ok(())
    }

    /// Passes over all but the last `bytes` bytes of a stream that is not compressed.
    pub fn skip_to_last(&mut self, bytes: u64) -> Result<(), ReadError> {
        if self.compressed {
            let what = "data counted from the end of a compressed file";
            return Err(ReadError::unsupported(&self.path, what, "a number of bytes to skip"));
        }
        self.require(bytes)?;
        self.skip(self.limit - bytes)
    }

    /// Passes over `bytes` bytes.
    pub fn skip(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.require(bytes)?;
        let skipped =
            io::copy(&mut (&mut self.reader).take(bytes), &mut io::sink()).map_err(|e| broken(&self.path, e))?;
        self.limit = self.limit.saturating_sub(skipped);
        if skipped < bytes {
            return Err(ReadError::Truncated { path: self.path.clone(), needed: bytes, found: skipped });
        }
        Ok(())
    }

    /// Reads to the end, which verifies checksums. Bytes after the data are reported in a warning; so many that
    /// the file is something else (over 64 MiB) are refused.
    pub fn finish(mut self) -> Result<Vec<Warning>, ReadError> {
        let mut warnings = Vec::new();
        let trailing = if self.compressed {
            io::copy(&mut (&mut self.reader).take(MAX_TRAILING + 1), &mut io::sink())
                .map_err(|e| broken(&self.path, e))?
        } else {
            self.limit
        };
        if self.compressed && trailing > MAX_TRAILING {
            return Err(ReadError::damaged(&self.path, "more than 64 MiB follow the declared data"));
        }
        if trailing > 0 {
            warnings.push(Warning::new(format!("{trailing} bytes follow the declared data; they are ignored")));
        }
        if self.foreign_tail.load(Ordering::Relaxed) {
            warnings.push(Warning::new("bytes that are not gzip follow the compressed data; they are ignored"));
        }
        Ok(warnings)
    }

    /// Hands `values` stored numbers of `size` bytes to `take`, a chunk at a time.
    fn for_each_chunk(&mut self, values: usize, size: usize, mut take: impl FnMut(&[u8])) -> Result<(), ReadError> {
        let needed = values as u64 * size as u64;
        self.require(needed)?;
        let mut chunk = vec![0; CHUNK];
        let mut left = needed;
        while left > 0 {
            let want = left.min(CHUNK as u64) as usize;
            let found = self.fill(&mut chunk[..want])?;
            if found < want {
                let found = needed - left + found as u64;
                return Err(ReadError::Truncated { path: self.path.clone(), needed, found });
            }
            take(&chunk[..want]);
            left -= want as u64;
        }
        Ok(())
    }

    /// Reads `values` numbers straight into f32, scaled in f64: nothing but the result is held.
    pub fn read_f32(&mut self, values: usize, encoding: Encoding, scale: Option<Scale>) -> Result<Vec<f32>, ReadError> {
        let size = encoding.scalar_type.size();
        self.require(values as u64 * size as u64)?;
        let mut out = reserved(&self.path, values)?;
        self.for_each_chunk(values, size, |bytes| encoding.decode_f32(bytes, scale, &mut out))?;
        Ok(out)
    }

    /// Reads `values` numbers in their own type.
    pub fn read_samples(&mut self, values: usize, encoding: Encoding) -> Result<Samples, ReadError> {
        let order = encoding.byte_order;
        macro_rules! read {
            ($variant:ident, $stored:ty, $convert:expr) => {{
                self.require(values as u64 * size_of::<$stored>() as u64)?;
                let mut out = reserved(&self.path, values)?;
                self.for_each_chunk(values, size_of::<$stored>(), |bytes| {
                    decode!($stored, bytes, order, out, $convert)
                })?;
                Ok(Samples::$variant(out))
            }};
        }
        match encoding.scalar_type {
            ScalarType::U8 => read!(U8, u8, |v| v),
            ScalarType::I8 => read!(I8, i8, |v| v),
            ScalarType::U16 => read!(U16, u16, |v| v),
            ScalarType::I16 => read!(I16, i16, |v| v),
            ScalarType::U32 => read!(U32, u32, |v| v),
            ScalarType::I32 => read!(I32, i32, |v| v),
            ScalarType::U64 => read!(U64, u64, |v| v),
            ScalarType::I64 => read!(I64, i64, |v| v),
            ScalarType::F32 => read!(F32, f32, |v| v),
            ScalarType::F64 => read!(F64, f64, |v| v),
            ScalarType::F128 => read!(F64, u128, f64_from_binary128),
        }
    }
}

/// An empty vector with room for `values`, or a clean refusal. The room is address space until it is written.
fn reserved<T>(path: &Path, values: usize) -> Result<Vec<T>, ReadError> {
    let mut out = Vec::new();
    out.try_reserve_exact(values).map_err(|_| ReadError::OutOfMemory {
        path: path.to_path_buf(),
        bytes: values as u64 * size_of::<T>() as u64,
    })?;
    Ok(out)
}

fn expanded(limit: u64) -> u64 {
    limit.saturating_mul(DEFLATE_EXPANSION)
}

/// Words a failure inside the stream.
fn broken(path: &Path, e: io::Error) -> ReadError {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::damaged(path, "the compressed data end early"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            ReadError::damaged(path, format!("the compressed data are broken ({e})"))
        }
        _ => ReadError::io(path, e),
    }
}

/// Concatenated gzip members (RFC 1952) with zero padding after any of them; anything else ends the stream and is noted.
struct GzipMembers<R> {
    /// Always there between calls.
    decoder: Option<GzDecoder<R>>,
    ended: bool,
    foreign_tail: Arc<AtomicBool>,
}

impl<R: BufRead> GzipMembers<R> {
    fn new(reader: R, foreign_tail: Arc<AtomicBool>) -> Self {
        Self { decoder: Some(GzDecoder::new(reader)), ended: false, foreign_tail }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let decoder = self.decoder.as_mut().expect("the decoder is there between calls");
            let n = decoder.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            let reader = decoder.get_mut();
            loop {
                let rest = reader.fill_buf()?;
                let zeros = rest.iter().take_while(|&&b| b == 0).count();
                match rest.get(zeros) {
                    Some(&0x1f) => {
                        reader.consume(zeros);
                        break;
                    }
                    None if !rest.is_empty() => reader.consume(zeros),
                    end => {
                        self.ended = true;
                        self.foreign_tail.store(end.is_some(), Ordering::Relaxed);
                        return Ok(0);
                    }
                }
            }
            self.decoder = self.decoder.take().map(|d| GzDecoder::new(d.into_inner()));
        }
        Ok(0)
    }
}
