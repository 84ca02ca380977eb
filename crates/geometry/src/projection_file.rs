//! Plain-text projection matrices: three lines of four numbers, separated by blanks or commas; `#` begins a
//! comment. The matrix carries homogeneous LPS world points (mm) to homogeneous (column, row, 1); see
//! [`crate::Camera::from_projection_matrix`] for what it leaves open.

use crate::file::{FileError, Problem, read_text, write_renamed};
use nalgebra::Matrix3x4;
use std::path::Path;

/// Reads a projection matrix.
pub fn read(path: &Path) -> Result<Matrix3x4<f64>, FileError> {
    parse(&read_text(path)?).map_err(|problem| problem.in_file(path))
}

/// Writes a projection matrix (temporary name, then renamed); numbers come back exactly as they are.
pub fn write(path: &Path, projection: &Matrix3x4<f64>) -> Result<(), FileError> {
    write_renamed(path, to_text(projection).as_bytes())
}

/// The projection matrix in a text.
pub fn parse(text: &str) -> Result<Matrix3x4<f64>, Problem> {
    let mut matrix = Matrix3x4::zeros();
    let mut row = 0;
    for (n, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let numbers: Vec<&str> = content.split([',', ' ', '\t', '\r']).filter(|word| !word.is_empty()).collect();
        if numbers.is_empty() {
            continue;
        }
        let field = format!("row {} of the projection matrix", row + 1);
        if row == 3 || numbers.len() != 4 {
            return Err(Problem::value(Some(n + 1), field, content, "three lines of four numbers"));
        }
        for (col, word) in numbers.into_iter().enumerate() {
            let number = word.parse::<f64>().ok().filter(|v| v.is_finite());
            matrix[(row, col)] = number.ok_or_else(|| Problem::value(Some(n + 1), &field, word, "a finite number"))?;
        }
        row += 1;
    }
    if row < 3 {
        return Err(Problem::Meaning(format!(
            "it holds {row} lines of numbers, accepted are three lines of four numbers"
        )));
    }
    Ok(matrix)
}

/// The text of a projection matrix.
pub fn to_text(projection: &Matrix3x4<f64>) -> String {
    projection.row_iter().map(|r| format!("{:?} {:?} {:?} {:?}\n", r[0], r[1], r[2], r[3])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_matrices_come_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.txt");
        let matrix = Matrix3x4::from_fn(|r, c| (r as f64 + 0.1) / (c as f64 + 0.7) * 1e-7);
        write(&path, &matrix).unwrap();
        assert_eq!(read(&path).unwrap(), matrix);
    }

    #[test]
    fn commas_comments_and_empty_lines_are_read() {
        let matrix = parse("# view 1\n\n1, 2,3 ,4\n5 6 7 8 # middle\n\t9 10 11 12\r\n").unwrap();
        assert_eq!(matrix, Matrix3x4::from_fn(|r, c| (4 * r + c + 1) as f64));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, said) in [
            ("", "it holds 0 lines"),
            ("1 2 3 4\n5 6 7 8\n", "it holds 2 lines"),
            ("1 2 3\n", "line 1, row 1 of the projection matrix: found \"1 2 3\""),
            ("1 2 3 4\n5 6 x 8\n", "line 2, row 2 of the projection matrix: found \"x\""),
            ("1 2 3 4\n5 6 nan 8\n", "found \"nan\", accepted is a finite number"),
            ("1 2 3 4\n5 6 7 8\n9 9 9 9\n1 1 1 1\n", "line 4"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(said), "{text}: {message}");
        }
    }
}
