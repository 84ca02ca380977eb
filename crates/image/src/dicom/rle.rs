//! RLE Lossless (DICOM PS3.5 annex G): one PackBits segment for each byte of a pixel, most significant first.

/// Undoes one frame of `pixels` pixels of `bytes` bytes; returns them little-endian, or what is wrong.
pub(super) fn decode(fragment: &[u8], pixels: usize, bytes: usize) -> Result<Vec<u8>, String> {
    let word = |n: usize| {
        let bytes = fragment.get(4 * n..4 * n + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    };
    let segments = word(0).ok_or("its RLE header is truncated")?;
    if segments != bytes {
        return Err(format!("it has {segments} RLE segments where its pixels have {bytes} bytes"));
    }
    // Two bytes make at most 128.
    if pixels > fragment.len().saturating_mul(64) {
        return Err(format!("{} bytes of RLE data cannot hold {pixels} pixels", fragment.len()));
    }
    let mut out = vec![0; pixels * bytes];
    for segment in 0..segments {
        let start = word(segment + 1).unwrap_or(usize::MAX);
        let end = if segment + 1 < segments { word(segment + 2).unwrap_or(0) } else { fragment.len() };
        let packed = fragment.get(start..end).ok_or("its RLE segments lie outside the data")?;
        let plane = bytes - 1 - segment;
        let found = unpack(packed, out.iter_mut().skip(plane).step_by(bytes));
        if found < pixels {
            return Err(format!("RLE segment {segment} ends after {found} of {pixels} pixels"));
        }
    }
    Ok(out)
}

/// Writes the unpacked bytes to `out` until either ends; returns their number.
fn unpack<'a>(mut packed: &[u8], mut out: impl Iterator<Item = &'a mut u8>) -> usize {
    let mut written = 0;
    while let Some((&control, rest)) = packed.split_first() {
        let count = usize::from(control);
        // 0–127: so many bytes and one follow; 129–255: one byte, repeated; 128: nothing.
        let (run, used): (&[u8], usize) = match control {
            0..128 => (&rest[..rest.len().min(count + 1)], count + 1),
            128 => (&[], 0),
            129.. => (&rest[..rest.len().min(1)], 1),
        };
        let repeats = if control > 128 { 257 - count } else { 1 };
        for &byte in run.iter().cycle().take(run.len() * repeats) {
            let Some(place) = out.next() else { return written };
            *place = byte;
            written += 1;
        }
        packed = rest.get(used..).unwrap_or_default();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut header = [0u32; 16];
        header[0] = segments.len() as u32;
        let mut at = 64;
        for (n, segment) in segments.iter().enumerate() {
            header[n + 1] = at;
            at += segment.len() as u32;
        }
        header.iter().flat_map(|w| w.to_le_bytes()).chain(segments.iter().flat_map(|s| s.iter().copied())).collect()
    }

    #[test]
    fn literal_and_repeated_runs() {
        let one = frame(&[&[2, 7, 8, 9, 128, 254, 5, 0, 1]]);
        assert_eq!(decode(&one, 7, 1).unwrap(), [7, 8, 9, 5, 5, 5, 1]);
        // High bytes first in the file, little-endian pixels out.
        let two = frame(&[&[255, 1], &[1, 2, 3]]);
        assert_eq!(decode(&two, 2, 2).unwrap(), [2, 1, 3, 1]);
    }

    #[test]
    fn broken_frames_are_refused() {
        assert!(decode(&[], 1, 1).is_err());
        assert!(decode(&frame(&[&[0, 1]]), 2, 1).is_err());
        assert!(decode(&frame(&[&[0, 1]]), 1, 2).is_err());
        assert!(decode(&frame(&[&[5, 1]]), 4, 1).is_err());
        assert!(decode(&frame(&[&[254]]), 1, 1).is_err());
        assert!(decode(&frame(&[&[0, 1]]), usize::MAX / 4, 1).is_err());
        let mut outside = frame(&[&[0, 1]]);
        outside[4] = 200;
        assert!(decode(&outside, 1, 1).is_err());
        assert!(decode(&0xffff_ffffu32.to_le_bytes(), 1, 1).is_err());
    }
}
