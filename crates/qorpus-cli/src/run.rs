//! Commands: call the library, and show the result.

use crate::cli::{Arguments, Command, Find, Generate, Sql};
use crate::distinct::DistinctArguments;
use crate::failure::{Failure, INTERRUPTED};
use crate::progress::{Bar, LevelBar};
use crate::rows::RowPrinter;
use crate::verify::{Repair, Verify};
use crate::{Installation, json, text};
use clap::CommandFactory;
use qorpus::{Corpus, CorpusFile, Order, Outcome, WaitHooks};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Set by the first Ctrl-C. The second one exits at once.
static STOP: AtomicBool = AtomicBool::new(false);

fn stop_on_interrupt() {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        text::stopping();
    };
    // Without a handler, Ctrl-C ends the process, which loses no committed record.
    let _ = ctrlc::set_handler(handler);
}

/// Lets the first Ctrl-C end a wait for an object store, and prints what is being waited for.
pub(crate) fn install_wait_hooks() {
    qorpus::set_wait_hooks(WaitHooks { should_stop: || STOP.load(Ordering::Relaxed), notify: text::warning });
}

pub(crate) fn run(command: Command, installation: Installation<'_>) -> Result<u8, Failure> {
    let out = &mut anstream::AutoStream::auto(io::stdout().lock());
    match command {
        Command::Generate(arguments) => generate(arguments, out),
        Command::Distinct(arguments) => distinct(&arguments, out),
        Command::Find(arguments) => find(&arguments, out),
        Command::Plan { recipe, machine, json } => {
            let recipe = recipe.options().recipe()?;
            let plan = qorpus::plan(&recipe, &machine.options())?;
            if json {
                writeln!(out, "{:#}", json::plan(&recipe, &plan))?;
            } else {
                text::plan::plan(out, &recipe, &plan)?;
            }
            Ok(0)
        }
        Command::Info { corpus, json } => {
            let corpus = opened(&corpus)?;
            let summary = corpus.summary()?;
            let unsealed = corpus.unsealed()?;
            if json {
                writeln!(out, "{:#}", json::info(&corpus, &summary, unsealed.as_ref()))?;
            } else {
                text::info::info(out, &corpus, &summary, unsealed.as_ref())?;
            }
            Ok(0)
        }
        Command::Show { corpus, ids, order, json } => {
            let mut out = io::BufWriter::new(out);
            // Records before an error are shown.
            let shown = show(&opened(&corpus)?, ids, order, json, &mut out);
            out.flush()?;
            shown.map(|()| 0)
        }
        Command::Sql(arguments) => sql(&arguments, &mut io::BufWriter::new(out)),
        Command::Seal { directory, json } => {
            let sealed = qorpus::seal(&directory)?;
            if json {
                writeln!(out, "{:#}", json::sealed(&sealed))?;
            } else {
                text::job::sealed(out, &directory, &sealed)?;
            }
            Ok(u8::from(!sealed.missing.is_empty()))
        }
        Command::Verify(arguments) => verify(&arguments, out),
        Command::Repair(arguments) => repair(&arguments, out),
        Command::Export { corpus, out: file, quiet } => export(&corpus, &file, quiet, out),
        Command::Merge { out: file, inputs, quiet } => merge(&file, &inputs, quiet, out),
        Command::SqliteExtension => {
            writeln!(out, "{}", qorpus::sqlite_extension(installation.directory)?.display())?;
            Ok(0)
        }
        Command::View(arguments) => installation.viewer.map(|view| view(&arguments)).ok_or(Failure::NoViewer),
        Command::Completions { shell } => {
            // `generate` panics if it writes to a closed pipe itself.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "qorpus", &mut script);
            out.write_all(&script)?;
            Ok(0)
        }
    }
}

fn find(arguments: &Find, out: &mut dyn Write) -> Result<u8, Failure> {
    stop_on_interrupt();
    let is_stopped = || STOP.load(Ordering::Relaxed);
    let corpus = CorpusFile::open(&arguments.corpus)?;
    let target = arguments.target(corpus.recipe())?;
    let found = corpus.find(&target, arguments.options(), &mut || is_stopped())?;
    if arguments.json {
        writeln!(out, "{}", json::found(corpus.recipe(), &found))?;
    } else {
        text::find::found(out, corpus.recipe(), &found)?;
    }
    Ok(if is_stopped() { INTERRUPTED } else { 0 })
}

fn show(
    corpus: &Corpus,
    ids: Vec<u64>,
    order: Order,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for id in ids {
        let record = corpus.record(id, order)?;
        if json {
            writeln!(out, "{}", json::record(corpus.recipe(), &record))?;
        } else {
            text::record::record(out, corpus.recipe(), &record)?;
        }
    }
    Ok(())
}

fn sql(arguments: &Sql, out: &mut dyn Write) -> Result<u8, Failure> {
    stop_on_interrupt();
    let corpus = Arc::new(opened(&arguments.corpus)?);
    // Outside a terminal, the other stream removes what looks like a style, also from labels.
    let mut exact = io::BufWriter::new(io::stdout().lock());
    let mut printer = match arguments {
        Sql { json: true, .. } => RowPrinter::json(&mut exact, &corpus),
        Sql { csv: true, .. } => RowPrinter::csv(&mut exact),
        _ => RowPrinter::table(out),
    };
    let is_stopped = || STOP.load(Ordering::Relaxed);
    let selected = corpus.select_into(arguments.order, &arguments.query, &[], is_stopped, &mut printer);
    // Rows before an error are shown.
    printer.finish()?;
    match selected {
        Err(qorpus::Error::Query(_)) if is_stopped() => Ok(INTERRUPTED),
        selected => Ok(selected.map(|()| 0)?),
    }
}

fn export(corpus: &Path, file: &Path, quiet: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    stop_on_interrupt();
    let corpus = opened(corpus)?;
    let bar = Bar::counting(quiet, corpus.summary()?.records);
    let start = Instant::now();
    let mut done = 0;
    let outcome = qorpus::export(&corpus, file, &STOP, &mut |records| {
        bar.advance(records - done);
        done = records;
    })?;
    bar.clear();
    if outcome == Outcome::Interrupted {
        writeln!(out, "interrupted: {} was not written", file.display())?;
        return Ok(INTERRUPTED);
    }
    if !quiet {
        text::job::done(out, file, "exported", done, None, None, start.elapsed())?;
    }
    Ok(0)
}

fn merge(file: &Path, inputs: &[PathBuf], quiet: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    stop_on_interrupt();
    let start = Instant::now();
    let bar = Bar::new(quiet);
    let (outcome, progress) = qorpus::merge(file, inputs, &STOP, &mut |progress| bar.show(progress))?;
    bar.clear();
    if outcome == Outcome::Interrupted {
        text::job::interrupted(out, file, file, progress)?;
        return Ok(INTERRUPTED);
    }
    if !quiet {
        text::job::done(out, file, "merged", progress.made, Some(progress), None, start.elapsed())?;
    }
    Ok(0)
}

/// Opens a corpus and prints its warnings.
fn opened(corpus: &Path) -> Result<Corpus, Failure> {
    let reader = Corpus::open(&[corpus.into()])?;
    reader.warnings().iter().for_each(|warning| text::warning(warning));
    Ok(reader)
}

fn generate(arguments: Generate, out: &mut dyn Write) -> Result<u8, Failure> {
    let options = arguments.options();
    let recipe = arguments.recipe.options().recipe()?;
    stop_on_interrupt();
    let start = Instant::now();
    let bar = Bar::new(arguments.quiet);
    let result =
        qorpus::generate(&arguments.out, &recipe, options.clone(), &STOP, &mut |progress| bar.show(progress));
    bar.clear();
    let (outcome, progress) = result?;
    if outcome == Outcome::Interrupted {
        text::job::interrupted(out, &arguments.out, &qorpus::built_in(&arguments.out, &options)?, progress)?;
        return Ok(INTERRUPTED);
    }
    if !arguments.quiet {
        if let Some(idle) = progress.idle {
            text::job::idle(out, &arguments.out, idle)?;
            return Ok(0);
        }
        // The progress of a part of a directory counts the records of the part.
        let part = arguments.job.part.filter(|_| qorpus::is_sharded(&arguments.out));
        text::job::done(
            out,
            &arguments.out,
            "generated",
            progress.made,
            Some(progress),
            part,
            start.elapsed(),
        )?;
        if part.is_some() {
            text::job::seal_next(out, &arguments.out)?;
        }
    }
    Ok(0)
}

fn distinct(arguments: &DistinctArguments, out: &mut dyn Write) -> Result<u8, Failure> {
    let recipe = arguments.recipe().recipe()?;
    stop_on_interrupt();
    let start = Instant::now();
    let mut bar = LevelBar::new(arguments.quiet);
    let result = qorpus::enumerate(&arguments.out, &recipe, arguments.options(), &STOP, &mut |progress| {
        bar.show(progress);
    });
    bar.clear();
    let (outcome, progress) = result?;
    if outcome == Outcome::Interrupted {
        text::enumeration::enumeration_interrupted(out, &arguments.out, &progress)?;
        return Ok(INTERRUPTED);
    }
    if !arguments.quiet {
        let corpus = CorpusFile::open(&arguments.out)?;
        text::enumeration::levels(out, (&corpus.levels()?, corpus.is_group()?), &progress, start.elapsed())?;
    }
    Ok(0)
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
    let is_repaired = !found.damaged.is_empty()
        || !found.shards.is_empty()
        || found.totals == Some(false)
        || found.wal_missing;
    if is_repaired && !found.interrupted {
        text::verification::repaired(out, &found)?;
        return verify(&arguments.verify, out);
    }
    show_found(&arguments.verify, &found, out)
}

fn show_found(arguments: &Verify, found: &qorpus::Verification, out: &mut dyn Write) -> Result<u8, Failure> {
    let reader = Corpus::open(std::slice::from_ref(&arguments.corpus))?;
    text::verification::verification(out, &arguments.corpus, reader.recipe(), found)?;
    Ok(if found.interrupted { INTERRUPTED } else { u8::from(!found.is_clean()) })
}

fn with_bar(
    arguments: &Verify,
    check: impl FnOnce(&(dyn Fn(u64) + Sync)) -> qorpus::Result<qorpus::Verification>,
) -> Result<qorpus::Verification, Failure> {
    stop_on_interrupt();
    let bar = Bar::counting(arguments.quiet, opened(&arguments.corpus)?.summary()?.records);
    let found = check(&|records| bar.advance(records));
    bar.clear();
    Ok(found?)
}
