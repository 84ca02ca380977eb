//! Whether every quotation mark of a CSV text is closed.
//!
//! A mark that is never closed makes one cell of all that follows it: the rows vanish without a word. A reader of CSV
//! takes that for a cell that ends with the text, so the marks are watched here while the text goes by.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

/// Where a text is in its quotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a cell, where a mark opens one.
    Start,
    /// In a cell without marks.
    Plain,
    /// In a cell that a mark opened.
    Quoted,
    /// After a mark in such a cell: it was the end, or the first half of a doubled one.
    Mark,
}

/// Passes bytes on and watches their quotation marks.
pub struct QuoteWatch<R> {
    source: R,
    separator: u8,
    state: State,
    line: u64,
    opened: u64,
    /// The line of the mark that is open.
    open: Rc<Cell<Option<u64>>>,
}

impl<R: Read> QuoteWatch<R> {
    /// A watch over a source, and what it finds: while a cell is open the line (from 1) in which it was opened.
    pub fn new(source: R, separator: u8) -> (Self, Rc<Cell<Option<u64>>>) {
        let open = Rc::new(Cell::new(None));
        (Self { source, separator, state: State::Start, line: 1, opened: 0, open: open.clone() }, open)
    }

    fn watch(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.line += u64::from(byte == b'\n');
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Mark,
                (State::Quoted, _) => State::Quoted,
                (State::Mark, b'"') => State::Quoted,
                (State::Start, b'"') => {
                    self.opened = self.line;
                    State::Quoted
                }
                (_, b'\n' | b'\r') => State::Start,
                (_, byte) if byte == self.separator => State::Start,
                // A byte-order mark before the first cell.
                (State::Start, 0xef | 0xbb | 0xbf) if self.line == 1 => State::Start,
                _ => State::Plain,
            };
        }
        self.open.set((self.state == State::Quoted).then_some(self.opened));
    }
}

impl<R: Read> Read for QuoteWatch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.watch(&buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_is_never_closed_is_found_with_its_line() {
        for (text, expected) in [
            ("a,b\n1,\"x\"\n", None),
            ("a,b\n1,\"x\n2,y\n", Some(2)),
            ("a,b\n1,\"x\"\"\n2,y\n", Some(2)),
            ("a,b\n1,\"x\"\"\"\n2,y\n", None),
            ("a,b\n1,6\" nail\n2,\"y, \"\"z\"\"\"\n", None),
            ("\u{feff}\"a\",b\n\"1\n,2\n", Some(2)),
            ("a;b\r\n1;\"x\r\n", Some(2)),
            ("", None),
        ] {
            let separator = if text.contains(';') { b';' } else { b',' };
            let (mut watch, open) = QuoteWatch::new(text.as_bytes(), separator);
            std::io::copy(&mut watch, &mut std::io::sink()).unwrap();
            assert_eq!(open.get(), expected, "{text:?}");
        }
    }
}
