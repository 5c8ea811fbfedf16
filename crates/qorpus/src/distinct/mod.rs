//! Enumerating distinct unitaries, level by level, exactly, in bounded memory, each with the first
//! of its shortest circuits; and finding them.
//!
//! Each level is a step of a breadth-first search in external memory. One more letter extends every
//! circuit of the frontier, and the candidates are spilled to disk, sorted by the unitaries' keys
//! (`job`, `expand`). Then all candidates within a range of keys are merged, equal ones into one,
//! and candidates of earlier levels are dropped (`external`, `dedup`). Finally the survivors are
//! sorted by their circuits and become records (`commit`). Every finished piece is a file or
//! committed, so that an interrupted job resumes. A level that fits in memory needs no files: its
//! rows are grouped (`in_memory`, `candidate_groups`, `grouped_rows`). Other machines may compute a
//! level's candidates (`remote`, `partition`, `worker`).

pub(crate) mod candidate;
pub(crate) mod candidate_groups;
pub(crate) mod commit;
pub(crate) mod context;
pub(crate) mod dedup;
#[cfg(feature = "environments")]
pub(crate) mod distance_table;
pub(crate) mod enumerate;
pub(crate) mod expand;
pub(crate) mod external;
pub(crate) mod find;
pub(crate) mod found;
pub(crate) mod frontier;
pub(crate) mod grouped_rows;
pub(crate) mod in_memory;
pub(crate) mod index;
pub(crate) mod index_builder;
pub(crate) mod index_lookup;
pub(crate) mod job;
pub(crate) mod labels;
pub(crate) mod letters;
pub(crate) mod meet_in_the_middle;
pub(crate) mod messages;
pub(crate) mod nearest;
pub(crate) mod parallel;
pub(crate) mod partition;
pub(crate) mod progress;
pub(crate) mod radix_sort;
pub(crate) mod recode;
pub(crate) mod remote;
pub(crate) mod row_format;
pub(crate) mod search;
pub(crate) mod sorted_file;
pub(crate) mod spill;
pub(crate) mod tableau_search;
pub(crate) mod target;
pub(crate) mod verify_index;
pub(crate) mod worker;
