//! A file system for SQLite that fails on command. It delegates all other calls to the usual one.
//!
//! SQLite takes a file system as C structures of function pointers, so this file needs `unsafe`.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Once};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use crate::disk::{Disk, Part};

/// The usual file system.
static USUAL: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());

/// An open file. The usual file system's own structure lies right behind it.
#[repr(C)]
struct FaultFile {
    base: sqlite3_file,
    part: Part,
    disk: Option<Arc<Disk>>,
}

/// Makes this the default file system of every connection that is opened from now on.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `sqlite3_vfs_find` starts SQLite and returns a structure that is never freed; ours is
        // leaked. The calls that are copied use nothing of it but the fields that are copied with them.
        let code = unsafe {
            let usual = ffi::sqlite3_vfs_find(ptr::null());
            USUAL.store(usual, Ordering::Release);
            let ours = Box::leak(Box::new(sqlite3_vfs {
                szOsFile: (*usual).szOsFile + size_of::<FaultFile>() as c_int,
                zName: c"omniq-faults".as_ptr(),
                pNext: ptr::null_mut(),
                xOpen: Some(open),
                ..*usual
            }));
            ffi::sqlite3_vfs_register(ours, 1)
        };
        assert_eq!(code, ffi::SQLITE_OK);
    });
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a name that ends with a zero, or none, and `szOsFile` writable bytes at
    // `file`, aligned for any structure: ours, then the usual one. While `pMethods` is null SQLite
    // calls nothing on the file, not even `close`.
    unsafe {
        (*file).pMethods = ptr::null();
        let name_text = (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy());
        let (disk, part) = name_text.map_or((None, Part::Other), |name| Disk::of_file(&name));
        if let Some(code) = disk.as_ref().and_then(|disk| disk.on_open(part)) {
            return code;
        }
        let usual = USUAL.load(Ordering::Acquire);
        let Some(open) = (*usual).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let code = open(usual, name, real(file), flags, out);
        if !(*real(file)).pMethods.is_null() {
            let shares = disk.as_ref().is_none_or(|disk| disk.shares_memory());
            let methods = if shares { &METHODS } else { &OLD_METHODS };
            let base = sqlite3_file { pMethods: methods };
            file.cast::<FaultFile>()
                .write(FaultFile { base, part, disk });
        }
        code
    }
}

/// Returns the usual file system's part of an open file.
fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    file.wrapping_byte_add(size_of::<FaultFile>())
}

/// Calls `ask` with a file's disk, if the file has one.
///
/// # Safety
///
/// `file` was opened by [`open`] and not yet closed.
unsafe fn with_disk<T>(
    file: *mut sqlite3_file,
    ask: impl FnOnce(&Disk, Part) -> Option<T>,
) -> Option<T> {
    // SAFETY: `open` wrote a `FaultFile` there.
    let file = unsafe { &*file.cast::<FaultFile>() };
    file.disk.as_ref().and_then(|disk| ask(disk, file.part))
}

/// Defines functions that delegate to the usual file system.
macro_rules! delegate {
    ($($name:ident: $method:ident($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $arg: $type)*) $(-> $out)? {
            // SAFETY: `open` opened the usual file behind ours; SQLite's arguments are passed on as
            // they are. Its methods are of version 3 and complete.
            unsafe {
                let method = (*(*real(file)).pMethods).$method;
                method.expect("a method of version 3")(real(file) $(, $arg)*)
            }
        }
    )*};
}

delegate! {
    real_close: xClose() -> c_int;
    read: xRead(to: *mut c_void, bytes: c_int, at: sqlite3_int64) -> c_int;
    real_write: xWrite(from: *const c_void, bytes: c_int, at: sqlite3_int64) -> c_int;
    truncate: xTruncate(size: sqlite3_int64) -> c_int;
    real_sync: xSync(flags: c_int) -> c_int;
    file_size: xFileSize(size: *mut sqlite3_int64) -> c_int;
    lock: xLock(level: c_int) -> c_int;
    unlock: xUnlock(level: c_int) -> c_int;
    check_reserved_lock: xCheckReservedLock(found: *mut c_int) -> c_int;
    file_control: xFileControl(code: c_int, with: *mut c_void) -> c_int;
    sector_size: xSectorSize() -> c_int;
    device_characteristics: xDeviceCharacteristics() -> c_int;
    shm_map: xShmMap(page: c_int, size: c_int, extend: c_int, to: *mut *mut c_void) -> c_int;
    shm_lock: xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier: xShmBarrier();
    shm_unmap: xShmUnmap(delete: c_int) -> c_int;
    fetch: xFetch(at: sqlite3_int64, bytes: c_int, to: *mut *mut c_void) -> c_int;
    unfetch: xUnfetch(at: sqlite3_int64, page: *mut c_void) -> c_int;
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, so what `open` wrote there is still valid, and not used afterwards.
    unsafe {
        let code = real_close(file);
        with_disk(file, |disk, part| -> Option<()> {
            disk.on_close(part);
            None
        });
        file.cast::<FaultFile>().drop_in_place();
        code
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this on open files only, with a readable buffer.
    unsafe {
        match with_disk(file, Disk::on_write) {
            Some(code) => code,
            None => real_write(file, from, bytes, at),
        }
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls this on open files only.
    unsafe {
        if let Some(code) = with_disk(file, Disk::on_sync) {
            return code;
        }
        let code = real_sync(file, flags);
        if code == ffi::SQLITE_OK {
            with_disk(file, |disk, part| -> Option<()> {
                disk.after_sync(part, content(file)?);
                None
            });
        }
        code
    }
}

/// Returns the content of a file. It is read through SQLite's own handle, because closing another handle of the
/// same file would release SQLite's locks on it.
///
/// # Safety
///
/// `file` was opened by [`open`] and not yet closed.
unsafe fn content(file: *mut sqlite3_file) -> Option<Vec<u8>> {
    let mut size: sqlite3_int64 = 0;
    // SAFETY: the file is open, and the size is written to a local variable.
    let code = unsafe { file_size(file, &raw mut size) };
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    let length = c_int::try_from(size).ok()?;
    // SAFETY: the buffer has room for as many bytes as are asked for.
    let code = code | unsafe { read(file, bytes.as_mut_ptr().cast(), length, 0) };
    (code == ffi::SQLITE_OK).then_some(bytes)
}

/// The methods of a file without shared memory.
static OLD_METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    ..METHODS
};

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};
