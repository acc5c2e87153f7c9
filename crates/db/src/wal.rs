//! SQLite's write-ahead log: who carries its pages over into the file, and when.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection as Raw;
use rusqlite::hooks::Wal;

use crate::{Error, Result};

/// The write-ahead log as the writer sees it. Carrying its pages over into the file takes as long as hundreds of orders, so a thread beside the
/// writer does it. The log can begin anew only when every page was carried over and nobody has added one meanwhile: when it has become
/// long, the writer carries over the few that are left, so that it ends growing however busy the market is.
pub(crate) struct Log {
    /// Pages in the log.
    pages: Arc<AtomicU64>,
    /// Of these, as many as were carried over when it was last looked.
    carried: Arc<AtomicU64>,
    /// How many there were when the other thread was last woken.
    woken_at: u64,
    wake: SyncSender<()>,
}

/// The other thread's end of it.
pub(crate) struct Checkpoints {
    carried: Arc<AtomicU64>,
    woken: Receiver<()>,
}

/// So many new pages are carried over at a time: 1 MiB. With 16 MiB the disk was busy with them for 75 to 90 ms, and one order in a hundred
/// waited behind that for as long (docs/performance.md).
const LOG_PAGES: u64 = 250;
/// From here on the log is to begin anew: 256 MiB. The file keeps this length (`journal_size_limit`), for growing it costs every commit more.
const LOG_PAGES_LONG: u64 = 64_000;
/// So few pages the writer carries over itself: some milliseconds.
const LOG_PAGES_FEW: u64 = 100;

const CARRY_OVER: &str = "PRAGMA wal_checkpoint(PASSIVE)";

impl Log {
    pub(crate) fn of(writer: &mut Raw) -> Result<(Self, Checkpoints)> {
        let (pages, carried) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let count = pages.clone();
        // Takes the place of SQLite's own checkpoints on this connection.
        let hook = move |_: &mut Wal, pages: c_int| {
            count.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(hook)).map_err(|e| Error::Broken(Box::new(e)))?;
        let (wake, woken) = sync_channel(1);
        Ok((Self { pages, carried: carried.clone(), woken_at: 0, wake }, Checkpoints { carried, woken }))
    }

    /// Looks after the log, between two commits.
    pub(crate) fn tend(&mut self, writer: &Raw) {
        match self.turn(self.pages.load(Ordering::Relaxed)) {
            Turn::Nobodys => {}
            // Full when it was woken already.
            Turn::Others => drop(self.wake.try_send(())),
            // Tried again after the next commit when the other thread is at it, or a reader looks at an old page.
            Turn::Writers => drop(writer.query_row(CARRY_OVER, [], |_| Ok(()))),
        }
    }

    /// Whose turn it is to carry pages over when there are so many in the log.
    fn turn(&mut self, pages: u64) -> Turn {
        if pages < self.woken_at {
            // The log has begun anew.
            self.woken_at = 0;
            self.carried.store(0, Ordering::Relaxed);
        }
        let (long, left) = (pages >= LOG_PAGES_LONG, pages.saturating_sub(self.carried.load(Ordering::Relaxed)));
        if (long && left <= LOG_PAGES_FEW) || pages >= 2 * LOG_PAGES_LONG {
            return Turn::Writers;
        }
        if pages < self.woken_at + if long { LOG_PAGES_FEW } else { LOG_PAGES } {
            return Turn::Nobodys;
        }
        self.woken_at = pages;
        Turn::Others
    }
}

/// Who is to carry pages over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Nobodys,
    Others,
    Writers,
}

impl Checkpoints {
    /// Carries pages over whenever woken, until the writer has ended.
    pub(crate) fn run(&self, raw: &Raw) {
        while self.woken.recv().is_ok() {
            // What fails, such as for a full disk, is tried when woken next; the writer notices for itself.
            if let Ok(carried) = raw.query_row(CARRY_OVER, [], |row| row.get::<_, i64>(2)) {
                self.carried.store(u64::try_from(carried).unwrap_or(0), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_carried_over_beside_the_writer_until_it_is_long() {
        let (pages, carried) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (wake, _woken) = sync_channel(1);
        let mut log = Log { pages, carried: carried.clone(), woken_at: 0, wake };
        for (pages, carried_by_now, expected) in [
            (249, 0, Turn::Nobodys),
            (250, 0, Turn::Others),
            (300, 0, Turn::Nobodys),
            (500, 250, Turn::Others),
            // Begun anew.
            (10, 500, Turn::Nobodys),
            (250, 0, Turn::Others),
            // Long, and much is left: the other thread is woken more often, so that little is left soon.
            (64_000, 50_000, Turn::Others),
            (64_080, 50_000, Turn::Nobodys),
            (64_100, 50_000, Turn::Others),
            (64_200, 64_120, Turn::Writers),
            // A log that nobody could keep short.
            (128_000, 80_000, Turn::Writers),
        ] {
            carried.store(carried_by_now, Ordering::Relaxed);
            assert_eq!(log.turn(pages), expected, "{pages} pages, {carried_by_now} carried over");
        }
    }
}
