//! Ids from a csv file, one a line, as people's files are: with blank lines, spaces, quotes, CRLF, a BOM, repeats and
//! a header that nobody meant to be a user.
//!
//! Every line is accounted for: it is an id, a repeat, blank, the header, or named as invalid.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context as _;

use super::BadInput;
use crate::domain::ids::UserId;

/// What a column of ids is called, in lower case and without separators.
const HEADERS: [&str; 9] = ["userid", "userids", "objectid", "identifier", "id", "ids", "uuid", "user", "users"];
/// No line with an id is longer; a file without line ends must not fill the memory.
const MAX_LINE: u64 = 64 * 1024;
/// Invalid lines that are remembered; all are counted.
const MAX_NAMED: usize = 20;

/// A file, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct IdFile {
    /// In the file's order, without repeats.
    pub ids: Vec<UserId>,
    pub repeats: u64,
    pub lines: Lines,
}

/// What became of the lines that hold no id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// All of them.
    pub count: u64,
    pub blank: u64,
    pub header: bool,
    pub invalid: u64,
    /// The first invalid ones: number, counted from 1, and what is wrong. Never the line itself.
    pub named: Vec<(u64, String)>,
}

impl Lines {
    /// The invalid ones that are remembered, a line each, and how many there are besides. `place`: what their numbers count.
    pub(super) fn told_invalid(&self, place: &str) -> String {
        let named = self.named.iter().map(|(number, problem)| format!("\n  {place} {number} {problem}"));
        let more = self.invalid.saturating_sub(self.named.len() as u64);
        named.chain((more > 0).then(|| format!("\n  and {more} more"))).collect()
    }
}

/// Gives the ids out one by one, repeats too, and accounts for every other line.
pub(super) struct IdReader<R> {
    input: R,
    line: Vec<u8>,
    pub lines: Lines,
    column: Column,
    splitter: Splitter,
}

impl<R: BufRead> IdReader<R> {
    pub(super) fn of(input: R) -> Self {
        let (lines, column, splitter) = (Lines::default(), Column::default(), Splitter::default());
        Self { input, line: Vec::new(), lines, column, splitter }
    }

    /// The next id; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read, or is no text in UTF-8 with lines.
    pub(super) fn next(&mut self) -> io::Result<Option<UserId>> {
        loop {
            self.line.clear();
            if self.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            if self.line.len() as u64 == MAX_LINE && !self.line.ends_with(b"\n") {
                let place = self.lines.count + 1;
                return Err(invalid_data(&format!("line {place} is longer than 64 KiB: is this a list of ids?")));
            }
            let line = std::mem::take(&mut self.line);
            let found = self.line(&line)?;
            self.line = line;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}

/// Reads to the end.
fn read(input: impl BufRead) -> io::Result<IdFile> {
    let mut reader = IdReader::of(input);
    let (mut file, mut seen) = (IdFile::default(), HashSet::new());
    while let Some(id) = reader.next()? {
        if seen.insert(id.clone()) {
            file.ids.push(id);
        } else {
            file.repeats += 1;
        }
    }
    Ok(IdFile { lines: reader.lines, ..file })
}

/// From wherever a person gives them: a file, `-` for `input`, or one by one.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn of_person(file: Option<&Path>, ids: &[String], input: &mut dyn BufRead) -> anyhow::Result<IdFile> {
    match file {
        None => Ok(of_arguments(ids)),
        Some(path) if path == Path::new("-") => read(input).context(BadInput("standard input".to_owned())),
        Some(path) => File::open(path)
            .and_then(|file| read(BufReader::new(file)))
            .with_context(|| BadInput(path.display().to_string())),
    }
}

/// Writes a file that [`read`] reads.
pub(super) struct IdWriter(csv::Writer<File>);

impl IdWriter {
    /// `beside`: what a second column holds.
    pub(super) fn create(path: &Path, beside: Option<&str>) -> io::Result<Self> {
        let mut writer = csv::Writer::from_path(path)?;
        writer.write_record(["userId"].into_iter().chain(beside))?;
        Ok(Self(writer))
    }

    /// False, and nothing is written, where reading it again would be refused.
    pub(super) fn write(&mut self, id: &UserId, beside: Option<&str>) -> io::Result<bool> {
        if !parse(id.as_str()).is_ok_and(|read| read == *id) {
            return Ok(false);
        }
        self.0.write_record([id.as_str()].into_iter().chain(beside))?;
        Ok(true)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Ids that were typed one by one: no header, no columns; a "line" is an argument.
pub(super) fn of_arguments(arguments: &[String]) -> IdFile {
    let (mut file, mut seen) = (IdFile::default(), HashSet::new());
    for argument in arguments {
        file.lines.count += 1;
        match parse(argument) {
            Ok(id) if seen.insert(id.clone()) => file.ids.push(id),
            Ok(_) => file.repeats += 1,
            Err(problem) => file.lines.refuse(&problem),
        }
    }
    file
}

/// Where in a line the id stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Column {
    /// No line with anything in it so far.
    #[default]
    Unknown,
    /// The only one: there is no header.
    Only,
    Named(usize),
}

impl<R> IdReader<R> {
    fn line(&mut self, bytes: &[u8]) -> io::Result<Option<UserId>> {
        self.lines.count += 1;
        let bytes = match self.lines.count {
            1 if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
                return Err(invalid_data("is in UTF-16; save it as UTF-8"));
            }
            1 => bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes),
            _ => bytes,
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.lines.refuse("is not UTF-8");
            return Ok(None);
        };
        let text = text.trim();
        if text.is_empty() {
            self.lines.blank += 1;
        } else if text.contains('\r') {
            // The csv reader would take what comes before it and forget the rest.
            self.lines.refuse("holds a carriage return: lines end with a line feed");
        } else if let Some(cells) = self.splitter.split(text)? {
            return Ok(self.cells(&cells));
        } else {
            self.lines.refuse("has a quote that is not closed");
        }
        Ok(None)
    }

    fn cells(&mut self, cells: &csv::StringRecord) -> Option<UserId> {
        if self.column == Column::Unknown {
            if let Some(column) = header(cells) {
                self.column = Column::Named(column);
                self.lines.header = true;
                return None;
            }
            self.column = Column::Only;
        }
        let found = match self.column {
            Column::Named(column) => cells.get(column).ok_or("is shorter than the header"),
            Column::Only | Column::Unknown if cells.iter().skip(1).any(|cell| !cell.trim().is_empty()) => {
                Err("has more than one column, and no header says which holds the ids (userId)")
            }
            Column::Only | Column::Unknown => Ok(cells.get(0).unwrap_or_default()),
        };
        let id = found.map_err(str::to_owned).and_then(parse);
        id.map_err(|problem| self.lines.refuse(&problem)).ok()
    }
}

impl Lines {
    fn refuse(&mut self, problem: &str) {
        self.invalid += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push((self.count, problem.to_owned()));
        }
    }
}

/// Spaces around an id are a slip of whoever wrote the list; inside, two ids share a line.
pub(super) fn parse(text: &str) -> Result<UserId, String> {
    let text = text.trim();
    if text.contains([' ', '\t', ';']) {
        return Err("holds a space, a tab or a semicolon: one id a line".to_owned());
    }
    UserId::parse(text).map_err(|error| error.to_string())
}

/// Splits one line at a time; made once, since making it costs more than a line.
struct Splitter(csv::Reader<VecDeque<u8>>);

impl Default for Splitter {
    fn default() -> Self {
        let mut builder = csv::ReaderBuilder::new();
        Self(builder.has_headers(false).flexible(true).from_reader(VecDeque::new()))
    }
}

impl Splitter {
    /// The line's cells; `None` when it ends inside quotes.
    fn split(&mut self, line: &str) -> io::Result<Option<csv::StringRecord>> {
        self.0.get_mut().extend(line.bytes().chain([b'\n']));
        let mut cells = csv::StringRecord::new();
        self.0.read_record(&mut cells)?;
        if cells.iter().next_back().is_some_and(|cell| cell.ends_with('\n')) {
            // The end of the line is part of a cell, so the quotes are open; and the reader has met its end.
            *self = Self::default();
            return Ok(None);
        }
        Ok(Some(cells))
    }
}

fn header(cells: &csv::StringRecord) -> Option<usize> {
    let names: Vec<String> = cells.iter().map(|cell| cell.trim().to_lowercase().replace([' ', '_', '-'], "")).collect();
    HEADERS.iter().find_map(|header| names.iter().position(|name| name == header))
}

fn invalid_data(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests;
