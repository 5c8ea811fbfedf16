//! Forks: SQLite's handles and locks do not survive one, so before it every handle is closed.
//!
//! SQLite keeps one table of locks for a process. A child inherits the table but not the locks, and
//! would read a file as if it held them. A handle closed before the fork is in neither table; both
//! processes open it again when they need it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;

/// A holder of handles that can close them whenever no [`ForkGuard`] lives.
pub(crate) trait ForkAware: Send + Sync {
    /// Closes the handles that must not be carried into a child.
    fn close_handles(&self);
}

struct ForkState {
    inside: usize,
    /// The thread that forks.
    forking: Option<ThreadId>,
    holders: Vec<Weak<dyn ForkAware>>,
}

static STATE: Mutex<ForkState> = Mutex::new(ForkState { inside: 0, forking: None, holders: Vec::new() });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// The state, locked by the thread that forks. If another thread held it at that moment, the
    /// child's copy would stay locked for ever.
    static HELD: RefCell<Option<MutexGuard<'static, ForkState>>> = const { RefCell::new(None) };
    /// The number of `ForkGuard`s of this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Whether one of them is counted in the state.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn state() -> MutexGuard<'static, ForkState> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while<'g>(
    state: MutexGuard<'g, ForkState>,
    condition: impl Fn(&ForkState) -> bool,
) -> MutexGuard<'g, ForkState> {
    CHANGED.wait_while(state, |state| condition(state)).unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether this thread forks and holds the state: no reader or writer runs then.
fn is_held() -> bool {
    HELD.with_borrow(Option::is_some)
}

/// A guard that keeps forks from beginning while it lives. It stays on its thread.
pub(crate) struct ForkGuard {
    counted: bool,
    thread: PhantomData<*const ()>,
}

impl ForkGuard {
    fn new(counted: bool) -> ForkGuard {
        DEPTH.set(DEPTH.get() + 1);
        COUNTED.set(COUNTED.get() || counted);
        ForkGuard { counted, thread: PhantomData }
    }

    /// Returns a pass for a thread that works for this one.
    pub(crate) fn pass_for_another(&self) -> ForkPass {
        ForkPass(!is_held())
    }
}

/// A pass that lets a thread in while a fork may be waiting; see [`ForkGuard::pass_for_another`].
pub(crate) struct ForkPass(bool);

/// Waits until no fork is in progress on another thread. A thread that is inside may enter again.
pub(crate) fn enter() -> ForkGuard {
    let counted = DEPTH.get() == 0 && !is_held();
    if counted {
        pass();
    }
    ForkGuard::new(counted)
}

/// Enters a thread that another thread inside waits for. If it waited for a fork, the fork would
/// wait for it.
pub(crate) fn follow(pass: ForkPass) -> ForkGuard {
    // It is counted itself, so that it may go `outside` while the other one is inside. If the other
    // one forks, that one holds the state.
    if pass.0 {
        state().inside += 1;
    }
    ForkGuard::new(pass.0)
}

/// Calls `action`, during which forks may begin. SQLite must not be in use.
pub(crate) fn outside<T>(action: impl FnOnce() -> T) -> T {
    if !COUNTED.get() || is_held() {
        return action();
    }
    let depth = DEPTH.replace(0);
    COUNTED.set(false);
    leave();
    let result = action();
    pass();
    DEPTH.set(depth);
    COUNTED.set(true);
    result
}

fn pass() {
    let is_other = |thread| thread != std::thread::current().id();
    wait_while(state(), |state| state.forking.is_some_and(is_other)).inside += 1;
}

fn leave() {
    let mut state = state();
    state.inside = state.inside.saturating_sub(1);
    if state.forking.is_some() {
        CHANGED.notify_all();
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if self.counted {
            COUNTED.set(false);
            leave();
        }
    }
}

/// Has the handles of `holder` closed before every fork.
pub(crate) fn register(holder: Weak<dyn ForkAware>) {
    let add = |state: &mut ForkState| {
        state.holders.retain(|holder| holder.strong_count() > 0);
        state.holders.push(holder);
    };
    HELD.with_borrow_mut(|held| match held {
        Some(held) => add(held),
        None => add(&mut state()),
    });
}

/// Waits for active readers and writers, and closes their handles. Call before a fork.
///
/// Until [`after_fork`] is called, on the same thread, readers and writers wait.
pub fn before_fork() {
    let mut state = wait_while(state(), |state| state.forking.is_some());
    state.forking = Some(std::thread::current().id());
    // Writers finish their commits before they close; they need not enter for that.
    let state = wait_while(state, |state| state.inside > 0);
    let holders: Vec<_> = state.holders.iter().filter_map(Weak::upgrade).collect();
    drop(state);
    holders.iter().for_each(|holder| holder.close_handles());
    drop(holders);
    HELD.set(Some(self::state()));
}

/// Lets readers and writers continue: handles open again when they are needed. Call after a fork,
/// in the parent and in the child.
pub fn after_fork() {
    let mut state = HELD.take().unwrap_or_else(state);
    state.forking = None;
    CHANGED.notify_all();
}
