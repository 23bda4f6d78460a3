//! Memory maps and advice about huge pages.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::ptr::NonNull;

/// A file mapped read-only. The bytes are whatever the file holds while it is mapped: readers check what they read.
#[derive(Debug)]
pub struct MappedFile {
    map: Option<memmap2::Mmap>,
}

impl MappedFile {
    /// Maps a file; an empty one is an empty slice.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if metadata.len() == 0 {
            return Ok(Self { map: None });
        }
        // SAFETY: the map is private to this value and only read. Another process that truncates the file while it
        // is mapped would raise SIGBUS, as for every memory-mapped reader; models are not written while read.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self { map: Some(map) })
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}

/// Whether pages of a buffer should be huge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAdvice {
    /// Ask for transparent huge pages (`MADV_HUGEPAGE`).
    Huge,
    /// Ask for ordinary pages (`MADV_NOHUGEPAGE`).
    Small,
}

/// Advises the kernel about the whole pages inside `buffer`; false where the system refuses.
pub fn advise_pages<T>(buffer: &mut [T], advice: PageAdvice) -> bool {
    const PAGE: usize = 4096;
    let start = buffer.as_mut_ptr() as usize;
    let end = start + size_of_val(buffer);
    let (first, last) = (start.next_multiple_of(PAGE), end / PAGE * PAGE);
    if first >= last {
        return false;
    }
    let advice = match advice {
        PageAdvice::Huge => libc::MADV_HUGEPAGE,
        PageAdvice::Small => libc::MADV_NOHUGEPAGE,
    };
    // SAFETY: the range lies inside one live allocation, and neither advice changes its contents.
    unsafe { libc::madvise(first as *mut libc::c_void, last - first, advice) == 0 }
}

/// Number types that an [`AlignedBuffer`] may hold: every bit pattern is a value, all zeroes is zero.
///
/// # Safety
/// Implementors are plain numbers without padding or invalid bit patterns.
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($t:ty),*) => { $(
        // SAFETY: a primitive number.
        unsafe impl Plain for $t {}
    )* };
}
plain!(f32, f64, i8, u8, i16, u16, i32, u32, i64, u64, usize);

/// A fixed-length buffer of numbers, aligned to a cache line; a large one to a huge page, in a mapping of its own.
pub struct AlignedBuffer<T: Plain> {
    start: NonNull<T>,
    len: usize,
    place: Place,
}

/// Where the bytes of a buffer came from, and go back to.
enum Place {
    /// It has none.
    Nowhere,
    /// The allocator.
    Heap(Layout),
    /// The system.
    Mapping { _map: memmap2::MmapMut },
}

impl<T: Plain> AlignedBuffer<T> {
    const LINE: usize = 64;
    const HUGE: usize = 2 << 20;
    /// From this size a buffer has pages of its own: the second-level cache is indexed by physical addresses, and how
    /// well a buffer on ordinary pages fits into it is drawn anew in every process.
    const LARGE: usize = 1 << 20;

    /// Bytes of address space that a buffer of `size` bytes takes: a large one is placed on a huge page's boundary.
    #[must_use]
    pub const fn address_space(size: usize) -> usize {
        if size < Self::LARGE {
            size
        } else {
            size.div_ceil(Self::HUGE).saturating_add(1).saturating_mul(Self::HUGE)
        }
    }

    /// A buffer of `len` zeroes. Large buffers ask for huge pages; their pages are touched on first write.
    ///
    /// # Panics
    /// When `len` is beyond the address space; running out of memory aborts as for `Vec`.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self::reserve(len, PageAdvice::Huge)
    }

    /// A buffer of `len` zeroes on ordinary pages, for measurements that need them.
    #[must_use]
    pub fn zeroed_on_small_pages(len: usize) -> Self {
        Self::reserve(len, PageAdvice::Small)
    }

    /// A buffer with the values of `from`.
    #[must_use]
    pub fn from_slice(from: &[T]) -> Self {
        let mut buffer = Self::zeroed(from.len());
        buffer.copy_from_slice(from);
        buffer
    }

    /// A buffer filled by calling `value(index)`.
    #[must_use]
    pub fn from_fn(len: usize, mut value: impl FnMut(usize) -> T) -> Self {
        let mut buffer = Self::zeroed(len);
        for (i, slot) in buffer.iter_mut().enumerate() {
            *slot = value(i);
        }
        buffer
    }

    /// The pages of a large buffer are advised about before anything touches them: those that are there stay as they
    /// are. (The allocator's zeroed memory of such an alignment is touched when it comes.)
    fn reserve(len: usize, advice: PageAdvice) -> Self {
        let size = len.checked_mul(size_of::<T>()).expect("a buffer within the address space");
        let layout = Layout::from_size_align(size, Self::LINE).expect("a buffer within the address space");
        Self::try_reserve(len, advice).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// A buffer of `len` zeroes; `None` where the system does not give so much.
    #[must_use]
    pub fn try_zeroed(len: usize) -> Option<Self> {
        Self::try_reserve(len, PageAdvice::Huge)
    }

    fn try_reserve(len: usize, advice: PageAdvice) -> Option<Self> {
        let size = len.checked_mul(size_of::<T>())?;
        if size == 0 {
            return Some(Self { start: NonNull::dangling(), len, place: Place::Nowhere });
        }
        let layout = Layout::from_size_align(size, Self::LINE).ok()?;
        if size < Self::LARGE {
            // SAFETY: the layout has a size above zero.
            let start = unsafe { alloc_zeroed(layout) };
            return Some(Self { start: NonNull::new(start.cast::<T>())?, len, place: Place::Heap(layout) });
        }
        let pages = size.checked_next_multiple_of(Self::HUGE)?;
        let mut map = memmap2::MmapMut::map_anon(pages.checked_add(Self::HUGE)?).ok()?;
        let first = map.as_ptr().align_offset(Self::HUGE);
        let used = &mut map[first..first + pages];
        advise_pages(used, advice);
        let start = NonNull::from(used).cast::<T>();
        Some(Self { start, len, place: Place::Mapping { _map: map } })
    }
}

impl<T: Plain> Deref for AlignedBuffer<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `start` is valid for `len` initialised values for as long as the buffer lives (dangling but aligned
        // when nothing was allocated, and then no byte is read).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Plain> DerefMut for AlignedBuffer<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Plain> Drop for AlignedBuffer<T> {
    fn drop(&mut self) {
        match self.place {
            Place::Nowhere | Place::Mapping { .. } => {}
            // SAFETY: `start` came from `alloc_zeroed` with this layout.
            Place::Heap(layout) => unsafe { dealloc(self.start.as_ptr().cast(), layout) },
        }
    }
}

impl<T: Plain> Clone for AlignedBuffer<T> {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl<T: Plain> std::fmt::Debug for AlignedBuffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlignedBuffer").field("len", &self.len).finish_non_exhaustive()
    }
}

// SAFETY: the buffer owns its numbers, which are Send.
unsafe impl<T: Plain> Send for AlignedBuffer<T> {}
// SAFETY: shared access only reads numbers, which are Sync.
unsafe impl<T: Plain> Sync for AlignedBuffer<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_not_mapped_and_an_empty_file_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(MappedFile::open(folder.path()).is_err());
        let path = folder.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(MappedFile::open(&path).unwrap().bytes(), b"");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(MappedFile::open(&path).unwrap().bytes(), b"abc");
    }

    #[test]
    fn more_than_the_system_gives_is_none_and_no_end_of_the_program() {
        assert!(AlignedBuffer::<f32>::try_zeroed(usize::MAX / 2).is_none());
        assert!(AlignedBuffer::<u8>::try_zeroed(1 << 60).is_none());
        assert_eq!(AlignedBuffer::<u8>::try_zeroed(100).map(|buffer| buffer.len()), Some(100));
    }

    #[test]
    fn buffers_are_aligned_zeroed_and_writable() {
        for len in [0, 1, 63, 1 << 20, 5 << 20] {
            let mut buffer = AlignedBuffer::<u8>::zeroed(len);
            assert_eq!(buffer.as_ptr() as usize % if len == 0 { 1 } else { 64 }, 0);
            assert!(buffer.iter().all(|&b| b == 0));
            buffer.fill(3);
            assert_eq!(buffer.clone().iter().map(|&b| usize::from(b)).sum::<usize>(), 3 * len);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_large_buffer_is_on_the_pages_it_asks_for() {
        let setting =
            std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
        if setting.is_empty() || setting.contains("[never]") || cfg!(miri) {
            return;
        }
        let huge_kibibytes = |mut buffer: AlignedBuffer<u8>| -> usize {
            buffer.fill(1);
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let start = format!("{:x}-", buffer.as_ptr() as usize);
            let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
            let line = lines.find(|line| line.starts_with("AnonHugePages:"));
            line.map_or(0, |line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
        };
        assert_eq!(huge_kibibytes(AlignedBuffer::zeroed_on_small_pages(8 << 20)), 0);
        let huge = huge_kibibytes(AlignedBuffer::zeroed(8 << 20));
        let free_blocks = std::fs::read_to_string("/proc/buddyinfo").unwrap_or_default();
        let largest = free_blocks.lines().filter_map(|l| l.split_whitespace().last()?.parse::<usize>().ok());
        assert!(huge == 8 << 10 || largest.sum::<usize>() < 64, "{huge} KiB of 8 MiB are on huge pages");
    }

    #[test]
    fn advice_leaves_the_contents_alone() {
        let mut buffer = vec![7_u8; 1 << 22];
        advise_pages(&mut buffer, PageAdvice::Huge);
        assert!(buffer.iter().all(|&b| b == 7));
        assert!(!advise_pages(&mut buffer[..10], PageAdvice::Small));
    }
}
