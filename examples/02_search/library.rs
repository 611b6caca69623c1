//! The text files below some folders, and the plain way to search them: line by line.

use crate::Outcome;
use crate::search::{Entry, Hit, MOST_HITS};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

const MOST_FILES: usize = 2000;
const MOST_BYTES: usize = 8 << 20;
const LARGEST_FILE: u64 = 1 << 20;

/// The texts by their paths.
#[derive(Default)]
pub(crate) struct Library {
    texts: BTreeMap<String, String>,
    bytes: usize,
}

impl Library {
    /// Reads what is UTF-8 and not too large, up to a bound on all of it.
    pub(crate) fn read(folders: &[impl AsRef<Path>]) -> Outcome<Library> {
        let mut library = Library::default();
        for folder in folders {
            let folder = folder.as_ref();
            library.walk(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
        }
        Ok(library)
    }

    fn walk(&mut self, folder: &Path) -> io::Result<()> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Ok(kind) = path.symlink_metadata() else { continue };
            if kind.is_dir() && !is_skipped(&path) {
                // A folder that may not be read, or was removed just now, has no texts for us.
                let _ = self.walk(&path);
            } else if kind.is_file() && kind.len() <= LARGEST_FILE {
                self.add(&path);
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path) {
        let Some(name) = path.to_str() else { return };
        let Ok(text) = fs::read_to_string(path) else { return };
        if self.texts.len() < MOST_FILES && self.bytes + text.len() <= MOST_BYTES {
            self.bytes += text.len();
            self.texts.insert(name.to_owned(), text);
        }
    }

    pub(crate) fn catalogue(&self) -> Vec<Entry> {
        let entry = |(path, text): (&String, &String)| Entry { path: path.clone(), digest: digest(text) };
        self.texts.iter().map(entry).collect()
    }

    /// Forgets what is not in the catalogue, or is not the same there.
    pub(crate) fn keep_only(&mut self, catalogue: &[Entry]) {
        let known: BTreeMap<&str, u64> = catalogue.iter().map(|entry| (&*entry.path, entry.digest)).collect();
        self.texts.retain(|path, text| known.get(&**path) == Some(&digest(text)));
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.texts.contains_key(path)
    }

    pub(crate) fn files(&self) -> usize {
        self.texts.len()
    }

    /// Path, number and text of every line, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, usize, &str)> {
        self.texts
            .iter()
            .flat_map(|(path, text)| text.lines().zip(1..).map(|(line, number)| (&**path, number, line)))
    }

    /// The first lines that satisfy `wanted`.
    pub(crate) fn hits(&self, wanted: impl Fn(&str) -> bool) -> Vec<Hit> {
        let hits = self.lines().filter(|(_, _, line)| wanted(line));
        hits.map(|(path, line, _)| Hit { path: path.to_owned(), line }).take(MOST_HITS).collect()
    }
}

fn is_skipped(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "target" || name == ".git")
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The words of a line: letters, digits and underscores.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter| !is_letter(letter)).filter(|word| !word.is_empty())
}

/// Whether a word is in a line, found without taking the line apart into words.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
