//! The distinct rows of a matrix. Covariates of groups (an image's characteristics, seen once for every algorithm) repeat
//! their rows many times; products with the matrix then cost no more than with its distinct rows.

use std::collections::HashMap;

/// Which of the distinct rows each row is.
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct {
    /// For each row the number of its distinct row, in order of appearance.
    pub of_row: Vec<u32>,
    /// For each distinct row the first row that is like it.
    pub first: Vec<u32>,
}

/// The distinct rows of columns that stand one after the other, or nothing where there are more than `most`.
pub fn distinct_rows(rows: usize, columns: usize, values: &[f64], most: usize) -> Option<Distinct> {
    let mut keys = vec![0u64; rows];
    for column in values.chunks_exact(rows.max(1)).take(columns) {
        for (key, value) in keys.iter_mut().zip(column) {
            // An odd multiplier with well-mixed bits (the golden ratio, Knuth 1973); the turn brings high bits down.
            *key = (key.rotate_left(23) ^ value.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }
    let mut number_of: HashMap<u64, u32> = HashMap::new();
    let mut distinct = Distinct { of_row: Vec::with_capacity(rows), first: Vec::new() };
    for i in 0..rows {
        if i > 0 && keys[i] == keys[i - 1] {
            distinct.of_row.push(distinct.of_row[i - 1]);
            continue;
        }
        let number = *number_of.entry(keys[i]).or_insert_with(|| {
            distinct.first.push(i as u32);
            distinct.first.len() as u32 - 1
        });
        if distinct.first.len() > most {
            return None;
        }
        distinct.of_row.push(number);
    }
    // Two unlike rows with the same key would be taken for one: then there is no short form.
    let alike = values.chunks_exact(rows.max(1)).take(columns).all(|column| {
        column.iter().zip(&distinct.of_row).all(|(v, &d)| *v == column[distinct.first[d as usize] as usize])
    });
    alike.then_some(distinct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_alike_in_every_column_have_one_number() {
        let values = [1.0, 2.0, 1.0, 1.0, 2.0, 5.0, 5.0, 5.0, 6.0, 5.0];
        let distinct = distinct_rows(5, 2, &values, 3).unwrap();
        assert_eq!(distinct.of_row, [0, 1, 0, 2, 1]);
        assert_eq!(distinct.first, [0, 1, 3]);
        assert_eq!(distinct_rows(5, 2, &values, 2), None);
        assert_eq!(distinct_rows(0, 2, &[], 2).unwrap().first.len(), 0);
    }
}
