//! `Source`: one file of Rust as `tidy` looks at it: comments, strings and test modules blanked, lines kept.

/// One file of Rust.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) text: String,
    /// The text with comments, strings and test modules blanked.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let is_test = is_test(path);
        let code = blank_comments_and_strings(text);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code: if is_test {
                code
            } else {
                blank_test_modules(code)
            },
        }
    }

    pub(crate) fn is_below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// Part of the product, not of its tests.
    pub(crate) fn is_product(&self) -> bool {
        self.path.contains("/src/") && !is_test(&self.path)
    }
}

/// Files that the house declares under `#[cfg(test)]`, by their names.
fn is_test(path: &str) -> bool {
    path.contains("/tests/")
        || ["/tests.rs", "/testing.rs", "/fixture.rs"]
            .iter()
            .any(|name| path.ends_with(name))
}

/// Keeps every newline, so that lines can still be counted.
fn blank_comments_and_strings(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let at = |place: usize| bytes.get(place).copied().unwrap_or('\0');
    let mut code = String::with_capacity(text.len());
    let mut place = 0;
    while place < bytes.len() {
        let end = match (at(place), at(place + 1)) {
            ('/', '/') => (place..bytes.len())
                .find(|&p| at(p) == '\n')
                .unwrap_or(bytes.len()),
            ('/', '*') => end_of_block(&bytes, place),
            ('r', '"' | '#')
                if !is_word(at(place.wrapping_sub(1))) && raw_string(&bytes, place).is_some() =>
            {
                let end = raw_string(&bytes, place).unwrap();
                code.push_str("\"\"");
                end
            }
            ('"', _) => {
                let mut end = place + 1;
                while end < bytes.len() && at(end) != '"' {
                    end += if at(end) == '\\' { 2 } else { 1 };
                }
                code.push_str("\"\"");
                end + 1
            }
            // A character, unless it is a lifetime.
            ('\'', '\\') => {
                (place + 3..bytes.len())
                    .find(|&p| at(p) == '\'')
                    .unwrap_or(place)
                    + 1
            }
            ('\'', _) if at(place + 2) == '\'' => place + 3,
            (c, _) => {
                code.push(c);
                place += 1;
                continue;
            }
        };
        let end = end.min(bytes.len());
        code.extend(bytes[place..end].iter().filter(|c| **c == '\n'));
        place = end;
    }
    code
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_block(text: &[char], start: usize) -> usize {
    let (mut depth, mut place) = (0, start);
    while place + 1 < text.len() {
        match (text[place], text[place + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return place + 2,
            ('*', '/') => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
    }
    text.len()
}

/// The end of the raw string that begins with the `r` at `start`; `None` for a raw identifier.
fn raw_string(text: &[char], start: usize) -> Option<usize> {
    let hashes = text[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    (text.get(open) == Some(&'"')).then_some(())?;
    let close = |&end: &usize| {
        text[end] == '"'
            && text[end + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    Some(
        (open + 1..text.len())
            .find(close)
            .map_or(text.len(), |end| end + 1 + hashes),
    )
}

/// Blanks what stands under `#[cfg(test)]`, if it is a block.
fn blank_test_modules(mut code: String) -> String {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        from = start + 1;
        let Some(open) = code[start..].find(['{', ';']).map(|open| start + open) else {
            break;
        };
        if code[open..].starts_with(';') {
            continue;
        }
        let mut depth = 0;
        let end = code[open..].char_indices().find_map(|(place, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(open + place + 1)
        });
        let end = end.unwrap_or(code.len());
        let blank = "\n".repeat(code[start..end].matches('\n').count());
        code.replace_range(start..end, &blank);
    }
    code
}

pub(crate) fn line_of(text: &str, place: usize) -> usize {
    text[..place].matches('\n').count() + 1
}

#[test]
fn blanking_keeps_code_and_lines() {
    let text = "a('\"', '\\'', 'x', b\"s\\\"\", r#type, 'l: loop, \"//\")\n/* \n */ b // \"\nc";
    assert_eq!(
        blank_comments_and_strings(text),
        "a(, , , b\"\", r#type, 'l: loop, \"\")\n\n b \nc"
    );
}
