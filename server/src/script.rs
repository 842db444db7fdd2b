//! `Splitter`: a script, line by line, into statements: at semicolons outside quotes and comments, each byte looked
//! at once. It knows where each statement began and nothing else of SQL; the next door is the engine's parser.

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// From its first word to its last, without the semicolon.
    pub(crate) text: String,
    /// The line of its first word, from 1.
    pub(crate) line: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    LineComment,
    /// Comments nest.
    Comment(usize),
    Quoted {
        quote: u8,
        escapes: bool,
    },
    /// Until this tag, dollars included.
    Dollar(String),
}

/// Takes lines and gives statements.
#[derive(Debug)]
pub(crate) struct Splitter {
    buffer: String,
    /// How far the buffer has been looked at.
    at: usize,
    /// Where the statement begins, once it has.
    start: Option<usize>,
    /// The line of `at`.
    line: usize,
    start_line: usize,
    state: State,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            buffer: String::new(),
            at: 0,
            start: None,
            line: 1,
            start_line: 1,
            state: State::Plain,
        }
    }
}

impl Splitter {
    /// Takes a line, with the end of line it came with.
    pub(crate) fn push(&mut self, line: &str) {
        self.buffer.push_str(line);
    }

    /// Whether no statement, quote or comment is open: a dot command may stand here.
    pub(crate) fn is_blank(&self) -> bool {
        self.start.is_none()
            && matches!(self.state, State::Plain | State::LineComment)
            && self
                .buffer
                .get(self.at..)
                .is_none_or(|rest| rest.trim().is_empty())
    }

    /// The number of the line that comes next.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// Takes note of a line that was not SQL.
    pub(crate) fn skip_line(&mut self) {
        self.line += 1;
    }

    /// The next whole statement of what was taken so far.
    pub(crate) fn next_statement(&mut self) -> Option<Statement> {
        while self.at < self.buffer.len() {
            let was_plain = self.state == State::Plain;
            let begin = self.at;
            let byte = self.byte(begin)?;
            if was_plain && byte == b';' {
                self.at += 1;
                let ended = self.take(begin);
                if ended.is_some() {
                    return ended;
                }
                continue;
            }
            self.step(byte);
            self.line += usize::from(byte == b'\n');
            let begins = was_plain
                && !byte.is_ascii_whitespace()
                && !matches!(self.state, State::Comment(_) | State::LineComment);
            if begins && self.start.is_none() {
                self.start = Some(begin);
                self.start_line = self.line;
            }
        }
        if self.start.is_none() {
            self.drain(self.at);
        }
        None
    }

    /// What is left at the end of the script, without its semicolon.
    pub(crate) fn finish(&mut self) -> Option<Statement> {
        if let Some(statement) = self.next_statement() {
            return Some(statement);
        }
        let last = self.take(self.buffer.len());
        self.state = State::Plain;
        last
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.buffer.as_bytes().get(at).copied()
    }

    fn take(&mut self, end: usize) -> Option<Statement> {
        let start = self.start.take()?;
        let text = self
            .buffer
            .get(start..end)
            .unwrap_or_default()
            .trim_end()
            .to_owned();
        self.drain(self.at);
        Some(Statement {
            text,
            line: self.start_line,
        })
    }

    fn drain(&mut self, end: usize) {
        self.buffer.drain(..end);
        self.at -= end;
    }

    /// Moves over one byte, or over the two that belong together.
    fn step(&mut self, byte: u8) {
        let next = self.byte(self.at + 1);
        let mut width = 1;
        match &mut self.state {
            State::Plain => match (byte, next) {
                (b'-', Some(b'-')) => {
                    self.state = State::LineComment;
                    width = 2;
                }
                (b'/', Some(b'*')) => {
                    self.state = State::Comment(1);
                    width = 2;
                }
                (b'\'' | b'"' | b'`', _) => {
                    let escapes = byte == b'\'' && self.after_escape_prefix();
                    self.state = State::Quoted {
                        quote: byte,
                        escapes,
                    };
                }
                (b'$', _) => {
                    if let Some(tag) = self.dollar_tag() {
                        width = tag.len();
                        self.state = State::Dollar(tag);
                    }
                }
                _ => {}
            },
            State::LineComment => {
                if byte == b'\n' {
                    self.state = State::Plain;
                }
            }
            State::Comment(depth) => match (byte, next) {
                (b'/', Some(b'*')) => {
                    *depth += 1;
                    width = 2;
                }
                (b'*', Some(b'/')) => {
                    *depth -= 1;
                    width = 2;
                    if *depth == 0 {
                        self.state = State::Plain;
                    }
                }
                _ => {}
            },
            State::Quoted { quote, escapes } => {
                let is_escape = byte == b'\\' && *escapes && next != Some(b'\n');
                if is_escape || (byte == *quote && next == Some(byte)) {
                    width = 2;
                } else if byte == *quote {
                    self.state = State::Plain;
                }
            }
            State::Dollar(tag) => {
                let rest = self.buffer.as_bytes().get(self.at..).unwrap_or_default();
                if byte == b'$' && rest.starts_with(tag.as_bytes()) {
                    width = tag.len();
                    self.state = State::Plain;
                }
            }
        }
        self.at = (self.at + width).min(self.buffer.len());
    }

    /// Whether the quote at hand is that of `E'…'`.
    fn after_escape_prefix(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).and_then(|at| self.byte(at));
        matches!(before(1), Some(b'e' | b'E')) && !before(2).is_some_and(is_word)
    }

    /// The tag that begins here: `$$` or `$tag$`.
    fn dollar_tag(&self) -> Option<String> {
        if self
            .at
            .checked_sub(1)
            .and_then(|at| self.byte(at))
            .is_some_and(is_word)
        {
            return None;
        }
        let rest = self.buffer.get(self.at..)?;
        let inner = rest.get(1..)?;
        let end = inner.bytes().position(|byte| !is_word(byte))?;
        if inner.as_bytes().get(end) != Some(&b'$')
            || inner
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        rest.get(..end + 2).map(str::to_owned)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(script: &str) -> Vec<(String, usize)> {
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        for line in script.split_inclusive('\n') {
            splitter.push(line);
            while let Some(statement) = splitter.next_statement() {
                found.push((statement.text, statement.line));
            }
        }
        found.extend(
            splitter
                .finish()
                .map(|statement| (statement.text, statement.line)),
        );
        found
    }

    #[test]
    fn statements_keep_their_text_and_know_their_line() {
        let script = "-- head; \n\nselect 'a;''b'\n , \"x;\"; select $$;\n;$$;;\n/* ; /* ; */ */ select E'\\';'\n;\ninsert into t";
        assert_eq!(
            split(script),
            [
                ("select 'a;''b'\n , \"x;\"".to_owned(), 3),
                ("select $$;\n;$$".to_owned(), 4),
                ("select E'\\';'".to_owned(), 6),
                ("insert into t".to_owned(), 8),
            ]
        );
        assert_eq!(split("  -- nothing ;\n/* ; */ ;\n"), []);
        assert_eq!(
            split("select $1; select a$b$;"),
            [("select $1".into(), 1), ("select a$b$".into(), 1)]
        );
        assert_eq!(
            split("select '\\';x'"),
            [("select '\\'".into(), 1), ("x'".into(), 1)]
        );
    }

    #[test]
    fn it_agrees_with_the_parser_about_where_statements_end() {
        for text in [
            "select 1;",
            "select ';",
            "select 'it''s;';",
            "select E'\\';';",
            "select `a;`;",
            "select $x$ ; $$ $x$;",
            "/* /* ; */ */ ;",
            "select 1; -- done\n",
            "select 1; /* done",
            "select a-b;",
            "select a/b;",
            "a;b",
        ] {
            let mut splitter = Splitter::default();
            splitter.push(text);
            while splitter.next_statement().is_some() {}
            let ends = splitter.is_blank() && text.contains(';');
            assert_eq!(
                ends,
                tailwater::internals::sql::complete_prefix(text),
                "{text}"
            );
        }
    }

    #[test]
    fn dot_commands_may_stand_between_statements_only() {
        let mut splitter = Splitter::default();
        assert!(splitter.is_blank());
        splitter.push("select 1\n");
        assert!(splitter.next_statement().is_none() && !splitter.is_blank());
        splitter.push("; -- done\n");
        assert!(splitter.next_statement().is_some() && splitter.next_statement().is_none());
        assert!(splitter.is_blank());
        assert_eq!(splitter.line(), 3);
        splitter.push("/* open\n");
        assert!(splitter.next_statement().is_none() && !splitter.is_blank());
    }
}
