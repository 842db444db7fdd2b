//! Names: from Protobuf's to SQL's.

use crate::sql::keywords::is_reserved;

/// `ChatMessage` and `chatMessage` are `chat_message`, `HTTPServer` is `http_server`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let begins_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || before.is_uppercase() && after.is_some_and(|after| after.is_lowercase())
            });
        if begins_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The name as SQL text has it.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    match is_plain && !is_reserved(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A path into a document, or a column, as SQL text has it.
pub(super) fn quoted_path(path: &str) -> String {
    let parts: Vec<String> = path.split('.').map(quoted).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        let snakes = [
            "ChatMessage",
            "chatMessage",
            "HTTPServer",
            "user",
            "Utf8Text",
            "A",
        ];
        let expected = [
            "chat_message",
            "chat_message",
            "http_server",
            "user",
            "utf8_text",
            "a",
        ];
        assert_eq!(snakes.map(snake_case), expected);
    }

    #[test]
    fn what_sql_would_read_otherwise_is_quoted() {
        assert_eq!(quoted("channel"), "channel");
        assert_eq!(quoted("select"), "\"select\"");
        assert_eq!(quoted("SenderName"), "\"SenderName\"");
        assert_eq!(quoted_path("channel.from"), "channel.\"from\"");
    }
}
