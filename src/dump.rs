//! `sordini dump`: prints a file of a data directory for people.
//!
//! What a file is follows from its name, and where that does not say, from its first bytes. Reads only; a
//! file that a running broker is writing may be caught half-written and then says so.

use crate::output::{OutputError, print};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use sordini_log::{checkpoint, journal, segment};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// First bytes of a journal file.
const JOURNAL_MAGIC: &[u8] = b"SORDJRNL";

/// `sordini dump`
#[derive(Args, Debug)]
pub struct DumpArgs {
    /// A journal file, segment (.log), offset index (.index), time index (.timeindex), checkpoint, partition.metadata
    file: PathBuf,
}

/// Runs the command.
pub fn run(args: &DumpArgs) -> Result<()> {
    let path = &args.file;
    let bytes = std::fs::read(path).with_context(|| {
        format!("cannot read {}, expected a file of a data directory", path.display())
    })?;
    let bytes = Bytes::from(bytes);
    match Kind::of(path, &bytes)? {
        Kind::Journal => lines(journal::dump(bytes)),
        Kind::Checkpoint => lines(checkpoint::dump(bytes)),
        Kind::Segment => lines(segment::dump_log(bytes)),
        Kind::Index(base) => lines(segment::dump_index(bytes, base)),
        Kind::TimeIndex(base) => lines(segment::dump_timeindex(bytes, base)),
        Kind::Text => Ok(print(&String::from_utf8_lossy(&bytes))?),
    }
}

/// What a file is. Indexes count from the offset in their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Journal,
    Checkpoint,
    Segment,
    Index(u64),
    TimeIndex(u64),
    Text,
}

impl Kind {
    fn of(path: &Path, bytes: &[u8]) -> Result<Kind> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let base = || {
            stem.parse().with_context(|| {
                format!("expected a name such as 00000000000000000000.{extension}, got {name}")
            })
        };
        Ok(match extension {
            "journal" => Kind::Journal,
            "log" => Kind::Segment,
            "index" => Kind::Index(base()?),
            "timeindex" => Kind::TimeIndex(base()?),
            "metadata" => Kind::Text,
            _ if bytes.starts_with(&checkpoint::MAGIC) => Kind::Checkpoint,
            _ if bytes.starts_with(JOURNAL_MAGIC) => Kind::Journal,
            _ => bail!(
                "expected a file of a data directory (journal/*.journal, checkpoint/current, checkpoint/previous, \
                 TOPIC-N/*.log, *.index, *.timeindex, partition.metadata), {} is none",
                path.display()
            ),
        })
    }
}

fn lines(lines: impl Iterator<Item = String>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in lines {
        writeln!(out, "{line}").map_err(OutputError::from)?;
    }
    out.flush().map_err(OutputError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_name_or_else_by_its_first_bytes() {
        let kind = |path: &str, bytes: &[u8]| Kind::of(Path::new(path), bytes).ok();
        assert_eq!(kind("d/journal/00000001.journal", b""), Some(Kind::Journal));
        assert_eq!(kind("d/t-0/00000000000000000012.log", b""), Some(Kind::Segment));
        assert_eq!(kind("d/t-0/00000000000000000012.index", b""), Some(Kind::Index(12)));
        assert_eq!(kind("d/t-0/00000000000000000012.timeindex", b""), Some(Kind::TimeIndex(12)));
        assert_eq!(kind("checkpoint/current", b"SORDCKPT..."), Some(Kind::Checkpoint));
        assert_eq!(kind("a copy", b"SORDJRNL..."), Some(Kind::Journal));
        assert_eq!(kind("passwd", b"root"), None);
        assert_eq!(kind("x.index", b""), None);
    }
}
