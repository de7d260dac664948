//! A row for each type of the seam.

use super::recording::Birth;
use super::{DecodeError, Decoding, EncodeError, Encoding, Sink, Traced, read_bytes, write_bytes};
use crate::limits::Limits;
use crate::seam::{
    Body, CloseReason, Completion, ConnId, DiskError, DiskErrorKind, DiskOp, Done, Event, Fact,
    FileName, FileSlice, Generation, ListenerId, LogId, Mono, NetOp, Now, Offset, Part, Wall,
};
use bytes::{Bytes, BytesMut};
use smallvec::{Array, SmallVec};
use sordini_log::disk::{
    Block, Data, DirEntry, DirName, DiskOk, Found, LogFile, OpKind, Query, SegmentStep,
};
use sordini_log::journal::JournalConfig;
use sordini_log::{GroupSeq, LogDir, StorageConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use zerocopy::IntoBytes;

/// The fields of a struct.
macro_rules! fields {
    ($type:ty { $($field:tt),* $(,)? }) => {
        impl Traced for $type {
            #[inline]
            fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
                $(self.$field.write(to)?;)*
                Ok(())
            }
            #[inline]
            fn read(from: &mut Decoding<'_, '_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: Traced::read(from)?),* })
            }
        }
    };
}

/// The variants of an enum, with their numbers.
macro_rules! variants {
    ($type:ty {
        $($number:literal $name:ident $(($($item:ident),*))? $({$($field:ident),*})?),* $(,)?
    }) => {
        impl Traced for $type {
            fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
                match self {
                    $(Self::$name $(($($item),*))? $({$($field),*})? => {
                        ($number as u8).write(to)?;
                        $($($item.write(to)?;)*)?
                        $($($field.write(to)?;)*)?
                        Ok(())
                    })*
                }
            }
            fn read(from: &mut Decoding<'_, '_>) -> Result<Self, DecodeError> {
                Ok(match u8::read(from)? {
                    $($number => {
                        $($(let $item = Traced::read(from)?;)*)?
                        $($(let $field = Traced::read(from)?;)*)?
                        Self::$name $(($($item),*))? $({$($field),*})?
                    })*
                    other => {
                        let what = format!("no {} has the number {other}", stringify!($type));
                        return Err(DecodeError::OtherString(what));
                    }
                })
            }
        }
    };
}

fields!(Mono { 0 });
fields!(Wall { 0 });
fields!(Now { mono, wall, disk_free });
fields!(ConnId { 0 });
fields!(ListenerId { 0 });
fields!(LogId { 0 });
fields!(Offset { 0 });
fields!(GroupSeq { 0 });
fields!(Generation { boot, cut });
fields!(LogDir { name, log });
fields!(FileSlice { file, at, len, base, next });
fields!(DirEntry { name, is_dir, len });
fields!(DiskError { kind, detail });
fields!(Completion { done, result });
fields!(DiskOp { kind, done });
fields!(Body { parts });

variants!(CloseReason {
    0 Peer,
    1 Error(why),
    2 Refused(why),
    3 BadFile,
    4 Shutdown,
    5 Idle,
});

variants!(Event {
    0 Boot,
    1 Opened { conn, listener, peer },
    2 Bytes { conn, bytes },
    3 Sent { conn, bytes },
    4 Closed { conn, why },
    5 FileFailed { log, generation, slice, error },
    6 Disk(completion),
    7 Shutdown,
    8 Tick,
});

variants!(Part {
    0 Memory(bytes),
    1 File { log, generation, slice },
});

variants!(NetOp {
    0 Send { conn, body },
    1 Expect { conn, bytes },
    2 ReadOff { conn },
    3 ReadOn { conn },
    4 Close { conn, why },
    5 Listen,
    6 Deafen,
});

variants!(Fact {
    0 Recovered { boot, logs, groups, replayed_bytes },
    1 Warning(what),
    2 Fatal(why),
    3 Drained,
    4 PartitionCreated { topic, partition, log },
    5 PartitionDeleted { log },
    6 HighWatermark { log, offset },
    7 ReadOnly(on),
    8 Faulty { log, from, to },
    9 Client { conn, what },
});

variants!(LogFile {
    0 Metadata,
    1 Segment(base),
    2 Index(base),
    3 TimeIndex(base),
});

variants!(FileName {
    0 Journal(number),
    1 Checkpoint,
    2 CheckpointNext,
    3 CheckpointPrevious,
    4 Log(dir, file),
});

variants!(DirName {
    0 Root,
    1 Journal,
    2 Checkpoint,
    3 Log(dir),
    4 Deleted(dir),
});

variants!(Data {
    0 Blocks(blocks),
    1 Slices(slices),
});

variants!(Query {
    0 Range { offset, until, bytes_max },
    1 Time { timestamp, from, until },
    2 TimeMax { from, until },
    3 Damage { from, until, bytes_max },
    4 Reindex { interval_bytes },
});

variants!(Found {
    0 Range { at, len, base, next },
    1 Record { offset, timestamp, leader_epoch },
    2 Damage { from, to },
    3 Indexes { index, time },
    4 Nothing,
});

variants!(OpKind {
    0 Create { file, len },
    1 Write { file, at, data, sync },
    2 Sync { file },
    3 Truncate { file, len },
    4 Rename { from, to },
    5 RenameDir { from, to },
    6 Unlink { file },
    7 MakeDir { dir },
    8 RemoveDir { dir },
    9 SyncDir { dir },
    10 List { dir },
    11 Read { file, at, len },
    12 Find { dir, segment, len, query },
});

variants!(Done {
    0 Group(seq),
    1 JournalFile(number),
    2 Boot(number),
    3 Segment { log, generation, step },
    4 Checkpoint { number, step },
    5 Remove { log, step },
    6 Ticket(ticket),
    7 Nothing,
});

variants!(SegmentStep {
    0 Looked,
    1 Made,
    2 Written { next },
    3 Synced { next },
});

variants!(DiskOk {
    0 Unit,
    1 Bytes(bytes),
    2 Entries(entries),
    3 Found(found),
});

variants!(DiskErrorKind {
    0 NotFound,
    1 Full,
    2 Io,
    3 Corrupt,
    4 Stale,
});

fields!(Limits {
    request_bytes_max,
    requests_in_flight_max,
    unsent_bytes_max,
    fetch_bytes_max,
    fetch_sessions_max,
    partitions_max,
    producers_per_partition_max,
    fetch_wait_ms_max,
});

fields!(StorageConfig {
    journal,
    cache_bytes_max,
    write_bytes_min,
    write_linger_ms,
    piece_bytes_max,
    piece_grain_bytes,
    sync_bytes_max,
    backlog_bytes_max,
    pieces_max,
    reserve_bytes,
    retry_ms,
});

fields!(Birth { program, seed, given, disk_bytes, limits, storage });

fields!(JournalConfig { bytes, file_bytes, first_file_bytes, group_bytes_max, queue_bytes_max });

impl Traced for Bytes {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        write_bytes(self, to)
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<Bytes, DecodeError> {
        Ok(Bytes::copy_from_slice(read_bytes(from)?))
    }
}

impl Traced for BytesMut {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        write_bytes(self, to)
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<BytesMut, DecodeError> {
        Ok(BytesMut::from(read_bytes(from)?))
    }
}

impl Traced for String {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        write_bytes(self.as_bytes(), to)
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<String, DecodeError> {
        let text = std::str::from_utf8(read_bytes(from)?);
        Ok(text.map_err(|e| DecodeError::OtherString(e.to_string()))?.to_owned())
    }
}

impl Traced for Arc<str> {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        write_bytes(self.as_bytes(), to)
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<Arc<str>, DecodeError> {
        String::read(from).map(Arc::from)
    }
}

impl Traced for Arc<Vec<Block>> {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        write_bytes(self.as_bytes(), to)
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<Arc<Vec<Block>>, DecodeError> {
        let (blocks, rest) = read_bytes(from)?.as_chunks();
        if !rest.is_empty() {
            return Err(DecodeError::Other("expected whole blocks"));
        }
        Ok(Arc::new(blocks.iter().map(|block| Block(*block)).collect()))
    }
}

impl<T: Traced> Traced for Vec<T> {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        (self.len() as u64).write(to)?;
        self.iter().try_for_each(|item| item.write(to))
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<Vec<T>, DecodeError> {
        // Not collected with its length: that may be anything.
        let mut items = Vec::new();
        for _ in 0..u64::read(from)? {
            items.push(T::read(from)?);
        }
        Ok(items)
    }
}

impl<A: Array<Item: Traced>> Traced for SmallVec<A> {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        (self.len() as u64).write(to)?;
        self.iter().try_for_each(|item| item.write(to))
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<SmallVec<A>, DecodeError> {
        Ok(Vec::read(from)?.into())
    }
}

impl<T: Traced> Traced for Option<T> {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        self.is_some().write(to)?;
        self.iter().try_for_each(|item| item.write(to))
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<Option<T>, DecodeError> {
        Ok(if bool::read(from)? { Some(T::read(from)?) } else { None })
    }
}

impl<T: Traced, E: Traced> Traced for Result<T, E> {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        self.is_ok().write(to)?;
        match self {
            Ok(value) => value.write(to),
            Err(error) => error.write(to),
        }
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<Result<T, E>, DecodeError> {
        Ok(if bool::read(from)? { Ok(T::read(from)?) } else { Err(E::read(from)?) })
    }
}

impl Traced for BTreeMap<String, String> {
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
        (self.len() as u64).write(to)?;
        self.iter().try_for_each(|(key, value)| key.write(to).and_then(|()| value.write(to)))
    }
    fn read(from: &mut Decoding<'_, '_>) -> Result<BTreeMap<String, String>, DecodeError> {
        let count = u64::read(from)?;
        (0..count).map(|_| Ok((String::read(from)?, String::read(from)?))).collect()
    }
}
