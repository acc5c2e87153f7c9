//! Where a process may be made to fail: at its commits, and while it calls a seller.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use db::Fate;
use tokio::sync::Notify;

/// What goes wrong, and at which commit or call from now on (0 is the next).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: What,
    pub(super) after: u32,
}

/// What may go wrong with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It ends at a commit, which does not take place.
    DiesBeforeCommit,
    /// It ends at a commit, which takes place.
    DiesAfterCommit,
    /// A commit fails; the process lives on.
    CommitFails,
    /// A commit takes place and its answer is lost; the process lives on.
    CommitUnanswered,
    /// It ends before a call leaves it.
    DiesBeforeCall,
    /// It ends after a seller has done what it was called for, before the answer is written down.
    DiesAfterCall,
    /// It stands still in the middle of a call for longer than its leases last, and another process does the work meanwhile.
    StandsStill,
}

impl What {
    const fn at_commit(self) -> bool {
        matches!(self, Self::DiesBeforeCommit | Self::DiesAfterCommit | Self::CommitFails | Self::CommitUnanswered)
    }
}

type Meanwhile = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The place where the faults of one process happen.
pub(super) struct Gate {
    armed: Mutex<Armed>,
    dead: AtomicBool,
    died: Notify,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(..)")
    }
}

#[derive(Default)]
struct Armed {
    faults: Vec<Fault>,
    fired: Vec<What>,
    meanwhile: Option<Meanwhile>,
    commits: u64,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { armed: Mutex::default(), dead: AtomicBool::new(false), died: Notify::new() })
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a fault happen.
    pub(super) fn arm(&self, fault: Fault) {
        self.armed().faults.push(fault);
    }

    /// Has nothing more happen.
    pub(super) fn disarm(&self) {
        let mut armed = self.armed();
        armed.faults.clear();
        armed.meanwhile = None;
    }

    /// What another process does while this one stands still.
    pub(super) fn meanwhile(&self, meanwhile: Meanwhile) {
        self.armed().meanwhile = Some(meanwhile);
    }

    /// Whether this process is going to stand still.
    pub(super) fn stands_still_soon(&self) -> bool {
        self.armed().faults.iter().any(|fault| fault.what == What::StandsStill)
    }

    /// Has it not stand still after all: where nobody else can do the work.
    pub(super) fn forget_standstills(&self) {
        self.armed().faults.retain(|fault| fault.what != What::StandsStill);
    }

    /// What has gone wrong since this was asked last.
    pub(super) fn take_fired(&self) -> Vec<What> {
        std::mem::take(&mut self.armed().fired)
    }

    /// Commits so far.
    pub(super) fn commits(&self) -> u64 {
        self.armed().commits
    }

    /// What `work` gives, unless the process dies of it.
    pub(super) async fn survive<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let value = tokio::select! {
            biased;
            () = self.died.notified() => return None,
            value = work => value,
        };
        (!self.is_dead()).then_some(value)
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// The fault that is due, if one is; counts those of its kind down.
    fn due(&self, at_commit: bool) -> Option<What> {
        let mut armed = self.armed();
        armed.commits += u64::from(at_commit);
        let place = armed.faults.iter().position(|fault| fault.what.at_commit() == at_commit)?;
        if armed.faults[place].after > 0 {
            armed.faults[place].after -= 1;
            return None;
        }
        let what = armed.faults.remove(place).what;
        armed.fired.push(what);
        Some(what)
    }

    /// What becomes of a commit. One at which the process dies is over before anybody learns of the death; what the process would commit after
    /// it is lost.
    pub(super) fn at_commit(&self) -> Fate {
        if self.is_dead() {
            self.died.notify_one();
            return Fate::Lost;
        }
        let (fate, dies) = match self.due(true) {
            Some(What::DiesBeforeCommit) => (Fate::Lost, true),
            Some(What::DiesAfterCommit) => (Fate::Unanswered, true),
            Some(What::CommitFails) => (Fate::Lost, false),
            Some(What::CommitUnanswered) => (Fate::Unanswered, false),
            Some(What::DiesBeforeCall | What::DiesAfterCall | What::StandsStill) | None => (Fate::Done, false),
        };
        if dies {
            self.dead.store(true, Ordering::SeqCst);
        }
        fate
    }

    /// A call begins; what is to go wrong with it after it was answered.
    pub(super) async fn call_begins(&self) -> Option<What> {
        if self.is_dead() {
            self.die().await;
        }
        let what = self.due(false);
        if what == Some(What::DiesBeforeCall) {
            self.die().await;
        }
        what
    }

    /// A call was answered; `what` is what [`Gate::call_begins`] said.
    pub(super) async fn call_ends(&self, what: Option<What>) {
        match what {
            Some(What::DiesAfterCall) => self.die().await,
            Some(What::StandsStill) => {
                let meanwhile = self.armed().meanwhile.take();
                if let Some(meanwhile) = meanwhile {
                    meanwhile().await;
                }
            }
            _ => {}
        }
    }

    /// Nothing happens in this process any more.
    async fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
        std::future::pending::<()>().await;
    }
}
