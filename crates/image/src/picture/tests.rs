use super::*;
use crate::damage::{survives, values};
use crate::read::{read_image, read_image_bytes};

fn ramp() -> Image<f32> {
    Image::new(3, 4, (0..12).map(|n| n as f32 * 0.5 - 1.0).collect())
}

#[test]
fn windows_map_to_levels() {
    let window = Window { black: -1.0, white: 3.0 };
    assert_eq!([-2.0, -1.0, 1.0, 3.0, 9.0].map(|v| window.level8(v)), [0, 0, 128, 255, 255]);
    assert_eq!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|v| window.level16(v)), [0, 65535, 0]);
    let inverted = Window { black: 3.0, white: -1.0 };
    assert_eq!([-1.0, 3.0].map(|v| inverted.level8(v)), [255, 0]);
    let narrow = Window { black: 1.0, white: 1.0 };
    assert_eq!([1.0, 1.5].map(|v| narrow.level8(v)), [0, 255]);
    let wide = Window { black: f32::MIN, white: f32::MAX };
    assert_eq!([f32::MIN, 0.0, f32::MAX].map(|v| wide.level8(v)), [0, 128, 255]);
    assert_eq!(Window::full(&Image::new(1, 3, vec![f32::NAN, 2.0, -3.0])), Window { black: -3.0, white: 2.0 });
    assert_eq!(Window::full(&Image::new(1, 1, vec![f32::NAN])), Window { black: 0.0, white: 1.0 });
}

#[test]
fn written_pictures_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let (image, window) = (ramp(), Window::full(&ramp()));
    let expected = |levels: f64| -> Vec<f64> { (0..12).map(|n| (f64::from(n) / 11.0 * levels).round()).collect() };
    for (depth, levels) in [(Depth::Eight, 255.0), (Depth::Sixteen, 65535.0)] {
        let png = folder.path().join("a.png");
        write_png_gray(&png, &image, window, depth).unwrap();
        let read = read_image(&png).unwrap();
        assert_eq!((read.header().shape.as_slice(), values(&read)), (&[4, 3][..], expected(levels)));
        assert_eq!(read.header().format, Format::Png);
        let tiff = folder.path().join("a.tif");
        write_tiff_gray(&tiff, &image, window, depth).unwrap();
        assert_eq!(values(&read_image(&tiff).unwrap()), expected(levels));
    }
    let tiff = folder.path().join("f.tiff");
    write_tiff_f32(&tiff, &image).unwrap();
    let read = read_image(&tiff).unwrap();
    assert_eq!(read.samples(), &Samples::F32(image.data().to_vec()));
    assert_eq!(read.into_volume_f32().unwrap().grid().shape(), [4, 3, 1]);
}

#[test]
fn contours_are_drawn_and_colour_is_not_read_as_grey() {
    let over = Image::new(4, 4, (0..16).map(|n| if n % 4 > 0 && n > 3 { 1.0 } else { 0.0 }).collect());
    let base = over.map(|_| 0.25);
    let picture = overlay_contour(&base, Window { black: 0.0, white: 1.0 }, &over, 0.5, [255, 0, 0]);
    let red: Vec<usize> = (0..16).filter(|&n| picture.data()[n] == [255, 0, 0]).collect();
    // The 3 × 3 block in the corner has one inner pixel.
    assert_eq!(red, [5, 6, 7, 9, 11, 13, 14, 15]);
    assert_eq!(picture.data()[0], [64; 3]);
    let bytes = encode_png_rgb(&picture).unwrap();
    assert!(matches!(read_image_bytes("a.png".as_ref(), bytes.clone()), Err(ReadError::Unsupported { .. })));
    // As a picture it is read as it was written; a grey one has three equal colours, and what is no PNG is none.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_png_rgb(&path)
    };
    assert_eq!(at("colour.png", &bytes).unwrap().unwrap().data(), picture.data());
    for depth in [Depth::Eight, Depth::Sixteen] {
        let grey = encode_png_gray(&base, Window { black: 0.0, white: 1.0 }, depth).unwrap();
        let found = at("grey.png", &grey).unwrap().unwrap();
        assert_eq!((found.rows(), found.cols(), found.data()[3]), (4, 4, [0x40; 3]));
        assert!(at("cut.png", &grey[..grey.len() - 20]).is_err());
    }
    assert_eq!(at("none.png", b"P5 1 1 255 a").unwrap(), None);
}

#[test]
fn empty_pictures_are_not_written() {
    let empty = Image::new(0, 4, Vec::new());
    assert!(encode_png_gray(&empty, Window::full(&empty), Depth::Eight).is_err());
    let folder = tempfile::tempdir().unwrap();
    assert!(write_tiff_f32(&folder.path().join("a.tif"), &empty).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A PNG that claims 2^31-1 × 2^31-1 pixels, and one whose claim its few bytes cannot hold.
#[test]
fn bombs_are_refused() {
    let png = encode_png_gray(&ramp(), Window::full(&ramp()), Depth::Eight).unwrap();
    for size in [0x7fff_ffffu32, 100_000] {
        let mut bytes = png.clone();
        bytes[16..20].copy_from_slice(&size.to_be_bytes());
        bytes[20..24].copy_from_slice(&size.to_be_bytes());
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        let sentence = read_image_bytes("a.png".as_ref(), bytes).unwrap_err().to_string();
        assert!(sentence.contains("can hold"), "{sentence}");
    }
}

/// CRC of PNG chunks (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn damaged_pictures_are_survived() {
    let read_png = |bytes| read_image_bytes("a.png".as_ref(), bytes);
    survives(30, 3000, &encode_png_gray(&ramp(), Window::full(&ramp()), Depth::Sixteen).unwrap(), read_png);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    write_tiff_f32(&path, &ramp()).unwrap();
    survives(31, 3000, &std::fs::read(&path).unwrap(), |bytes| read_image_bytes("a.tif".as_ref(), bytes));
}
