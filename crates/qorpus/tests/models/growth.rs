//! The protocol by which a sharded corpus grows, as a model that is checked in every order of
//! events.
//!
//! The model has, with its places in the code: jobs of the smaller and of the larger recipe, which
//! read the manifest before each shard (`ShardBuilder::check_recipe` in shards/build.rs), publish
//! shards in any order, seal (`commit_manifest` in shards/commit.rs: read, look for shards, and put
//! under the condition that the manifest is still the one that was read), remove what was replaced
//! (`remove_leftovers`), end, or die at any point and start again. The lock of a directory only makes
//! the condition hold more often, so it is left out.
//!
//! As for the protocol of a file, the checker must also find the defects which the protocol is there
//! to avoid: each is a small change of the model.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use stateright::{Checker, HasDiscoveries, Model, Property};

/// A set of shards, a bit for each.
type Shards = u8;

/// A full shard of both recipes.
const FULL: Shards = 1;
/// The last shard of the smaller recipe...
const SHORT: Shards = 2;
/// ...and the one of the larger recipe that has its records and more.
const LONG: Shards = 4;
/// A shard of the larger recipe alone.
const NEW: Shards = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// The manifest gets the larger recipe while a listed shard has no replacement.
    GrowEarly,
    /// A shard is removed while the manifest lists it.
    RemoveEarly,
    /// The manifest is put whatever it is by now.
    PutUnchecked,
    /// A job of the smaller recipe seals a manifest of the larger one.
    SealSmaller,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Manifest {
    is_large: bool,
    listed: Shards,
}

/// What a living process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Doing {
    Dead,
    /// It has read the manifest, and will publish a shard.
    Building,
    Between,
    /// It has read the manifest and found shards.
    Sealing(Manifest, Shards),
    /// It has read a manifest that lists all that there is, and removes what was replaced.
    Removing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Process {
    is_large: bool,
    doing: Doing,
    starts_left: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Corpus {
    manifest: Manifest,
    there: Shards,
    processes: Vec<Process>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Start(usize),
    Check(usize),
    Publish(usize, Shards),
    Look(usize),
    Put(usize),
    Remove(usize),
    Die(usize),
}

#[derive(Clone)]
struct Growth {
    /// Whether each process is one of the larger recipe.
    processes: Vec<bool>,
    starts: u8,
    there: Shards,
    listed: Shards,
    defect: Defect,
}

/// The shards of a recipe.
fn shards(is_large: bool) -> Shards {
    if is_large { FULL | LONG | NEW } else { FULL | SHORT }
}

impl Process {
    /// Whether it goes on when the manifest is this one: a larger one stops it.
    fn accepts(&self, manifest: Manifest) -> bool {
        self.is_large || !manifest.is_large
    }
}

impl Growth {
    /// What moves on by itself.
    fn progress(&self, state: &Corpus, events: &mut Vec<Event>) {
        for (number, process) in state.processes.iter().enumerate() {
            let missing = shards(process.is_large) & !state.there;
            match process.doing {
                Doing::Dead => {}
                Doing::Between => {
                    if missing != 0 {
                        events.push(Event::Check(number));
                    }
                    events.push(Event::Look(number));
                }
                Doing::Building => {
                    // A faster process may have published it.
                    let all = [FULL, SHORT, LONG, NEW].into_iter();
                    events.extend(
                        all.filter(|shard| shards(process.is_large) & shard != 0)
                            .map(|shard| Event::Publish(number, shard)),
                    );
                }
                Doing::Sealing(..) => events.push(Event::Put(number)),
                Doing::Removing => events.push(Event::Remove(number)),
            }
        }
    }

    /// The manifest that a process puts after it has read `old` and found shards; `None` if the corpus
    /// cannot grow yet.
    fn next(&self, process: Process, old: Manifest, found: Shards, there: Shards) -> Option<Manifest> {
        let grows = process.is_large && !old.is_large;
        let is_awaited = grows && old.listed & there & SHORT != 0 && found & LONG == 0;
        let next = Manifest { is_large: process.is_large, listed: found };
        (!is_awaited || self.defect == Defect::GrowEarly).then_some(next)
    }

    fn put(&self, state: &mut Corpus, number: usize) {
        let process = state.processes[number];
        let Doing::Sealing(old, found) = process.doing else { return };
        state.processes[number].doing = Doing::Between;
        let Some(next) = self.next(process, old, found, state.there) else { return };
        if next == old {
            let removes = next.is_large && next.listed & LONG != 0;
            state.processes[number].doing = if removes { Doing::Removing } else { Doing::Dead };
        } else if state.manifest == old || self.defect == Defect::PutUnchecked {
            state.manifest = next;
        }
    }
}

impl Model for Growth {
    type State = Corpus;
    type Action = Event;

    fn init_states(&self) -> Vec<Corpus> {
        let process = |&is_large| Process { is_large, doing: Doing::Dead, starts_left: self.starts };
        vec![Corpus {
            manifest: Manifest { is_large: false, listed: self.listed },
            there: self.there,
            processes: self.processes.iter().map(process).collect(),
        }]
    }

    fn actions(&self, state: &Corpus, events: &mut Vec<Event>) {
        self.progress(state, events);
        for (number, process) in state.processes.iter().enumerate() {
            if process.doing != Doing::Dead {
                events.push(Event::Die(number));
            } else if process.starts_left > 0 {
                events.push(Event::Start(number));
            }
        }
    }

    fn next_state(&self, before: &Corpus, event: Event) -> Option<Corpus> {
        let mut state = before.clone();
        let (manifest, there) = (state.manifest, state.there);
        match event {
            Event::Start(number) => {
                let process = &mut state.processes[number];
                process.starts_left -= 1;
                process.doing = if process.accepts(manifest) { Doing::Between } else { Doing::Dead };
            }
            Event::Check(number) => {
                let process = &mut state.processes[number];
                process.doing = if process.accepts(manifest) { Doing::Building } else { Doing::Dead };
            }
            Event::Publish(number, shard) => {
                state.there |= shard;
                state.processes[number].doing = Doing::Between;
                if self.defect == Defect::RemoveEarly && shard == LONG {
                    state.there &= !SHORT;
                }
            }
            Event::Look(number) => {
                let process = &mut state.processes[number];
                let accepts = process.accepts(manifest) || self.defect == Defect::SealSmaller;
                let sealing = Doing::Sealing(manifest, there & shards(process.is_large));
                process.doing = if accepts { sealing } else { Doing::Dead };
            }
            Event::Put(number) => self.put(&mut state, number),
            Event::Remove(number) => {
                state.there &= !SHORT;
                state.processes[number].doing = Doing::Dead;
            }
            Event::Die(number) => state.processes[number].doing = Doing::Dead,
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(THERE, |_, state: &Corpus| state.manifest.listed & !state.there == 0),
            Property::always(KEPT, |model: &Growth, state: &Corpus| {
                let has_last = state.manifest.listed & (SHORT | LONG) != 0;
                model.listed & FULL & !state.manifest.listed == 0 && (model.listed & SHORT == 0 || has_last)
            }),
            Property::always(ONE_RECIPE, |_, state: &Corpus| {
                state.manifest.listed & !shards(state.manifest.is_large) == 0
            }),
            Property::always(GROWN, |_, state: &Corpus| {
                // A job of the larger recipe that has seen all of its shards listed ends, or removes.
                let is_over = |process: &Process| process.is_large && process.doing == Doing::Removing;
                let is_complete = state.manifest.is_large && state.manifest.listed & LONG != 0;
                is_complete || !state.processes.iter().any(is_over)
            }),
            Property::sometimes("it has grown, and nothing is left", |_, state: &Corpus| {
                state.manifest == Manifest { is_large: true, listed: shards(true) }
                    && state.there == shards(true)
            }),
        ]
    }
}

const THERE: &str = "a listed shard is there";
const KEPT: &str = "a record that could be read can be read at every moment";
const ONE_RECIPE: &str = "the manifest lists shards of its recipe";
const GROWN: &str = "a growth that was seen is not undone";

/// A complete smaller corpus, two jobs that grow it, and one of the smaller size.
fn complete() -> Growth {
    let there = shards(false);
    Growth { processes: vec![false, true, true], starts: 2, there, listed: there, defect: Defect::None }
}

#[test]
fn a_growth_holds_in_every_order_of_events() {
    for growth in [
        complete(),
        Growth { processes: vec![false, false, true], there: FULL, listed: FULL, ..complete() },
        Growth { processes: vec![false, true, true], there: 0, listed: 0, ..complete() },
        Growth { there: FULL | SHORT, listed: 0, ..complete() },
    ] {
        let checker = growth.checker().threads(2).spawn_bfs().join();
        println!("{} states in all orders", checker.unique_state_count());
        checker.assert_properties();
        assert!(checker.unique_state_count() > 1000, "a model in which nothing happens proves nothing");
    }
}

#[test]
fn defects_of_the_growth_are_found() {
    for (defect, broken) in [
        (Defect::GrowEarly, KEPT),
        (Defect::RemoveEarly, THERE),
        (Defect::PutUnchecked, GROWN),
        (Defect::SealSmaller, GROWN),
    ] {
        let found = HasDiscoveries::AllOf([broken].into());
        let checker =
            Growth { defect, ..complete() }.checker().threads(2).finish_when(found).spawn_bfs().join();
        assert!(checker.discovery(broken).is_some(), "{defect:?} is not found");
    }
}
