//! An inverted index: from a word to the lines it is in.

use crate::library::{Library, words};
use crate::search::{Hit, MOST_HITS};
use std::collections::HashMap;

pub(crate) struct Index {
    paths: Vec<String>,
    places: HashMap<String, Vec<Place>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    path: usize,
    line: usize,
}

impl Index {
    pub(crate) fn of(library: &Library) -> Index {
        let mut index = Index { paths: Vec::new(), places: HashMap::new() };
        for (path, line, text) in library.lines() {
            if index.paths.last().is_none_or(|last| last != path) {
                index.paths.push(path.to_owned());
            }
            let place = Place { path: index.paths.len() - 1, line };
            words(text).for_each(|word| index.add(word, place));
        }
        index
    }

    fn add(&mut self, word: &str, place: Place) {
        // A word of which there is a row already costs no allocation.
        match self.places.get_mut(word) {
            Some(places) if places.last() == Some(&place) => {}
            Some(places) => places.push(place),
            None => drop(self.places.insert(word.to_owned(), vec![place])),
        }
    }

    /// The first lines with the word in them.
    pub(crate) fn hits(&self, word: &str) -> Vec<Hit> {
        let places = self.places.get(word).into_iter().flatten().take(MOST_HITS);
        places.map(|place| Hit { path: self.paths[place.path].clone(), line: place.line }).collect()
    }

    pub(crate) fn words(&self) -> usize {
        self.places.len()
    }
}
