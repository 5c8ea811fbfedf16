//! The protocol by which processes share a file, as a model that is checked in every order of
//! events.
//!
//! The model has, with its places in the code: processes that draw a name and hold its byte
//! (`SidecarLock::open`), take turns (`SidecarLock::write_lock`, `CorpusWriter::write`), commit
//! what is ready and claim more in one transaction (`FileJob::commit` in produce/generate.rs, the
//! functions of tables/claims.rs), compute in any order, give up (`FileJob::give_up`), end, or die at
//! any point, which frees byte and turn and undoes the transaction. Another one merges chunks into
//! the same file meanwhile (ops/merge.rs). A process that starts may draw any name that no living
//! one holds, that of a dead one too: after a fork, the same generator of random numbers goes on in
//! several processes.
//!
//! A model proves nothing about code that is not like it. So it is also checked that the checker
//! finds the defects which the protocol is there to avoid: each as a small change of the model.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use stateright::{Checker, HasDiscoveries, Model, Property};

/// A set of chunks, a bit for each.
type Chunks = u8;

/// The byte of the sidecar lock that a process holds while it lives.
type Name = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// Work is looked at before the turn is taken.
    LookOutsideTheTurn,
    /// Claims of a dead process are taken for one's own by whoever draws its name.
    NameInherited,
    /// What a merge has brought meanwhile is claimed on.
    OwnedUnchecked,
    /// Nobody is known to have died.
    DeadTakenForLiving,
    /// Everyone else is taken for dead.
    LivingTakenForDead,
    /// Chunks that were there already are counted again.
    CountedTwice,
}

/// What a living process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Doing {
    /// `FileJob::run`.
    Making,
    /// `FileJob::give_up` before its first transaction, which claims nothing, and before its second,
    /// which gives the rest back.
    GivingUp,
    GivingBack,
    /// `merge`, between its look at what is missing and its transaction: with the chunk it brings.
    Merging(Option<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    /// While it lives.
    name: Option<Name>,
    doing: Doing,
    /// Whether its first transaction is over.
    begun: bool,
    /// Claimed and not committed, and of these what is computed.
    mine: Chunks,
    ready: Chunks,
    /// Within a transaction: what it saw of `work`, and who lived.
    seen: Option<(Vec<Work>, Vec<Name>)>,
    starts_left: u8,
}

/// Where a chunk stands in the table `work`: in no range, in a free one, or in someone's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    Done,
    Free,
    Of(Name),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shared {
    work: Vec<Work>,
    there: Chunks,
    total: u8,
    turn: Option<usize>,
    processes: Vec<Process>,
    deaths_left: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Start(usize, Name),
    Begin(usize),
    Commit(usize),
    Compute(usize, u8),
    GiveUp(usize),
    Look(usize, u8),
    End(usize),
    Die(usize),
}

#[derive(Clone)]
struct Protocol {
    makers: usize,
    mergers: usize,
    chunks: u8,
    starts: u8,
    deaths: u8,
    /// Whether someone may interrupt.
    interrupts: bool,
    defect: Defect,
}

impl Shared {
    fn living(&self) -> Vec<Name> {
        self.processes.iter().filter_map(|process| process.name).collect()
    }

    fn is_complete(&self) -> bool {
        self.work.iter().all(|work| *work == Work::Done)
    }
}

impl Protocol {
    fn numbers(&self) -> impl Iterator<Item = u8> + use<> {
        0..self.chunks
    }

    fn is_free(&self, work: Work, living: &[Name], own: Name) -> bool {
        match (work, self.defect) {
            (Work::Done, _) | (Work::Of(_), Defect::DeadTakenForLiving) => false,
            (Work::Free, _) => true,
            (Work::Of(name), Defect::LivingTakenForDead) => name != own,
            (Work::Of(name), _) => !living.contains(&name),
        }
    }

    /// Whether a process that makes chunks has a reason for a transaction: it begins, has something
    /// ready, or there is something to claim (`FileJob::run`, `wait_for_others`).
    fn wants_turn(&self, state: &Shared, process: &Process, name: Name) -> bool {
        match process.doing {
            Doing::Making => {
                let living = state.living();
                let free = || state.work.iter().any(|work| self.is_free(*work, &living, name));
                process.ready != 0 || !process.begun || (process.mine == 0 && free())
            }
            Doing::GivingUp | Doing::GivingBack => true,
            Doing::Merging(chunk) => chunk.is_some(),
        }
    }

    /// What moves on by itself: processes that live on do these things sooner or later.
    fn progress(&self, state: &Shared, events: &mut Vec<Event>) {
        for (number, process) in state.processes.iter().enumerate() {
            let Some(name) = process.name else { continue };
            if process.seen.is_some() {
                if state.turn.is_none_or(|holder| holder == number) {
                    events.push(Event::Commit(number));
                }
                continue;
            }
            let may_begin = state.turn.is_none() || self.defect == Defect::LookOutsideTheTurn;
            if may_begin && self.wants_turn(state, process, name) {
                events.push(Event::Begin(number));
            }
            for chunk in self.numbers().filter(|chunk| (process.mine & !process.ready) >> chunk & 1 == 1) {
                events.push(Event::Compute(number, chunk));
            }
            if process.doing == Doing::Merging(None) {
                // Every chunk that is in no corpus yet may be among those that are brought.
                let missing = self.numbers().filter(|chunk| state.work[usize::from(*chunk)] != Work::Done);
                events.extend(missing.map(|chunk| Event::Look(number, chunk)));
            }
            let is_over = process.begun || process.doing == Doing::Merging(None);
            if state.is_complete() && process.mine == 0 && is_over {
                events.push(Event::End(number));
            }
        }
    }

    /// `FileJob::commit` and `FileJob::give_up`, or the transaction of a merge.
    fn commit(&self, state: &mut Shared, number: usize) {
        let process = &mut state.processes[number];
        let (Some((seen, living)), Some(name)) = (process.seen.take(), process.name) else { return };
        let insert = |chunks: Chunks, there: &mut Chunks, total: &mut u8| {
            let new = if self.defect == Defect::CountedTwice { chunks } else { chunks & !*there };
            *there |= chunks;
            *total += new.count_ones() as u8;
        };
        if let Doing::Merging(chunk) = &mut process.doing {
            if let Some(chunk) = chunk.take() {
                state.work[usize::from(chunk)] = Work::Done;
                insert(1 << chunk, &mut state.there, &mut state.total);
            }
            process.begun = true;
            return;
        }
        let own = |work: &[Work]| {
            let owned = (0..).zip(work).filter(|(_, work)| **work == Work::Of(name));
            owned.fold(0, |chunks: Chunks, (chunk, _): (u8, _)| chunks | 1 << chunk)
        };
        if !process.begun && self.defect != Defect::NameInherited {
            // `work::release`: what a dead process of the same name had claimed is nobody's.
            state.work.iter_mut().filter(|work| **work == Work::Of(name)).for_each(|work| *work = Work::Free);
        }
        process.begun = true;
        insert(process.ready, &mut state.there, &mut state.total);
        let checked = if self.defect == Defect::OwnedUnchecked { Chunks::MAX } else { own(&state.work) };
        let left = process.mine & !process.ready & checked;
        // `work::replace`.
        let next = match process.doing {
            Doing::GivingBack => Work::Free,
            _ => Work::Of(name),
        };
        for chunk in self.numbers() {
            let work = &mut state.work[usize::from(chunk)];
            match left >> chunk & 1 == 1 {
                true => *work = next,
                false if *work == Work::Of(name) => *work = Work::Done,
                false => {}
            }
        }
        (process.mine, process.ready) = (left, 0);
        match process.doing {
            Doing::Making => {
                // `work::claim`: with so few chunks the portions are of one chunk, but the first of
                // two.
                let want = if process.mine == 0 { 2 } else { 1 };
                let mut free: Vec<u8> = self.numbers().collect();
                // By what was seen: the turn keeps it true.
                let now = if self.defect == Defect::LookOutsideTheTurn { seen } else { state.work.clone() };
                free.retain(|chunk| self.is_free(now[usize::from(*chunk)], &living, name));
                for chunk in free.into_iter().take(want) {
                    state.work[usize::from(chunk)] = Work::Of(name);
                    process.mine |= 1 << chunk;
                }
            }
            Doing::GivingUp => process.doing = Doing::GivingBack,
            Doing::GivingBack => *process = Process::dead(process.starts_left),
            Doing::Merging(_) => {}
        }
    }
}

impl Process {
    fn dead(starts_left: u8) -> Process {
        Process { name: None, doing: Doing::Making, begun: false, mine: 0, ready: 0, seen: None, starts_left }
    }
}

impl Model for Protocol {
    type State = Shared;
    type Action = Event;

    fn init_states(&self) -> Vec<Shared> {
        vec![Shared {
            work: vec![Work::Free; usize::from(self.chunks)],
            there: 0,
            total: 0,
            turn: None,
            processes: vec![Process::dead(self.starts); self.makers + self.mergers],
            deaths_left: self.deaths,
        }]
    }

    fn actions(&self, state: &Shared, events: &mut Vec<Event>) {
        self.progress(state, events);
        let living = state.living();
        for (number, process) in state.processes.iter().enumerate() {
            match process.name {
                None if process.starts_left > 0 => {
                    let names = 1..=(self.makers + self.mergers) as Name;
                    // A byte that is locked is not given to another.
                    let free = names.filter(|name| !living.contains(name));
                    events.extend(free.map(|name| Event::Start(number, name)));
                }
                None => {}
                Some(_) => {
                    if state.deaths_left > 0 {
                        events.push(Event::Die(number));
                    }
                    // One may interrupt at any time; the transaction that has begun is finished
                    // first.
                    if self.interrupts
                        && process.doing == Doing::Making
                        && process.begun
                        && process.seen.is_none()
                    {
                        events.push(Event::GiveUp(number));
                    }
                }
            }
        }
    }

    fn next_state(&self, before: &Shared, event: Event) -> Option<Shared> {
        let mut state = before.clone();
        match event {
            Event::Start(number, name) => {
                let process = &mut state.processes[number];
                let doing = if number < self.makers { Doing::Making } else { Doing::Merging(None) };
                *process = Process { name: Some(name), doing, ..Process::dead(process.starts_left - 1) };
            }
            Event::Begin(number) => {
                let living = state.living();
                state.processes[number].seen = Some((state.work.clone(), living));
                if self.defect != Defect::LookOutsideTheTurn {
                    state.turn = Some(number);
                }
            }
            Event::Commit(number) => {
                self.commit(&mut state, number);
                state.turn = None;
            }
            Event::Compute(number, chunk) => state.processes[number].ready |= 1 << chunk,
            Event::GiveUp(number) => state.processes[number].doing = Doing::GivingUp,
            Event::Look(number, chunk) => state.processes[number].doing = Doing::Merging(Some(chunk)),
            Event::End(number) | Event::Die(number) => {
                if matches!(event, Event::Die(_)) {
                    state.deaths_left -= 1;
                }
                let process = &mut state.processes[number];
                *process = Process::dead(process.starts_left);
                // The kernel frees its bytes; its transaction has never been.
                state.turn = state.turn.filter(|holder| *holder != number);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(THERE, |_, state: &Shared| {
                (0..)
                    .zip(&state.work)
                    .all(|(chunk, work)| (state.there >> chunk & 1 == 1) == (*work == Work::Done))
            }),
            Property::always(TOTALS, |_, state: &Shared| u32::from(state.total) == state.there.count_ones()),
            Property::always(ONE_MAKER, |_, state: &Shared| {
                let mut made: Chunks = 0;
                state.processes.iter().all(|process| {
                    let mine = process.mine & !state.there;
                    let alone = made & mine == 0;
                    made |= mine;
                    alone
                })
            }),
            Property::always(GOES_ON, |model: &Protocol, state: &Shared| {
                let mut events = Vec::new();
                model.progress(state, &mut events);
                !events.is_empty() || state.living().is_empty()
            }),
            // The model can do what it is there for.
            Property::sometimes("all is made", |_, state: &Shared| {
                state.is_complete() && state.deaths_left == 0 && state.living().is_empty()
            }),
        ]
    }
}

const THERE: &str = "a chunk is there exactly if no range contains it";
const TOTALS: &str = "the totals are the sum of the chunks";
const ONE_MAKER: &str = "a missing chunk is claimed by one living process at most";
/// Whoever lives can go on until all is there. Each step of progress makes a chunk, or brings one
/// nearer, and there are finitely many; so with this every chunk is there in the end, if only one
/// process stays alive.
const GOES_ON: &str = "whoever lives goes on until all is there, and ends";

const SMALL: Protocol = Protocol {
    makers: 2,
    mergers: 1,
    chunks: 2,
    starts: 1,
    deaths: 1,
    interrupts: true,
    defect: Defect::None,
};

#[test]
fn the_protocol_holds_in_every_order_of_events() {
    for protocol in [
        Protocol { chunks: 3, starts: 2, deaths: 2, mergers: 0, ..SMALL },
        SMALL,
        Protocol { makers: 3, mergers: 0, interrupts: false, ..SMALL },
    ] {
        let checker = protocol.checker().threads(2).spawn_bfs().join();
        println!("{} states in all orders", checker.unique_state_count());
        checker.assert_properties();
        assert!(checker.unique_state_count() > 1000, "a model in which nothing happens proves nothing");
    }
}

#[test]
fn defects_of_the_protocol_are_found() {
    for (defect, broken) in [
        (Defect::LookOutsideTheTurn, ONE_MAKER),
        (Defect::NameInherited, THERE),
        (Defect::OwnedUnchecked, THERE),
        (Defect::DeadTakenForLiving, GOES_ON),
        (Defect::LivingTakenForDead, ONE_MAKER),
        (Defect::CountedTwice, TOTALS),
    ] {
        let starts = if defect == Defect::NameInherited { 2 } else { 1 };
        let protocol = Protocol { defect, starts, ..SMALL };
        let found = HasDiscoveries::AllOf([broken].into());
        let checker = protocol.checker().threads(2).finish_when(found).spawn_bfs().join();
        assert!(checker.discovery(broken).is_some(), "{defect:?} is not found");
    }
}
