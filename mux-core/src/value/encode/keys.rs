//! The fields of the structs that are being written by position, for where positions turn out not to tell them.

/// A stack of names and places. What does not fit is kept in a list.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) len: usize,
    names: [Option<&'static str>; KEYS],
    places: [usize; KEYS],
    more: Vec<(&'static str, usize)>,
}

const KEYS: usize = 16;

impl Keys {
    #[inline(always)]
    pub(super) fn push(&mut self, name: &'static str, place: usize) {
        let at = self.len;
        self.len += 1;
        if at < KEYS {
            self.names[at] = Some(name);
            self.places[at] = place;
        } else {
            self.push_more(name, place);
        }
    }

    #[cold]
    fn push_more(&mut self, name: &'static str, place: usize) {
        self.more.push((name, place));
    }

    pub(super) fn pop(&mut self) -> Option<(&'static str, usize)> {
        self.len = self.len.checked_sub(1)?;
        match self.names.get(self.len) {
            Some(name) => name.map(|name| (name, self.places[self.len])),
            None => self.more.pop(),
        }
    }

    #[inline(always)]
    pub(super) fn truncate(&mut self, len: usize) {
        if self.len > KEYS {
            self.more.truncate(len.saturating_sub(KEYS));
        }
        self.len = len;
    }
}
