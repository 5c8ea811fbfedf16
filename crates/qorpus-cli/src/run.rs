//! From a parsed command to the library and back to what is shown.

use crate::cli::{Arguments, Command, DistinctArguments, Generate, Repair, Verify};
use crate::progress::{Bar, LevelBar};
use crate::render;
use clap::CommandFactory;
use qorpus::{Caller, Corpus, FindOptions, Outcome, Reader, Target};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library refused or failed.
    Library(qorpus::Error),
    /// Standard output could not be written.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn status(&self) -> u8 {
        match self {
            Failure::Library(error) if error.is_usage() => 2,
            Failure::Library(qorpus::Error::Interrupted(_)) => INTERRUPTED,
            _ => 1,
        }
    }
}

impl From<qorpus::Error> for Failure {
    fn from(error: qorpus::Error) -> Failure {
        Failure::Library(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Library(error) => error.fmt(f),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

/// Set by the first Ctrl-C; the second one ends the process at once.
static STOP: AtomicBool = AtomicBool::new(false);

const INTERRUPTED: u8 = 130;

fn stop_on_interrupt() {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        render::stopping();
    };
    // Without a handler Ctrl-C ends the process, which loses nothing that was committed.
    let _ = ctrlc::set_handler(handler);
}

/// Has the first Ctrl-C end waiting for a store, and people see what is awaited.
pub(crate) fn attend() {
    qorpus::set_caller(Caller { stop: || STOP.load(Ordering::Relaxed), tell: render::warning });
}

pub(crate) fn run(command: Command) -> Result<u8, Failure> {
    let out = &mut anstream::AutoStream::auto(io::stdout().lock());
    match command {
        Command::Generate(arguments) => generate(arguments, out),
        Command::Distinct(arguments) => distinct(&arguments, out),
        Command::Find { corpus, circuit, unitary, order, tolerance, stored, json } => {
            stop_on_interrupt();
            let corpus = Corpus::open(&corpus)?;
            let qubits = corpus.recipe().alphabet().qubits();
            let target = match (circuit, unitary) {
                (_, Some(file)) => qorpus::read_npy(&file, qubits, order.into())?,
                (circuit, None) => {
                    Target::of_circuit(qorpus::circuit_unitary(&circuit.unwrap_or_default(), qubits)?)
                }
            };
            let options = FindOptions { further: !stored, tolerance };
            let found = corpus.find(&target, options, &mut || STOP.load(Ordering::Relaxed))?;
            match json {
                true => render::found_json(out, corpus.recipe(), &found)?,
                false => render::found(out, corpus.recipe(), &found)?,
            }
            Ok(if STOP.load(Ordering::Relaxed) { INTERRUPTED } else { 0 })
        }
        Command::Plan { recipe, machine, json } => {
            let recipe = recipe.options().recipe()?;
            let plan = qorpus::plan(&recipe, &machine.options())?;
            match json {
                true => render::plan_json(out, &recipe, &plan)?,
                false => render::plan(out, &recipe, &plan)?,
            }
            Ok(0)
        }
        Command::Info { corpus, json } => {
            let corpus = opened(&corpus)?;
            let (summary, unsealed) = (corpus.summary()?, corpus.unsealed()?);
            match json {
                true => render::info_json(out, &corpus, &summary, unsealed.as_ref())?,
                false => render::info(out, &corpus, &summary, unsealed.as_ref())?,
            }
            Ok(0)
        }
        Command::Show { corpus, ids, order, json } => {
            let corpus = opened(&corpus)?;
            let mut out = io::BufWriter::new(out);
            for id in ids {
                let record = match corpus.record(id, order.into()) {
                    Ok(record) => record,
                    Err(error) => {
                        out.flush()?;
                        return Err(error.into());
                    }
                };
                match json {
                    true => render::record_json(&mut out, corpus.recipe(), &record)?,
                    false => render::record(&mut out, corpus.recipe(), &record)?,
                }
            }
            out.flush()?;
            Ok(0)
        }
        Command::Seal { directory, json } => {
            let sealed = qorpus::seal(&directory)?;
            match json {
                true => render::sealed_json(out, &sealed)?,
                false => render::sealed(out, &directory, &sealed)?,
            }
            Ok(u8::from(!sealed.missing.is_empty()))
        }
        Command::Verify(arguments) => verify(&arguments, out),
        Command::Repair(arguments) => repair(&arguments, out),
        Command::Export { corpus, out: file, quiet } => {
            stop_on_interrupt();
            let (corpus, bar) = (opened(&corpus)?, Bar::new(quiet));
            bar.length(corpus.summary()?.records);
            let (mut done, start) = (0, Instant::now());
            let outcome = qorpus::export(&corpus, &file, &STOP, &mut |records| {
                bar.advance(records - done);
                done = records;
            })?;
            bar.clear();
            if outcome == Outcome::Interrupted {
                writeln!(out, "interrupted: nothing was left at {}", file.display())?;
                return Ok(INTERRUPTED);
            }
            if !quiet {
                render::done(out, &file, done, None, start.elapsed())?;
            }
            Ok(0)
        }
        Command::Merge { out: file, inputs, quiet } => {
            stop_on_interrupt();
            let (bar, start) = (Bar::new(quiet), Instant::now());
            let (outcome, progress) =
                qorpus::merge(&file, &inputs, &STOP, &mut |progress| bar.show(progress))?;
            bar.clear();
            if outcome == Outcome::Interrupted {
                return interrupted(out, &file, &file, progress);
            }
            if !quiet {
                render::done(out, &file, progress.made, Some(progress), start.elapsed())?;
            }
            Ok(0)
        }
        Command::Completions { shell } => {
            // Written by itself, it would panic where a pipe closes early.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "qorpus", &mut script);
            out.write_all(&script)?;
            Ok(0)
        }
    }
}

/// Opens a corpus, and says what is to be known before relying on it.
fn opened(corpus: &Path) -> Result<Reader, Failure> {
    let reader = Reader::open(&[corpus.into()])?;
    reader.warnings().iter().for_each(|warning| render::warning(warning));
    Ok(reader)
}

fn generate(arguments: Generate, out: &mut dyn Write) -> Result<u8, Failure> {
    let (options, quiet) = (arguments.options(), arguments.quiet);
    let is_part = arguments.part.is_some();
    let recipe = arguments.recipe.options().recipe()?;
    stop_on_interrupt();
    let (bar, start) = (Bar::new(quiet), Instant::now());
    let result =
        qorpus::generate(&arguments.out, &recipe, options.clone(), &STOP, &mut |progress| bar.show(progress));
    bar.clear();
    let (outcome, progress) = result?;
    if outcome == Outcome::Interrupted {
        let built_in = qorpus::built_in(&arguments.out, &options)?;
        return interrupted(out, &arguments.out, &built_in, progress);
    }
    if !quiet {
        if let Some(idle) = progress.idle {
            render::idle(out, &arguments.out, idle)?;
            return Ok(0);
        }
        render::done(out, &arguments.out, progress.made, Some(progress), start.elapsed())?;
        if is_part && qorpus::is_sharded(&arguments.out) {
            render::seal_next(out, &arguments.out)?;
        }
    }
    Ok(0)
}

fn distinct(arguments: &DistinctArguments, out: &mut dyn Write) -> Result<u8, Failure> {
    let recipe = arguments.recipe().recipe()?;
    stop_on_interrupt();
    let (mut bar, start) = (LevelBar::new(arguments.quiet), Instant::now());
    let result = qorpus::enumerate(&arguments.out, &recipe, arguments.options(), &STOP, &mut |progress| {
        bar.show(progress);
    });
    bar.clear();
    let (outcome, progress) = result?;
    if outcome == Outcome::Interrupted {
        writeln!(
            out,
            "interrupted while making circuits of {} letters; run the same command again to go on",
            progress.length
        )?;
        return Ok(INTERRUPTED);
    }
    if !arguments.quiet {
        render::levels(out, &Corpus::open(&arguments.out)?, &progress, start.elapsed())?;
    }
    Ok(0)
}

fn interrupted(
    out: &mut dyn Write,
    file: &Path,
    built_in: &Path,
    progress: qorpus::Progress,
) -> Result<u8, Failure> {
    render::interrupted(out, file, built_in, progress)?;
    Ok(INTERRUPTED)
}

fn verify(arguments: &Verify, out: &mut dyn Write) -> Result<u8, Failure> {
    let found =
        with_bar(arguments, |report| qorpus::verify(&arguments.corpus, arguments.options(), &STOP, report))?;
    show_found(arguments, &found, out)
}

fn repair(arguments: &Repair, out: &mut dyn Write) -> Result<u8, Failure> {
    let found = with_bar(&arguments.verify, |report| {
        qorpus::repair(&arguments.verify.corpus, &arguments.options(), &STOP, report)
    })?;
    let is_mended = !found.damaged.is_empty()
        || !found.shards.is_empty()
        || found.totals == Some(false)
        || found.wal_missing;
    if is_mended && !found.interrupted {
        render::repaired(out, &found)?;
        return verify(&arguments.verify, out);
    }
    show_found(&arguments.verify, &found, out)
}

fn show_found(arguments: &Verify, found: &qorpus::Verification, out: &mut dyn Write) -> Result<u8, Failure> {
    let reader = Reader::open(std::slice::from_ref(&arguments.corpus))?;
    render::verification(out, &arguments.corpus, reader.recipe(), found)?;
    Ok(status(found))
}

fn status(found: &qorpus::Verification) -> u8 {
    match (found.interrupted, found.is_clean()) {
        (true, _) => INTERRUPTED,
        (false, clean) => u8::from(!clean),
    }
}

fn with_bar(
    arguments: &Verify,
    check: impl FnOnce(&(dyn Fn(u64) + Sync)) -> qorpus::Result<qorpus::Verification>,
) -> Result<qorpus::Verification, Failure> {
    stop_on_interrupt();
    let bar = Bar::new(arguments.quiet);
    bar.length(opened(&arguments.corpus)?.summary()?.records);
    let found = check(&|records| bar.advance(records));
    bar.clear();
    Ok(found?)
}
