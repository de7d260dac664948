//! The kernel's questions, put to the [`Model`].

use crate::model::{CTL, Model, Naming, ROOT};
use fuser::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The kernel remembers nothing: a power loss changes names and lengths behind its back.
const TTL: Duration = Duration::ZERO;
const BLOCK: usize = 4096;

pub struct Lossy {
    model: Model,
    /// Whether writes through an open file are durable at once.
    durable_writes: BTreeMap<u64, bool>,
    next_handle: u64,
}

impl Lossy {
    pub fn new(model: Model) -> Lossy {
        Lossy { model, durable_writes: BTreeMap::new(), next_handle: 1 }
    }

    fn attr(&self, number: u64) -> Option<FileAttr> {
        let node = self.model.nodes.get(&number)?;
        Some(FileAttr {
            ino: number,
            size: node.data.len() as u64,
            blocks: (node.data.len() as u64).div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: SystemTime::now(),
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: kind(node.dir),
            perm: node.mode,
            nlink: if node.dir { 2 } else { 1 },
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK as u32,
            flags: 0,
        })
    }

    fn kid(&self, dir: u64, name: &OsStr) -> Option<u64> {
        self.model.nodes.get(&dir)?.kids.get(name).copied()
    }

    fn handle(&mut self, flags: i32) -> u64 {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.durable_writes.insert(handle, flags & (libc::O_DSYNC | libc::O_SYNC) != 0);
        handle
    }

    fn write_to(&mut self, number: u64, handle: u64, at: usize, data: &[u8]) -> Result<(), i32> {
        if number == CTL {
            let understood = self.model.control(&String::from_utf8_lossy(data));
            return if understood { Ok(()) } else { Err(libc::EINVAL) };
        }
        self.model.write(number, at, data)?;
        match self.durable_writes.get(&handle) {
            Some(true) => self.model.sync(number),
            _ => Ok(()),
        }
    }
}

fn kind(dir: bool) -> FileType {
    if dir { FileType::Directory } else { FileType::RegularFile }
}

fn answer(reply: ReplyEmpty, result: Result<(), i32>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Lossy {
    fn lookup(&mut self, _: &Request, dir: u64, name: &OsStr, reply: ReplyEntry) {
        let control = dir == ROOT && name == ".ctl";
        let found = if control { Some(CTL) } else { self.kid(dir, name) };
        match found.and_then(|number| self.attr(number)) {
            Some(attr) => reply.entry(&TTL, &attr, 0),
            None => reply.error(libc::ENOENT),
        }
    }

    fn getattr(&mut self, _: &Request, number: u64, _: Option<u64>, reply: ReplyAttr) {
        match self.attr(number) {
            Some(attr) => reply.attr(&TTL, &attr),
            None => reply.error(libc::ENOENT),
        }
    }

    fn setattr(
        &mut self,
        _: &Request,
        number: u64,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<u64>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<u32>,
        reply: ReplyAttr,
    ) {
        let Some(node) = self.model.nodes.get_mut(&number) else {
            return reply.error(libc::ENOENT);
        };
        if let Some(mode) = mode {
            node.mode = mode as u16 & 0o7777;
        }
        if let Some(size) = size.filter(|_| number != CTL)
            && let Err(error) = self.model.resize(number, size as usize)
        {
            return reply.error(error);
        }
        reply.attr(&TTL, &self.attr(number).expect("it is there"));
    }

    fn mkdir(&mut self, _: &Request, dir: u64, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        if self.kid(dir, name).is_some() {
            return reply.error(libc::EEXIST);
        }
        match self.model.make(dir, name, mode as u16, true) {
            Ok(number) => reply.entry(&TTL, &self.attr(number).expect("just made"), 0),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &mut self,
        _: &Request,
        dir: u64,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        match self.model.make(dir, name, mode as u16, false) {
            Ok(number) => {
                let handle = self.handle(flags);
                let attr = self.attr(number).expect("just made");
                reply.created(&TTL, &attr, 0, handle, consts::FOPEN_DIRECT_IO);
            }
            Err(error) => reply.error(error),
        }
    }

    fn open(&mut self, _: &Request, _: u64, flags: i32, reply: ReplyOpen) {
        let handle = self.handle(flags);
        reply.opened(handle, consts::FOPEN_DIRECT_IO);
    }

    fn release(
        &mut self,
        _: &Request,
        _: u64,
        handle: u64,
        _flags: i32,
        _owner: Option<u64>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.durable_writes.remove(&handle);
        reply.ok();
    }

    fn unlink(&mut self, _: &Request, dir: u64, name: &OsStr, reply: ReplyEmpty) {
        match self.kid(dir, name) {
            Some(_) => {
                self.model.name(Naming::Unlink(dir, name.into()));
                reply.ok();
            }
            None => reply.error(libc::ENOENT),
        }
    }

    fn rmdir(&mut self, _: &Request, dir: u64, name: &OsStr, reply: ReplyEmpty) {
        match self.kid(dir, name).and_then(|number| self.model.nodes.get(&number)) {
            None => reply.error(libc::ENOENT),
            Some(node) if !node.kids.is_empty() => reply.error(libc::ENOTEMPTY),
            Some(_) => {
                self.model.name(Naming::Unlink(dir, name.into()));
                reply.ok();
            }
        }
    }

    fn rename(
        &mut self,
        _: &Request,
        from: u64,
        name: &OsStr,
        to: u64,
        new: &OsStr,
        _flags: u32,
        reply: ReplyEmpty,
    ) {
        match self.kid(from, name) {
            Some(_) => {
                self.model.name(Naming::Move(from, name.into(), to, new.into()));
                reply.ok();
            }
            None => reply.error(libc::ENOENT),
        }
    }

    fn read(
        &mut self,
        _: &Request,
        number: u64,
        _handle: u64,
        at: i64,
        len: u32,
        _flags: i32,
        _owner: Option<u64>,
        reply: ReplyData,
    ) {
        if number == CTL {
            let text = self.model.counters();
            return reply.data(text.as_bytes().get(at as usize..).unwrap_or_default());
        }
        match self.model.read(number, at as usize, len as usize) {
            Ok(data) => reply.data(data),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &mut self,
        _: &Request,
        number: u64,
        handle: u64,
        at: i64,
        data: &[u8],
        _write_flags: u32,
        _flags: i32,
        _owner: Option<u64>,
        reply: ReplyWrite,
    ) {
        match self.write_to(number, handle, at as usize, data) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(
        &mut self,
        _: &Request,
        number: u64,
        _handle: u64,
        at: i64,
        len: i64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode & !libc::FALLOC_FL_KEEP_SIZE != 0 {
            return reply.error(libc::EOPNOTSUPP);
        }
        let wanted = (at + len) as usize;
        let grows =
            mode == 0 && self.model.nodes.get(&number).is_some_and(|n| n.data.len() < wanted);
        answer(reply, if grows { self.model.resize(number, wanted) } else { Ok(()) });
    }

    fn fsync(&mut self, _: &Request, number: u64, _: u64, _: bool, reply: ReplyEmpty) {
        answer(reply, self.model.sync(number));
    }

    fn fsyncdir(&mut self, _: &Request, number: u64, _: u64, _: bool, reply: ReplyEmpty) {
        answer(reply, self.model.sync(number));
    }

    fn flush(&mut self, _: &Request, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        reply.ok();
    }

    fn opendir(&mut self, _: &Request, _: u64, _: i32, reply: ReplyOpen) {
        reply.opened(0, 0);
    }

    fn readdir(&mut self, _: &Request, dir: u64, _: u64, at: i64, mut reply: ReplyDirectory) {
        let Some(node) = self.model.nodes.get(&dir) else { return reply.error(libc::ENOENT) };
        let own = [(dir, true, OsStr::new(".")), (node.parent, true, OsStr::new(".."))];
        let is_dir = |number: &u64| self.model.nodes[number].dir;
        let kids = node.kids.iter().map(|(name, n)| (*n, is_dir(n), name.as_os_str()));
        for (place, (number, dir, name)) in
            own.into_iter().chain(kids).enumerate().skip(at as usize)
        {
            if reply.add(number, place as i64 + 1, kind(dir), name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&mut self, _: &Request, _: u64, reply: ReplyStatfs) {
        let blocks = (self.model.capacity() / BLOCK) as u64;
        let free = (self.model.free() / BLOCK) as u64;
        reply.statfs(blocks, free, free, 1 << 20, 1 << 20, BLOCK as u32, 255, BLOCK as u32);
    }
}
