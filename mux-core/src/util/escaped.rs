//! Text that a peer chose, as it is displayed: nothing in it can move a terminal's cursor, colour it, reorder
//! what stands beside it, or look like a line of its own.

use std::fmt;

/// Displays a text in one line. Control characters and those that change the direction of writing stand as
/// escapes: `\n`, `\u{1b}`. Nothing is allocated.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

/// Displays a text of several lines: each line escaped, and all but the first indented.
pub(crate) struct EscapedLines<'a>(pub(crate) &'a str);

/// What no line of a log begins with.
pub(crate) const INDENT: &str = "    ";

/// C0, DEL and C1 (ECMA-48: terminals act on them), line and paragraph separators, and the characters that
/// override the direction of writing (CVE-2021-42574).
fn is_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(is_escaped) {
            match part.chars().next_back().filter(|last| is_escaped(*last)) {
                Some(last) => {
                    write!(f, "{}{}", &part[..part.len() - last.len_utf8()], last.escape_default())?
                }
                None => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for EscapedLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.lines();
        let first = lines.next().unwrap_or_default();
        write!(f, "{}", Escaped(first))?;
        lines.try_for_each(|line| write!(f, "\n{INDENT}{}", Escaped(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_or_a_log_acts_on_is_escaped_and_all_else_is_not() {
        let cases = [
            ("", ""),
            ("größe 15 µs, 名前 👩‍🚀 \\x", "größe 15 µs, 名前 👩‍🚀 \\x"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
            ("\0\u{7f}\u{9b}2J", "\\u{0}\\u{7f}\\u{9b}2J"),
            ("\u{202e}gpj.exe\u{2066}", "\\u{202e}gpj.exe\\u{2066}"),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
        ];
        for (raw, shown) in cases {
            assert_eq!(Escaped(raw).to_string(), shown);
        }
    }

    #[test]
    fn lines_after_the_first_are_indented() {
        let shown = EscapedLines("left == right\n left: 1\r\n\u{1b}c").to_string();
        assert_eq!(shown, "left == right\n     left: 1\n    \\u{1b}c");
    }
}
