//! Numbers that `serde_json` keeps as text.

/// What `serde_json` calls a number that it keeps as text, with its feature `arbitrary_precision`. Whether it has it is
/// decided for a whole program, and the peer is another one.
pub(super) const NUMBER: &str = "$serde_json::private::Number";

/// A number that has the same text again at the other end.
pub(super) enum Plain {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Plain {
    /// From a map of the name to the text.
    pub(super) fn of(map: &[u8]) -> Option<Plain> {
        let text = map.strip_prefix(&[0x81, 0xbc])?.strip_prefix(NUMBER.as_bytes())?;
        // A longer text than one with this header is none of those below.
        let (0xa0..=0xbf, text) = text.split_first()? else { return None };
        let text = std::str::from_utf8(text).ok()?;
        let same = |number: String| number == text;
        if let Some(number) = text.parse().ok().filter(|number: &u64| same(number.to_string())) {
            return Some(Plain::Unsigned(number));
        }
        if let Some(number) = text.parse().ok().filter(|number: &i64| same(number.to_string())) {
            return Some(Plain::Signed(number));
        }
        // All ways to write a number agree in this range.
        let is_usual = |number: &f64| *number == 0.0 || (1e-3..1e15).contains(&number.abs());
        text.parse().ok().filter(|number| is_usual(number) && same(format!("{number:?}"))).map(Plain::Float)
    }
}
