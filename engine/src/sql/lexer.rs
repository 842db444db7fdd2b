//! Script text to tokens, one slice per statement, with byte positions; and the shell's question whether a
//! text ends a statement. Splits at semicolons outside quotes and comments. Never rewrites text; the next
//! door is `limits`, then `parser`.

use std::ops::Range;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::dialect::TailwaterDialect;
use super::error::{SqlError, SqlResult, sqlstate};

/// The tokens of one statement and where it stands.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Whitespace and comments included, without the semicolon.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// First to last byte that is neither whitespace nor comment.
    pub(crate) range: Range<usize>,
}

/// Byte offset of a location (line and column count from 1, columns in characters).
/// The empty location is the end of the text, as sqlparser uses it for "end of input".
pub fn byte_offset(sql: &str, location: Location) -> usize {
    if location.line == 0 {
        return sql.len();
    }
    let mut start = 0;
    for _ in 1..location.line {
        match sql.get(start..).and_then(|rest| rest.find('\n')) {
            Some(newline) => start += newline + 1,
            None => return sql.len(),
        }
    }
    let column = usize::try_from(location.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = sql.get(start..).unwrap_or_default();
    rest.char_indices()
        .nth(column)
        .map_or(sql.len(), |(offset, _)| start + offset)
}

/// Tokens of a script, one slice per statement that says something.
pub(crate) fn split(sql: &str) -> SqlResult<Vec<Slice>> {
    let dialect = TailwaterDialect::default();
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| {
            SqlError::new(sqlstate::SYNTAX_ERROR, error.message)
                .at(byte_offset(sql, error.location))
        })?;
    let mut slices = Vec::new();
    let mut current = Vec::new();
    let mut range: Option<Range<usize>> = None;
    let mut cursor = Cursor::new(sql);
    for token in tokens {
        let start = cursor.advance(token.span.start);
        let end = cursor.advance(token.span.end);
        match token.token {
            Token::SemiColon => {
                if let Some(range) = range.take() {
                    slices.push(Slice {
                        tokens: std::mem::take(&mut current),
                        range,
                    });
                }
                current.clear();
            }
            Token::EOF => {}
            Token::Whitespace(_) => current.push(token),
            _ => {
                range = Some(range.map_or(start, |range| range.start)..end);
                current.push(token);
            }
        }
    }
    if let Some(range) = range {
        slices.push(Slice {
            tokens: current,
            range,
        });
    }
    Ok(slices)
}

/// Walks locations forward, each character once.
pub(super) struct Cursor<'a> {
    rest: std::str::Chars<'a>,
    line: u64,
    column: u64,
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        Cursor {
            rest: sql.chars(),
            line: 1,
            column: 1,
            offset: 0,
        }
    }

    /// The byte offset of a location that is not before the last one.
    pub(super) fn advance(&mut self, to: Location) -> usize {
        while (self.line, self.column) < (to.line, to.column) {
            let Some(ch) = self.rest.next() else { break };
            self.offset += ch.len_utf8();
            if ch == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.offset
    }
}

/// Whether the text ends a statement: its last word, outside quotes and comments, is a semicolon.
/// A text that is only whitespace and comments, or that leaves a quote open, does not.
pub fn complete_prefix(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    let mut at = 0;
    let mut ended = false;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        at = match (byte, next) {
            (b'-', Some(b'-')) => match find(bytes, at, b"\n") {
                Some(newline) => newline + 1,
                None => return ended,
            },
            (b'/', Some(b'*')) => match skip_comment(bytes, at) {
                Some(end) => end,
                None => return false,
            },
            (b'\'', _) => {
                ended = false;
                let escapes = at > 0
                    && matches!(bytes.get(at - 1), Some(b'e' | b'E'))
                    && !at
                        .checked_sub(2)
                        .and_then(|i| bytes.get(i))
                        .is_some_and(is_word);
                match skip_quoted(bytes, at, b'\'', escapes) {
                    Some(end) => end,
                    None => return false,
                }
            }
            (b'"' | b'`', _) => {
                ended = false;
                match skip_quoted(bytes, at, byte, false) {
                    Some(end) => end,
                    None => return false,
                }
            }
            (b'$', _) if !(at > 0 && bytes.get(at - 1).is_some_and(is_word)) => {
                ended = false;
                match skip_dollar(bytes, at) {
                    Some(end) => end,
                    None => return false,
                }
            }
            (b';', _) => {
                ended = true;
                at + 1
            }
            _ => {
                ended &= byte.is_ascii_whitespace();
                at + 1
            }
        };
    }
    ended
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(needle.len())
        .position(|window| window == needle)
        .map(|at| from + at)
}

/// End of a quoted stretch that starts at `at`; a doubled quote stands for itself.
fn skip_quoted(bytes: &[u8], mut at: usize, quote: u8, escapes: bool) -> Option<usize> {
    at += 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if escapes => at += 2,
            byte if byte == quote => {
                if bytes.get(at + 1) != Some(&quote) {
                    return Some(at + 1);
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// End of a nested comment.
fn skip_comment(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

/// End of `$tag$ … $tag$`, or of the parameter `$1`, `$name`.
fn skip_dollar(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    while bytes.get(end).is_some_and(is_word) {
        end += 1;
    }
    if bytes.get(end) != Some(&b'$') {
        return Some(end);
    }
    let tag = bytes.get(at..=end)?;
    find(bytes, end + 1, tag).map(|close| close + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_keep_their_bytes() {
        let sql = " select 'ü;' ; -- note; \n/* ; /* ; */ */ insert into t values ($$;$$)\n;;";
        let texts: Vec<&str> = split(sql)
            .unwrap()
            .iter()
            .map(|s| &sql[s.range.clone()])
            .collect();
        assert_eq!(texts, ["select 'ü;'", "insert into t values ($$;$$)"]);
    }

    #[test]
    fn offsets_count_characters_and_lines() {
        let sql = "ab\nüx y";
        assert_eq!(byte_offset(sql, Location::new(2, 2)), 5);
        assert_eq!(byte_offset(sql, Location::new(1, 1)), 0);
        assert_eq!(byte_offset(sql, Location::new(9, 1)), sql.len());
        assert_eq!(byte_offset(sql, Location::new(0, 0)), sql.len());
    }

    #[test]
    fn shell_knows_when_a_statement_ends() {
        for (sql, ends) in [
            ("", false),
            ("  -- only a comment ;", false),
            ("select 1", false),
            ("select 1;", true),
            ("select 1; -- done", true),
            ("select 1; /* done", false),
            ("select 1; select", false),
            ("select ';", false),
            ("select 'it''s;';", true),
            (r"select E'\';';", true),
            (r"select '\';", true),
            ("select \"a;\"\"b\";", true),
            ("select `a;`;", true),
            ("select $$ ; ", false),
            ("select $x$ ; $$ $x$;", true),
            ("select $1;", true),
            ("select a$b;", true),
            ("/* /* ; */ ;", false),
            ("/* /* ; */ */ ;", true),
        ] {
            assert_eq!(complete_prefix(sql), ends, "{sql}");
        }
    }
}
