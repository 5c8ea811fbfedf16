//! Enumerating distinct unitaries: level by level, exactly, in bounded memory, each with the first
//! of its shortest circuits.
//!
//! Each level has three parts. One more letter is put to every circuit of the levels before, and
//! what comes out is sorted by the unitaries' keys and written to temporary files, piece by piece.
//! Then all candidates within a range of keys are brought together, equal ones are made one, and
//! what an earlier level has already is dropped. At last the survivors are put in the order of
//! their circuits and become records. Every finished piece is a file or committed, so that a job
//! goes on where it ended. A level that fits is made in memory instead, with candidates in groups
//! rather than in order.

pub(crate) mod check;
pub(crate) mod division;
pub(crate) mod elsewhere;
pub(crate) mod enumerate;
pub(crate) mod expand;
pub(crate) mod find;
pub(crate) mod index;
pub(crate) mod job;
pub(crate) mod memory;
pub(crate) mod nearest;
pub(crate) mod parallel;
pub(crate) mod phases;
pub(crate) mod progress;
pub(crate) mod recording;
pub(crate) mod rows;
pub(crate) mod rules;
pub(crate) mod target;
pub(crate) mod temporary;
