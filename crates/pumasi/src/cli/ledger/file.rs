//! The book as a file: written whole or not at all, read record by record.

use super::Record;
use super::replay::broken;
use crate::fault::Fault;
use rules::ledger::Row;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use wire::ledger::{BlockLine, DayLine};
use wire::signed::Cosign;

const MAGIC: &[u8; 4] = b"PML1";
const ROW: u8 = b'R';
const BLOCK: u8 = b'B';
const BLOCK_LEN: usize = 120;
const DAY: u8 = b'D';
const DAY_LEN: usize = 140;

fn fault(path: &Path, error: &std::io::Error) -> Fault {
    Fault::bad_value("file", &path.display().to_string(), &error.to_string())
}

fn bytes_of(block: &BlockLine) -> [u8; BLOCK_LEN] {
    let numbers = [block.no, block.first, block.last].into_iter().flat_map(u64::to_le_bytes);
    let hashes = [block.root, block.prev, block.hash].into_iter().flatten();
    let mut out = [0; BLOCK_LEN];
    out.iter_mut().zip(numbers.chain(hashes)).for_each(|(to, from)| *to = from);
    out
}

fn block_of(bytes: &[u8; BLOCK_LEN]) -> BlockLine {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes were taken"));
    let hash = |at: usize| bytes[at..at + 32].try_into().expect("32 bytes were taken");
    BlockLine { no: number(0), first: number(8), last: number(16), root: hash(24), prev: hash(56), hash: hash(88) }
}

fn bytes_of_day(day: &DayLine) -> [u8; DAY_LEN] {
    let parts: [&[u8]; 7] = [
        &day.day.to_le_bytes(),
        &day.rows_root,
        &day.accounts_root,
        &day.debits.to_le_bytes(),
        &day.credits.to_le_bytes(),
        &day.rows.to_le_bytes(),
        &day.root,
    ];
    let mut out = [0; DAY_LEN];
    out.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    out
}

fn day_of(bytes: &[u8; DAY_LEN], cosigned: Vec<Vec<u8>>) -> DayLine {
    let hash = |at: usize| bytes[at..at + 32].try_into().expect("32 bytes were taken");
    let sum = |at: usize| u128::from_le_bytes(bytes[at..at + 16].try_into().expect("16 bytes were taken"));
    DayLine {
        day: u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes were taken")),
        rows_root: hash(4),
        accounts_root: hash(36),
        debits: sum(68),
        credits: sum(84),
        rows: u64::from_le_bytes(bytes[100..108].try_into().expect("8 bytes were taken")),
        root: hash(108),
        cosigned,
    }
}

/// A file that is being written beside its place.
pub(super) struct Writing {
    out: BufWriter<File>,
    path: PathBuf,
    beside: PathBuf,
    rows: u64,
    blocks: u64,
}

impl Writing {
    pub fn new(path: &Path) -> Result<Self, Fault> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        let beside = PathBuf::from(beside);
        let open = || {
            let mut out = BufWriter::new(File::create(&beside)?);
            out.write_all(MAGIC)?;
            Ok(out)
        };
        let out = open().map_err(|error| fault(path, &error))?;
        Ok(Self { out, path: path.to_owned(), beside, rows: 0, blocks: 0 })
    }

    pub fn put(&mut self, record: &Record) -> Result<(), Fault> {
        let done = match record {
            Record::Row(row) => {
                self.rows += 1;
                self.out.write_all(&[ROW]).and_then(|()| self.out.write_all(&row.bytes()))
            }
            Record::Block(block) => {
                self.blocks += 1;
                self.out.write_all(&[BLOCK]).and_then(|()| self.out.write_all(&bytes_of(block)))
            }
            Record::Day(day) => self.put_day(day),
        };
        done.map_err(|error| fault(&self.path, &error))
    }

    /// Words of another length are none: they stay out.
    fn put_day(&mut self, day: &DayLine) -> Result<(), std::io::Error> {
        let words: Vec<&Vec<u8>> = day.cosigned.iter().filter(|word| word.len() == Cosign::LEN).collect();
        let count = u8::try_from(words.len()).unwrap_or(u8::MAX);
        self.out.write_all(&[DAY])?;
        self.out.write_all(&bytes_of_day(day))?;
        self.out.write_all(&[count])?;
        words.iter().take(count.into()).try_for_each(|word| self.out.write_all(word))
    }

    /// Puts it in its place; how many rows and blocks it has.
    pub fn end(self) -> Result<(u64, u64), Fault> {
        let Self { out, path, beside, rows, blocks } = self;
        let file = out.into_inner().map_err(|error| fault(&path, error.error()))?;
        file.sync_all().and_then(|()| std::fs::rename(&beside, &path)).map_err(|error| fault(&path, &error))?;
        Ok((rows, blocks))
    }
}

/// A file that is being read.
pub(super) struct Reading {
    from: BufReader<File>,
    path: PathBuf,
}

impl Reading {
    pub fn new(path: &Path) -> Result<Self, Fault> {
        let file = File::open(path).map_err(|error| fault(path, &error))?;
        let mut from = BufReader::new(file);
        let mut magic = [0; 4];
        let is_one = from.read_exact(&mut magic).is_ok() && magic == *MAGIC;
        if !is_one {
            return Err(Fault::bad_value(
                "file",
                &path.display().to_string(),
                "it is no book; make one: pumasi ledger export FILE",
            ));
        }
        Ok(Self { from, path: path.to_owned() })
    }

    /// Hands each record on.
    ///
    /// # Errors
    /// E0001 where it cannot be read, else what `each` says; a record that is none is what is wrong with the book.
    pub fn each(mut self, mut each: impl FnMut(Record) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut read: u64 = 0;
        while let Some(kind) = self.kind()? {
            read += 1;
            let none = || broken(format_args!("record {read} of the file is none"));
            each(match kind {
                ROW => Record::Row(Box::new(Row::parse(&self.take()?).ok_or_else(none)?)),
                BLOCK => Record::Block(block_of(&self.take()?)),
                DAY => {
                    let (day, [count]) = (self.take()?, self.take()?);
                    let word = |_| self.take::<{ Cosign::LEN }>().map(Vec::from);
                    let words = (0..count).map(word).collect::<Result<_, _>>()?;
                    Record::Day(Box::new(day_of(&day, words)))
                }
                _ => return Err(none()),
            })?;
        }
        Ok(())
    }

    fn kind(&mut self) -> Result<Option<u8>, Fault> {
        let mut kind = [0];
        match self.from.read_exact(&mut kind) {
            Ok(()) => Ok(Some(kind[0])),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(fault(&self.path, &error)),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(|_| broken("the file ends within a record"))?;
        Ok(bytes)
    }
}
