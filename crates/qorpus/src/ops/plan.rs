//! Planning: estimates of a recipe's cost from a short trial of the processors and the disk.

use crate::corpus::unitary_buffer::UnitaryBuffer;
use crate::error::Result;
use crate::ops::disk::Rates;
use crate::options::job::{PlanOptions, shards_at_once, threads};
use crate::os::workers;
use crate::produce::chunk_builder::ChunkBuilder;
use crate::produce::stored_size::{on_disk, tried};
use qorpus_core::{Codec, Recipe};
use std::time::{Duration, Instant};

/// The length of a trial on all cores at once, because a core alone is faster.
const TRIAL_TIME: Duration = Duration::from_millis(300);

/// Bytes of unitaries that are computed at once.
const BATCH_BYTES: usize = 1 << 20;

/// The cost of generating and reading a recipe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Records.
    pub records: u64,
    /// Chunks, one row each.
    pub chunks: u64,
    /// Records of a shard, if the corpus is sharded.
    pub shard_records: u64,
    /// Whether the recipe stores unitaries, so that its own way is `stored`, or else `derived`.
    pub stores_unitaries: bool,
    /// Circuits and unitaries stored.
    pub stored: Way,
    /// Circuits stored, unitaries computed on reading.
    pub derived: Way,
    /// Nothing stored: circuits and unitaries are computed on reading.
    pub computed: Way,
    /// This machine, with measured rates.
    pub here: Machine,
    /// The machine of the options; where they say nothing, it is like this one.
    pub there: Machine,
}

/// A way to provide the records, and its cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way {
    /// The approximate size of the finished corpus, in bytes.
    pub bytes: u64,
    /// Records a second that one core generates.
    pub rate: f64,
}

/// A machine: its processors and its disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Cores that work.
    pub cores: usize,
    /// Bytes a second that the disk writes in sequence, syncs included; reading is assumed to be as
    /// fast.
    pub disk_rate: f64,
    /// Seconds that a thread takes to copy a byte into a corpus, without the time of the disk. Those
    /// of another machine are assumed to be these.
    pub copying: f64,
}

impl Machine {
    /// Returns the bytes a second of one file: one thread copies and waits for the disk in turn.
    pub fn file_rate(&self) -> f64 {
        1.0 / (self.copying + 1.0 / self.disk_rate)
    }

    /// Returns the bytes a second of a directory of `shards`: one thread for each that is built at
    /// once, up to the rate of the disk.
    pub fn directory_rate(&self, shards: u64) -> f64 {
        (self.file_rate() * shards_at_once(self.cores, shards) as f64).min(self.disk_rate)
    }
}

impl Plan {
    /// Returns the way of the recipe itself.
    pub fn way(&self) -> Way {
        if self.stores_unitaries { self.stored } else { self.derived }
    }

    /// Returns the seconds that one core takes for all records.
    pub fn core_seconds(&self, way: Way) -> f64 {
        self.records as f64 / way.rate
    }

    /// Returns the number of shards of a directory.
    pub fn shards(&self) -> u64 {
        self.records.div_ceil(self.shard_records)
    }

    /// Returns the seconds that a machine takes for all records, in one file if a directory would
    /// have one shard, or else in a directory. It computes and writes at the same time, so the
    /// slower decides; its cores compute and copy.
    pub fn seconds(&self, way: Way, on: Machine) -> f64 {
        let bytes = way.bytes as f64;
        let processing = (self.core_seconds(way) + bytes * on.copying) / on.cores as f64;
        processing.max(bytes / on.directory_rate(self.shards()))
    }

    /// Returns the seconds to read the stored unitaries once from a machine's disk, and to compute
    /// them instead.
    pub fn reading(&self, on: Machine) -> (f64, f64) {
        (self.stored.bytes as f64 / on.disk_rate, self.core_seconds(self.computed) / on.cores as f64)
    }

    /// Returns whether a machine computes unitaries faster than it can read them from its disk.
    pub fn is_storing_slower(&self, on: Machine) -> bool {
        let (stored, computed) = self.reading(on);
        stored > computed
    }
}

/// Estimates the cost of `recipe`: computes a few chunks in each way for a third of a second on all
/// cores, and writes to the disk for about two seconds, in sequence and as a corpus. Removes all
/// files that it has written.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) for an impossible number of threads, or the directory
/// cannot be written.
pub fn plan(recipe: &Recipe, options: &PlanOptions) -> Result<Plan> {
    let jobs = threads(options.jobs)?;
    let directory = options.directory.clone().unwrap_or_else(std::env::temp_dir);
    let with =
        |unitaries| Recipe::new(recipe.alphabet().clone(), recipe.space().clone(), recipe.dtype(), unitaries);
    let measured = Rates::measured(&directory, &with(true))?;
    let with_disk = |rate: u64| Rates { sequential: rate.max(1) as f64, ..measured };
    let asked = options.disk_rate.map_or(measured, with_disk);
    // Without other cores, the plan is for this machine with another disk.
    let own = if options.cores.is_some() { measured } else { asked };
    let machine =
        |cores, rates: Rates| Machine { cores, disk_rate: rates.sequential, copying: rates.copying };
    Ok(Plan {
        records: recipe.space().len(),
        chunks: recipe.chunks(),
        shard_records: recipe.shard_records(),
        stores_unitaries: recipe.stores_unitaries(),
        stored: making(&with(true)),
        derived: making(&with(false)),
        computed: computing(&with(false)),
        here: machine(jobs, own),
        there: machine(options.cores.unwrap_or(jobs).max(1), asked),
    })
}

/// Measures generating the chunks of a recipe.
fn making(recipe: &Recipe) -> Way {
    let (codec, kernel) = (Codec::new(recipe), recipe.kernel());
    let chunks = recipe.chunks();
    let (rate, made, bytes) = on_all_cores(|core| {
        let mut maker = ChunkBuilder::new(recipe, &codec, &kernel);
        move |trial| {
            let chunk = maker.chunk(tried(chunks, core + 97 * trial));
            (chunk.count, chunk.bytes() as u64)
        }
    });
    Way { bytes: on_disk(recipe, chunks, bytes as f64 / made as f64), rate }
}

/// Measures computing records that are not stored.
fn computing(recipe: &Recipe) -> Way {
    let kernel = recipe.kernel();
    let size = recipe.alphabet().dim().pow(2) * recipe.dtype().bytes();
    let (at_once, chunks) = ((BATCH_BYTES / size).max(1) as u64, recipe.chunks());
    let (rate, ..) = on_all_cores(|core| {
        let (kernel, mut unitary_buffer, mut out) = (&kernel, UnitaryBuffer::default(), Vec::new());
        move |trial| {
            let ids = recipe.chunk_ids(tried(chunks, core + 97 * trial));
            let ids = ids.start..ids.end.min(ids.start + at_once);
            recipe.space().circuits(ids.clone(), &mut unitary_buffer.circuits);
            out.resize((ids.end - ids.start) as usize * size, 0);
            unitary_buffer.compute_own(kernel, recipe.dtype(), &mut out);
            (ids.end - ids.start, 0)
        }
    });
    Way { bytes: 0, rate }
}

/// Lets every core work for a while, each with a function from `begin` that generates records and
/// returns their number and bytes. Returns the records a second and core, and both sums.
fn on_all_cores<W: FnMut(u64) -> (u64, u64)>(begin: impl Fn(u64) -> W + Sync) -> (f64, u64, u64) {
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let work = |core: u64| {
        let mut work = begin(core);
        // The first call fills tables and caches.
        let (first, mut bytes) = work(0);
        let (mut timed, mut trial, start) = (0, 0, Instant::now());
        while timed == 0 || start.elapsed() < TRIAL_TIME {
            trial += 1;
            let (made, more) = work(trial);
            timed += made;
            bytes += more;
        }
        (timed as f64 / start.elapsed().as_secs_f64(), first + timed, bytes)
    };
    std::thread::scope(|scope| {
        // If fewer threads can be started, fewer share the machine; if none can, this thread does
        // the work.
        let work = &work;
        let Ok(workers) = workers::start(scope, cores, |core| move || work(core as u64)) else {
            return work(0);
        };
        let cores = workers.len();
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let add = |(rate, made, bytes): (f64, u64, u64), (rate_of_one, made_by_one, bytes_of_one)| {
            (rate + rate_of_one, made + made_by_one, bytes + bytes_of_one)
        };
        let (rate, made, bytes) = workers.into_iter().map(join).fold((0.0, 0, 0), add);
        (rate / cores as f64, made, bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipeOptions;

    #[test]
    fn a_plan_adds_up() {
        let recipe =
            RecipeOptions { random: 1 << 40, qubits: Some(1), ..RecipeOptions::default() }.recipe().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let options = PlanOptions {
            cores: Some(32),
            disk_rate: Some(2_000_000_000),
            directory: Some(directory.path().into()),
            ..PlanOptions::default()
        };
        let plan = plan(&recipe, &options).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert_eq!((plan.there.cores, plan.there.disk_rate), (32, 2e9));
        assert!(
            plan.stored.bytes > 64 << 40
                && plan.derived.bytes < plan.stored.bytes
                && plan.computed.bytes == 0
        );
        assert!(plan.way() == plan.stored && plan.here.disk_rate > 0.0);
        assert_eq!(plan.there.copying, plan.here.copying);
        // No disk gives 64 bytes in a nanosecond.
        let machine = |cores, disk_rate| Machine { cores, disk_rate, copying: 0.0 };
        assert!(plan.is_storing_slower(machine(1 << 20, 1e9)));
        assert!(!plan.is_storing_slower(machine(1, 1e12)));
        // A second for all records, and a second for their bytes.
        let way = Way { bytes: 1000, rate: plan.records as f64 };
        assert_eq!(plan.seconds(way, machine(1, 1e2)), 10.0);
        assert_eq!(plan.seconds(way, machine(1, 1e4)), 1.0);
        assert_eq!(plan.seconds(way, machine(4, 1e4)), 0.25);
        let copies = |cores, disk_rate| Machine { copying: 1e-3, ..machine(cores, disk_rate) };
        // One core computes and copies; eight threads build four shards, each at a ninth of the disk's
        // rate.
        assert_eq!(plan.seconds(way, copies(1, 1e6)), 2.0);
        assert_eq!(copies(1, 8e3).directory_rate(1), copies(1, 8e3).file_rate());
        let ninth = copies(8, 8e3).file_rate() / 8e3;
        assert!((ninth - 1.0 / 9.0).abs() < 1e-12);
        assert!((copies(8, 8e3).directory_rate(plan.shards()) - 8e3 * 4.0 / 9.0).abs() < 1e-6);
        assert_eq!(copies(64, 8e3).directory_rate(plan.shards()), 8e3);
    }

    #[test]
    fn large_unitaries_and_short_spaces_are_tried_too() {
        let recipes = [
            RecipeOptions { qubits: Some(8), random: 3, ..RecipeOptions::default() },
            RecipeOptions { qubits: Some(1), words: true, length: (0, 0), ..RecipeOptions::default() },
        ];
        for options in recipes {
            let options =
                (options.recipe().unwrap(), PlanOptions { disk_rate: Some(0), ..PlanOptions::default() });
            let plan = plan(&options.0, &options.1).unwrap();
            assert!(plan.seconds(plan.stored, plan.here).is_finite());
        }
    }
}
