//! The guard: a mapped file that is truncated while it is read gives zeros instead of killing the
//! process.
//!
//! A thread that touches a page of a mapping that the file no longer has, or that the disk cannot
//! read, gets the signal SIGBUS, which by default kills the process. Here a handler replaces the
//! whole mapping by zeros and counts the fault. Zeros fail every check, so the read takes another
//! way or fails, and [`faults`] shows the reason. Every mapping of a database is guarded: our own,
//! and SQLite's, because SQLite calls our functions instead of the system's. Other signals go to
//! earlier handlers.

#![expect(unsafe_code, reason = "a signal handler, and functions that SQLite calls in place of the system's")]

use crate::os::clock::{POLL_INTERVAL, now};
use crate::sqlite::system_calls::{self, Call};
use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, off_t, siginfo_t, size_t};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};

/// The size of the table: more than the mappings that Linux allows a process by default, 65,530.
/// Files outside the table are not mapped.
const MAX_MAPPINGS: usize = 1 << 16;

/// The number of fault counters; files share one if the hashes of their numbers agree in these
/// bits.
const FAULT_COUNTERS: usize = 1 << 10;

/// A guarded mapping. The handler may interrupt any code, so these numbers are atomic and there is
/// no lock.
struct Guarded {
    /// 0 if the entry is free, [`CLAIMED`] while it is being filled or cleared.
    start: AtomicUsize,
    end: AtomicUsize,
    count: AtomicUsize,
}

/// A number above every address.
const CLAIMED: usize = usize::MAX;

static TABLE: [Guarded; MAX_MAPPINGS] =
    [const { Guarded { start: AtomicUsize::new(0), end: AtomicUsize::new(0), count: AtomicUsize::new(0) } };
        MAX_MAPPINGS];

/// The first entry that may be free.
static FIRST_FREE: AtomicUsize = AtomicUsize::new(0);

/// The first entry that was never used, like all after it.
static USED: AtomicUsize = AtomicUsize::new(0);

static FAULTS: [AtomicU32; FAULT_COUNTERS] = [const { AtomicU32::new(0) }; FAULT_COUNTERS];

/// An entry in the table.
#[derive(Debug)]
pub(crate) struct Guard(usize);

impl Guard {
    /// Guards a mapping of `file` until the guard is dropped, which must happen before the mapping
    /// is removed; `None` if there are too many.
    pub(crate) fn new(start: usize, len: usize, file: &File) -> Option<Guard> {
        install();
        guard(start, len, count_of(file.as_raw_fd())).map(Guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        clear(self.0);
    }
}

/// Returns how often a mapping of the file with this device and inode number was replaced by zeros
/// since the process began.
#[inline]
pub(crate) fn faults((device, number): (u64, u64)) -> u32 {
    FAULTS[count_at(device, number)].load(SeqCst)
}

fn count_at(device: u64, number: u64) -> usize {
    (device.rotate_left(32) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> 54
        & (FAULT_COUNTERS - 1)
}

/// Returns the index of an open file's fault counter.
fn count_of(descriptor: c_int) -> usize {
    // SAFETY: all bits zero are a `stat`.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the system writes one `stat` there, or nothing if there is no such descriptor.
    match unsafe { libc::fstat(descriptor, &raw mut found) } {
        0 => count_at(found.st_dev, found.st_ino),
        _ => 0,
    }
}

fn guard(start: usize, len: usize, count: usize) -> Option<usize> {
    let first = FIRST_FREE.load(SeqCst);
    let is_claimed = |&place: &usize| TABLE[place].start.compare_exchange(0, CLAIMED, SeqCst, SeqCst).is_ok();
    // Start again, if another thread has set it too high meanwhile.
    let place = (first..MAX_MAPPINGS).chain(0..first).find(is_claimed)?;
    FIRST_FREE.store(place + 1, SeqCst);
    USED.fetch_max(place + 1, SeqCst);
    let guarded = &TABLE[place];
    guarded.count.store(count, SeqCst);
    guarded.end.store(start + len, SeqCst);
    guarded.start.store(start, SeqCst);
    Some(place)
}

fn clear(place: usize) {
    TABLE[place].start.store(CLAIMED, SeqCst);
    TABLE[place].end.store(0, SeqCst);
    TABLE[place].start.store(0, SeqCst);
    FIRST_FREE.fetch_min(place, SeqCst);
}

/// Returns the guarded mappings: their entries, first addresses and ends.
fn guarded() -> impl Iterator<Item = (usize, usize, usize)> {
    let load = |place: usize| (place, TABLE[place].start.load(SeqCst), TABLE[place].end.load(SeqCst));
    (0..USED.load(SeqCst)).map(load).filter(|(_, start, end)| start < end)
}

/// Replaces the mapping with this address by zeros, if it is guarded.
fn replace(address: usize) -> bool {
    let Some((place, start, end)) = guarded().find(|(_, start, end)| (*start..*end).contains(&address))
    else {
        return false;
    };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the mapping exists, since it is being read at this moment, and stays as long as it is
    // guarded. Its readers expect that its bytes may change at any time, so also to zeros; `mmap`
    // is a system call.
    let new = unsafe { libc::mmap(start as *mut c_void, end - start, libc::PROT_READ, flags, -1, 0) };
    FAULTS[TABLE[place].count.load(SeqCst)].fetch_add(1, SeqCst);
    new != libc::MAP_FAILED
}

/// A handler of SIGBUS that ours has replaced, and an earlier one.
struct ReplacedHandler {
    action: libc::sigaction,
    before: *mut ReplacedHandler,
}

/// The newest replaced handler.
static REPLACED: AtomicPtr<ReplacedHandler> = AtomicPtr::new(ptr::null_mut());

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the system calls this with the information about the signal, which has an address for
    // a fault.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // Signals that a process has sent have no positive code.
    if code <= 0 || !replace(address) {
        restore_handler(signal, code <= 0);
    }
    Errno::set_raw(errno);
}

/// Restores the handler before ours and lets it treat the signal.
///
/// Calling the other handler would not work: Python's `faulthandler` prints a traceback, restores
/// the handler that it found, which may be ours, and sends the signal again.
fn restore_handler(signal: c_int, is_sent: bool) {
    let before = REPLACED.load(SeqCst);
    // SAFETY: all bits zero are a `sigaction`: the default, no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: it is null or from `Box::leak`, and is never freed.
    if let Some(before) = unsafe { before.as_ref() } {
        action = before.action;
        REPLACED.store(before.before, SeqCst);
    }
    // SAFETY: `action` was this signal's before, or is the default; both calls are allowed in a
    // handler.
    unsafe {
        libc::sigaction(signal, &raw const action, ptr::null_mut());
        if is_sent {
            // A fault repeats by itself.
            libc::raise(signal);
        }
    }
}

/// Installs the handler unless it is installed. Checked now and then, because others, such as
/// PyTorch in a loader's workers, install theirs.
pub(crate) fn install() {
    static LOOKED: AtomicU64 = AtomicU64::new(0);
    let now = now().as_millis() as u64;
    if now.saturating_sub(LOOKED.load(SeqCst)) < POLL_INTERVAL.as_millis() as u64 {
        return;
    }
    static SQLITE: Once = Once::new();
    SQLITE.call_once(guard_sqlite);
    // SAFETY: all bits zero are a `sigaction`.
    let (mut there, mut own): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = handle;
    own.sa_sigaction = handler as usize;
    // On the signal stack, if the thread has one: another thread's stack may be small.
    own.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: a query, which writes the installed handler.
    unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut there) };
    if there.sa_sigaction != own.sa_sigaction {
        // SAFETY: the handler makes only calls that are allowed in a handler; the previous one is
        // written to `there`.
        unsafe { libc::sigaction(libc::SIGBUS, &raw const own, &raw mut there) };
        if there.sa_sigaction != own.sa_sigaction {
            let new: *mut ReplacedHandler =
                Box::leak(Box::new(ReplacedHandler { action: there, before: ptr::null_mut() }));
            let mut before = REPLACED.load(SeqCst);
            loop {
                // SAFETY: no other thread can access it before it is in the list.
                unsafe { (*new).before = before };
                match REPLACED.compare_exchange(before, new, SeqCst, SeqCst) {
                    Ok(_) => break,
                    Err(other) => before = other,
                }
            }
        }
    }
    LOOKED.store(now, SeqCst);
}

/// Lets SQLite map files by the functions below.
fn guard_sqlite() {
    // SAFETY: SQLite calls each with the arguments of the system function of that name. The last
    // one is declared with variable arguments and called with these four; on Linux such calls are
    // like others.
    unsafe {
        system_calls::replace(&[
            (c"mmap", std::mem::transmute::<*const (), Call>(map as *const ())),
            (c"munmap", std::mem::transmute::<*const (), Call>(unmap as *const ())),
            #[cfg(target_os = "linux")]
            (c"mremap", std::mem::transmute::<*const (), Call>(remap as *const ())),
        ]);
    }
}

/// Implements `mmap` for SQLite. Mappings for writing (the WAL index) are not guarded: zeros in one
/// process alone would make it miss what others write.
unsafe extern "C" fn map(
    address: *mut c_void,
    len: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: with SQLite's own arguments.
    let start = unsafe { libc::mmap(address, len, protection, flags, file, offset) };
    if start == libc::MAP_FAILED || protection != libc::PROT_READ {
        return start;
    }
    match guard(start as usize, len, count_of(file)) {
        Some(_) => start,
        None => {
            // SAFETY: it was mapped just now, and no other code knows of it. SQLite then reads
            // without a mapping.
            unsafe { libc::munmap(start, len) };
            Errno::set_raw(libc::ENOMEM);
            libc::MAP_FAILED
        }
    }
}

/// Implements `munmap` for SQLite, of a whole mapping or of its end.
unsafe extern "C" fn unmap(address: *mut c_void, len: size_t) -> c_int {
    let gone = address as usize..address as usize + len;
    for (place, start, end) in guarded() {
        if gone.contains(&start) {
            clear(place);
        } else if (start..end).contains(&gone.start) {
            TABLE[place].end.store(gone.start, SeqCst);
        }
    }
    // SAFETY: with SQLite's own arguments; the removed part is no longer guarded.
    unsafe { libc::munmap(address, len) }
}

/// Implements `mremap` for SQLite: a whole mapping grows and may move.
#[cfg(target_os = "linux")]
unsafe extern "C" fn remap(old: *mut c_void, old_len: size_t, len: size_t, flags: c_int) -> *mut c_void {
    // SAFETY: with SQLite's own arguments.
    let new = unsafe { libc::mremap(old, old_len, len, flags) };
    if new != libc::MAP_FAILED
        && let Some((place, ..)) = guarded().find(|(_, start, _)| *start == old as usize)
    {
        TABLE[place].start.store(CLAIMED, SeqCst);
        TABLE[place].end.store(new as usize + len, SeqCst);
        TABLE[place].start.store(new as usize, SeqCst);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::mmap::PublishedMapping;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_that_lost_its_end_gives_zeros_and_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let mapped = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, vec![7; 1 << 20]).unwrap();
            let found = path.metadata().unwrap();
            (PublishedMapping::new(&path, 1 << 20).unwrap(), (found.dev(), found.ino()), path)
        };
        let ((cut, file, path), (whole, other, _)) = (mapped("cut"), mapped("whole"));
        let before = (faults(file), faults(other));
        assert_eq!(cut.bytes().array::<8>(500_000), Some([7; 8]));
        File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
        assert_eq!(cut.bytes().array::<8>(500_000), Some([0; 8]));
        assert_eq!(cut.bytes().array::<8>(0), Some([0; 8]));
        assert_eq!(whole.bytes().array::<8>(500_000), Some([7; 8]));
        assert_eq!(faults(file), before.0 + 1);
        assert!(count_at(file.0, file.1) == count_at(other.0, other.1) || faults(other) == before.1);
    }

    #[test]
    fn places_of_what_is_unmapped_serve_others() {
        let file = tempfile::tempfile().unwrap();
        let start = 1 << 46;
        for _ in 0..3 {
            let guards: Vec<_> =
                (0..100).map(|k| Guard::new(start + (k << 20), 4096, &file).unwrap()).collect();
            let is_guarded = |address| guarded().any(|(_, start, end)| (start..end).contains(&address));
            assert!((0..100).all(|k| is_guarded(start + (k << 20) + 4095)));
            assert!((0..100).all(|k| !is_guarded(start + (k << 20) + 4096)));
            drop(guards);
            assert!((0..100).all(|k| !is_guarded(start + (k << 20))));
        }
        // Other tests of this process map files, too, but not thousands.
        assert!(USED.load(SeqCst) < 2000);
    }
}
