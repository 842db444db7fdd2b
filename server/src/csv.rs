//! `CsvReader`: RFC 4180 records from a stream, each with the line it began on. An empty field without quotes is
//! absent (NULL), `""` is an empty text. Another character than the comma may separate fields. It guesses nothing about
//! types.

use std::io::BufRead;

use crate::failure::Failure;

/// Longest field, in bytes: a quote that is never closed must not swallow a disk.
const FIELD_BYTES_MAX: usize = 64 << 20;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The line it began on, from 1.
    pub(crate) line: usize,
    /// Its fields.
    pub(crate) fields: Vec<Option<String>>,
    /// Bytes it took, its end of line included.
    pub(crate) bytes: usize,
}

/// Reads records.
pub(crate) struct CsvReader<R> {
    input: R,
    /// For messages.
    name: String,
    separator: char,
    line: usize,
    is_first: bool,
}

impl<R: BufRead> CsvReader<R> {
    /// Reads from `input`, called `name` in messages.
    pub(crate) fn new(input: R, name: &str, separator: char) -> Self {
        Self {
            input,
            name: name.to_owned(),
            separator,
            line: 1,
            is_first: true,
        }
    }

    /// The next record; empty lines are left out.
    ///
    /// # Errors
    /// When reading fails, a quote stays open, something follows a closing quote, or the text is not UTF-8.
    pub(crate) fn next_record(&mut self) -> Result<Option<Record>, Failure> {
        loop {
            let mut text = Vec::new();
            let begin = self.line;
            let mut quotes = 0;
            // A record goes on at the next line as long as a quote is open.
            loop {
                let read = self
                    .input
                    .read_until(b'\n', &mut text)
                    .map_err(Failure::io(format!("reading {}", self.name)))?;
                if read == 0 {
                    break;
                }
                self.line += 1;
                let piece = text.get(text.len() - read..).unwrap_or_default();
                quotes += piece.iter().filter(|byte| **byte == b'"').count();
                if quotes % 2 == 0 {
                    break;
                }
                if text.len() > FIELD_BYTES_MAX {
                    return Err(self.malformed(begin, "a quote that is never closed"));
                }
            }
            if text.is_empty() {
                return Ok(None);
            }
            let bytes = text.len();
            let Ok(text) = String::from_utf8(text) else {
                return Err(self.malformed(begin, "text that is not UTF-8"));
            };
            let mut text = text.as_str();
            if std::mem::take(&mut self.is_first) {
                text = text.strip_prefix('\u{feff}').unwrap_or(text);
            }
            let text = text.strip_suffix('\n').unwrap_or(text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                continue;
            }
            let fields =
                fields(text, self.separator).map_err(|what| self.malformed(begin, what))?;
            return Ok(Some(Record {
                line: begin,
                fields,
                bytes,
            }));
        }
    }

    fn malformed(&self, line: usize, what: &str) -> Failure {
        Failure::usage(
            format!("{}:{line}: {what}", self.name),
            "CSV is read as RFC 4180 has it: fields with commas, quotes or line breaks stand in quotes",
        )
    }
}

fn fields(mut text: &str, separator: char) -> Result<Vec<Option<String>>, &'static str> {
    let mut fields = Vec::new();
    loop {
        let rest = match text.strip_prefix('"') {
            Some(mut quoted) => {
                let mut field = String::new();
                loop {
                    let Some((before, after)) = quoted.split_once('"') else {
                        return Err("a quote that is never closed");
                    };
                    field.push_str(before);
                    match after.strip_prefix('"') {
                        Some(more) => {
                            field.push('"');
                            quoted = more;
                        }
                        None => {
                            fields.push(Some(field));
                            break after;
                        }
                    }
                }
            }
            None => {
                let end = text.find(separator).unwrap_or(text.len());
                let (field, rest) = text.split_at(end);
                fields.push((!field.is_empty()).then(|| field.to_owned()));
                rest
            }
        };
        match rest.strip_prefix(separator) {
            Some(next) => text = next,
            None if rest.is_empty() => return Ok(fields),
            None => return Err("something after a closing quote"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, separator: char) -> Vec<(usize, Vec<Option<String>>)> {
        let mut reader = CsvReader::new(text.as_bytes(), "x.csv", separator);
        std::iter::from_fn(|| reader.next_record().unwrap())
            .map(|record| (record.line, record.fields))
            .collect()
    }

    #[test]
    fn records_are_read_as_the_rfc_has_it() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            read("\u{feff}a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\n,\"\"\n", ','),
            [
                (1, vec![some("a"), some("b")]),
                (2, vec![some("1"), some("x, \"y\"\nz")]),
                (5, vec![None, some("")]),
            ]
        );
        assert_eq!(
            read("1;\"a;b\";c,d\n", ';'),
            [(1, vec![some("1"), some("a;b"), some("c,d")])]
        );
    }

    #[test]
    fn what_is_malformed_is_named_with_its_line() {
        for (text, what) in [
            ("a\n\"b", "x.csv:2: a quote"),
            ("\"a\"b\n", "x.csv:1: something"),
        ] {
            let mut reader = CsvReader::new(text.as_bytes(), "x.csv", ',');
            let failure = loop {
                match reader.next_record() {
                    Ok(record) => assert!(record.is_some()),
                    Err(failure) => break failure,
                }
            };
            assert!(failure.to_string().starts_with(what), "{failure}");
        }
    }
}
