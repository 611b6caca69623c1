//! A list that nearly always is empty, and then costs no more to move or drop than a null pointer.

use std::ops::Deref;
use std::vec;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rare<T>(Option<Box<List<T>>>);

/// Behind the pointer.
#[derive(Clone, Debug, PartialEq)]
struct List<T>(Vec<T>);

impl<T> Rare<T> {
    #[inline]
    pub(crate) const fn new() -> Rare<T> {
        Rare(None)
    }

    pub(crate) fn push(&mut self, item: T) {
        self.0.get_or_insert_with(|| Box::new(List(Vec::new()))).0.push(item);
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Rare<T> {
        Rare(self.0.take())
    }

    /// Takes off all but the first so many.
    pub(crate) fn split_off(&mut self, len: usize) -> Rare<T> {
        self.0.as_mut().map_or_else(Rare::new, |list| list.0.split_off(len).into())
    }

    fn into_vec(self) -> Vec<T> {
        self.0.map_or_else(Vec::new, |list| list.0)
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Rare<T> {
        Rare::new()
    }
}

impl<T> Deref for Rare<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |list| &list.0)
    }
}

impl<T> From<Vec<T>> for Rare<T> {
    fn from(list: Vec<T>) -> Rare<T> {
        Rare((!list.is_empty()).then(|| Box::new(List(list))))
    }
}

impl<T> FromIterator<T> for Rare<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Rare<T> {
        Vec::from_iter(items).into()
    }
}

impl<T> Extend<T> for Rare<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T> IntoIterator for Rare<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> vec::IntoIter<T> {
        self.into_vec().into_iter()
    }
}
