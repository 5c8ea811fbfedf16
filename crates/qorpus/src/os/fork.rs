//! Forks: SQLite's handles and locks do not survive one, so before it every handle is closed.
//!
//! SQLite keeps one account of locks for a process. A child inherits the account but not the locks,
//! and would read a file while believing that it holds them. What is closed before the fork is in
//! neither account; both processes open it again when they need it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;

/// Something that holds handles and can close them at any moment when nobody is inside.
pub(crate) trait ForkAware: Send + Sync {
    /// Closes what must not be carried into a child.
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
    /// The gate, held by the thread that forks: if another thread had it at that moment, the
    /// child's would be locked for ever.
    static HELD: RefCell<Option<MutexGuard<'static, ForkState>>> = const { RefCell::new(None) };
    /// How many `ForkGuard` this thread has.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Whether one of them is counted in the gate.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn state() -> MutexGuard<'static, ForkState> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this thread holds the gate. It owns the process then, as far as readers and writers go.
fn is_held() -> bool {
    HELD.with_borrow(Option::is_some)
}

/// While it lives, no fork begins. It stays on its thread.
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

    /// What lets in a thread that works for this one.
    pub(crate) fn pass_for_another(&self) -> ForkPass {
        ForkPass(!is_held())
    }
}

/// See [`ForkGuard::pass_for_another`].
pub(crate) struct ForkPass(bool);

/// Waits until no fork is under way on another thread. Whoever is inside may enter again.
pub(crate) fn enter() -> ForkGuard {
    let counted = DEPTH.get() == 0 && !is_held();
    if counted {
        pass();
    }
    ForkGuard::new(counted)
}

/// Lets a thread in for which one waits that is inside: were it to wait for a fork, the fork would
/// wait for it.
pub(crate) fn follow(pass: ForkPass) -> ForkGuard {
    // It is counted itself, so that it may go `outside` while the one that waits is there too.
    // Where that one forks, it holds the gate.
    if pass.0 {
        state().inside += 1;
    }
    ForkGuard::new(pass.0)
}

/// Calls `action`, during which forks may begin. Nothing of SQLite may be under way.
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
    let mut state = state();
    while state.forking.is_some_and(|thread| thread != std::thread::current().id()) {
        state = CHANGED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.inside += 1;
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

/// To be called before a fork: waits for the readers and writers that are at work, and closes their
/// handles.
///
/// Until [`after_fork`] is called, on the same thread, readers and writers wait.
pub fn before_fork() {
    let mut state = state();
    while state.forking.is_some() {
        state = CHANGED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.forking = Some(std::thread::current().id());
    // Writers finish what they are at before they close; they need not pass the gate for that.
    while state.inside > 0 {
        state = CHANGED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let holders: Vec<_> = state.holders.iter().filter_map(Weak::upgrade).collect();
    drop(state);
    holders.iter().for_each(|holder| holder.close_handles());
    drop(holders);
    HELD.set(Some(self::state()));
}

/// To be called after a fork, in the parent and in the child: handles open again when they are
/// needed.
pub fn after_fork() {
    let mut state = HELD.take().unwrap_or_else(state);
    state.forking = None;
    CHANGED.notify_all();
}
