//! A journal file in words, for `sordini dump`.

use super::block::{self, Found};
use super::files::{self, FileHeader};
use super::frame::Frame;
use super::group::Footer;
use crate::disk::BLOCK_BYTES;
use bytes::Bytes;

/// Lines that say what the bytes of one journal file are: its header, each group with its frames
/// and its footer, and each stretch of blocks that is no whole group. Believes nothing that a
/// checksum does not prove.
pub fn dump(bytes: Bytes) -> impl Iterator<Item = String> {
    let count = bytes.len().div_ceil(BLOCK_BYTES);
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= count {
            return None;
        }
        let (lines, next) = piece(&bytes, at, count);
        at = next;
        Some(lines)
    })
    .flatten()
}

/// What begins at block `at`, and the block after it.
fn piece(bytes: &Bytes, at: usize, count: usize) -> (Vec<String>, usize) {
    let Some(block) = bytes.get(at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES) else {
        return (vec![format!("block {at}: only {} bytes", bytes.len() % BLOCK_BYTES)], count);
    };
    if at == 0 {
        return (vec![header(block)], 1);
    }
    let found = block::read(block);
    if let Found::Valid(head) = found {
        if head.index == 0
            && let Some(lines) = group(bytes, at, head)
        {
            return (lines, at + head.blocks as usize);
        }
        let block::Head { lap, lsn, group, index, blocks, file, at: place } = head;
        let (group, lsn) = (group.0, lsn.0);
        let mut line =
            format!("block {at}: {index} of {blocks} of group {group} (LSN {lsn}, lap {lap})");
        line += ", which is not whole here";
        if place as usize != at {
            line += &format!("; written for file {file} block {place}");
        }
        return (vec![line], at + 1);
    }
    let same = |i: &usize| {
        let block = bytes.get(i * BLOCK_BYTES..(i + 1) * BLOCK_BYTES);
        found == Found::Zero && block.is_some_and(|b| block::read(b) == Found::Zero)
    };
    let end = (at + 1..count).take_while(same).last().map_or(at + 1, |last| last + 1);
    let line = match found {
        Found::Zero => format!("blocks {at}..{end}: zero, never written"),
        _ => format!("block {at}: bad checksum, laps of its sectors {:?}", block::tags(block)),
    };
    (vec![line], end)
}

fn header(block: &[u8]) -> String {
    match files::read_header(block) {
        FileHeader::Good { file, blocks } => {
            format!("journal file {file}, format {}, {blocks} blocks", files::FORMAT_VERSION)
        }
        FileHeader::Version(v) => {
            format!("journal file of format {v}, which this program does not know")
        }
        FileHeader::Zero => "no header: the file was never finished".into(),
        FileHeader::Damaged => "a journal file's header with a bad checksum".into(),
        FileHeader::Foreign => "not a journal file".into(),
    }
}

/// The lines of the group that begins at block `at`, if all its blocks are there.
fn group(bytes: &Bytes, at: usize, first: block::Head) -> Option<Vec<String>> {
    let mut payload = vec![];
    for index in 0..first.blocks {
        let start = (at + index as usize) * BLOCK_BYTES;
        let block = bytes.get(start..start + BLOCK_BYTES)?;
        if block::read(block) != Found::Valid(first.nth(index)) {
            return None;
        }
        block::unstripe(block, &mut payload);
    }
    let payload = Bytes::from(payload);
    let block::Head { lap, lsn, group, blocks, .. } = first;
    let mut lines =
        vec![format!("block {at}: group {} (LSN {}, lap {lap}, {blocks} blocks)", group.0, lsn.0)];
    let Some(footer) = Footer::decode(&payload) else {
        lines.push("  no footer that can be believed".into());
        return Some(lines);
    };
    let frames = payload.slice(..footer.frames_bytes as usize);
    let mut next = 0;
    while next < frames.len() {
        match Frame::decode(&frames, next) {
            Ok((frame, end)) => {
                let wrong = frame.prove(next).err().map(|e| format!("; {e}")).unwrap_or_default();
                let id = frame.identity(next as u32, &frame.head());
                lines.push(format!("  byte {next}: {id}, {} bytes{wrong}", end - next));
                next = end;
            }
            Err(e) => {
                lines.push(format!("  {e}"));
                break;
            }
        }
    }
    let echo = footer.echo();
    let mut before: Vec<String> = echo.entries.iter().map(|e| e.to_string()).collect();
    match (before.is_empty(), echo.whole) {
        (_, false) => before.push("perhaps more".into()),
        (true, true) => before.push("nothing".into()),
        (false, true) => {}
    }
    let wall =
        footer.wall.map(|wall| format!(", written {} ms after 1970", wall.0)).unwrap_or_default();
    lines.push(format!(
        "  footer{wall}: {} frames, synced through group {}; the group before held {}",
        footer.frames,
        footer.synced_through.0,
        before.join(", "),
    ));
    Some(lines)
}
