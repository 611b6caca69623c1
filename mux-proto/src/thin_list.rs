//! A list that nearly always is empty, and then costs no more to move or drop than a null pointer.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Deref;

#[derive(Clone, Debug, PartialEq)]
pub struct ThinList<T>(Option<Box<List<T>>>);

/// Behind the pointer.
#[derive(Clone, Debug, PartialEq)]
struct List<T>(Vec<T>);

impl<T> ThinList<T> {
    #[inline]
    pub const fn new() -> ThinList<T> {
        ThinList(None)
    }

    pub(crate) fn push(&mut self, item: T) {
        self.0.get_or_insert_with(|| Box::new(List(Vec::new()))).0.push(item);
    }

    #[inline]
    pub fn take(&mut self) -> ThinList<T> {
        ThinList(self.0.take())
    }

    /// Takes off all but the first so many.
    pub fn split_off(&mut self, len: usize) -> ThinList<T> {
        self.0.as_mut().map_or_else(ThinList::new, |list| list.0.split_off(len).into())
    }

    fn into_vec(self) -> Vec<T> {
        self.0.map_or_else(Vec::new, |list| list.0)
    }
}

impl<T> Default for ThinList<T> {
    fn default() -> ThinList<T> {
        ThinList::new()
    }
}

impl<T> Deref for ThinList<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |list| &list.0)
    }
}

impl<T> From<Vec<T>> for ThinList<T> {
    fn from(list: Vec<T>) -> ThinList<T> {
        ThinList((!list.is_empty()).then(|| Box::new(List(list))))
    }
}

impl<T> FromIterator<T> for ThinList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> ThinList<T> {
        Vec::from_iter(items).into()
    }
}

impl<T> Extend<T> for ThinList<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T> IntoIterator for ThinList<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> vec::IntoIter<T> {
        self.into_vec().into_iter()
    }
}
