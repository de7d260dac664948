//! Records out of lines.
//!
//! A thread of its own reads, so that the sender can see whether more lines are there already (then they
//! share a batch) or whether a person is typing (then each line goes out at once).

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Lines that may wait for the sender.
const QUEUE_LINES: usize = 64;
/// Bytes of the pieces in which the input is handed over; each holds whole lines.
const PIECE_BYTES: usize = 64 << 10;

/// How a line becomes a record.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// What divides key and value; without it a line is a value.
    pub key_separator: Option<String>,
    /// Whether an empty value is null (a tombstone) instead of empty.
    pub empty_is_null: bool,
}

impl Shape {
    /// Key and value of a line. A line without the separator has no key.
    pub fn cut<'a>(&self, line: &'a [u8]) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let cut = self.key_separator.as_ref().and_then(|separator| {
            let separator = separator.as_bytes();
            let at = line.windows(separator.len()).position(|w| w == separator)?;
            Some((&line[..at], &line[at + separator.len()..]))
        });
        let (key, value) = cut.map_or((None, line), |(key, value)| (Some(key), value));
        (key, Some(value).filter(|value| !(value.is_empty() && self.empty_is_null)))
    }
}

/// Pieces of the input, each some whole lines without the last line's end.
pub type Pieces = Receiver<Result<Vec<u8>>>;

/// Starts to read a file, or standard input. The size is that of the file.
pub fn read(file: Option<&PathBuf>) -> Result<(Pieces, Option<u64>)> {
    let (input, size): (Box<dyn Read + Send>, _) = match file {
        Some(path) => {
            let opened = File::open(path).with_context(|| {
                format!("cannot open {}, expected a readable file", path.display())
            })?;
            let size = opened.metadata()?.len();
            (Box::new(opened), Some(size))
        }
        None => (Box::new(io::stdin()), None),
    };
    let (sender, pieces) = sync_channel(QUEUE_LINES);
    thread::spawn(move || {
        let mut input = BufReader::with_capacity(PIECE_BYTES, input);
        // The sender is gone when the command has failed: nobody wants the rest.
        while let Some(piece) = piece(&mut input).context("cannot read the input").transpose() {
            let failed = piece.is_err();
            if sender.send(piece).is_err() || failed {
                return;
            }
        }
    });
    Ok((pieces, size))
}

/// The whole lines that are in the buffer, or else the next line however long it is.
fn piece(input: &mut BufReader<Box<dyn Read + Send>>) -> io::Result<Option<Vec<u8>>> {
    let buffered = input.fill_buf()?;
    if let Some(end) = buffered.iter().rposition(|b| *b == b'\n') {
        let piece = buffered[..end].to_vec();
        input.consume(end + 1);
        return Ok(Some(piece));
    }
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_is_cut_at_the_first_separator() {
        let shape = Shape { key_separator: Some("::".into()), empty_is_null: false };
        assert_eq!(shape.cut(b"k::v::w"), (Some(&b"k"[..]), Some(&b"v::w"[..])));
        assert_eq!(shape.cut(b"no key"), (None, Some(&b"no key"[..])));
        assert_eq!(shape.cut(b"k::"), (Some(&b"k"[..]), Some(&b""[..])));
        let shape = Shape { empty_is_null: true, ..shape };
        assert_eq!(shape.cut(b"k::"), (Some(&b"k"[..]), None));
    }

    #[test]
    fn pieces_hold_every_line_once_however_long() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut text = String::new();
        for i in 0..5_000 {
            text += &format!("{i} {}\n", "x".repeat(i % 50));
        }
        text += &"y".repeat(3 * PIECE_BYTES);
        text += "\n\nlast without an end";
        file.write_all(text.as_bytes()).unwrap();
        let (pieces, size) = read(Some(&file.path().to_owned())).unwrap();
        assert_eq!(size, Some(text.len() as u64));
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|p| p.unwrap()).collect();
        let lines: Vec<&[u8]> = pieces.iter().flat_map(|p| p.split(|b| *b == b'\n')).collect();
        assert_eq!(lines, text.split('\n').map(str::as_bytes).collect::<Vec<_>>());
    }
}
