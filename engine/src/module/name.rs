//! Names: from Protobuf's to SQL's.

pub(super) use crate::sql::keywords::quoted;

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
    fn each_part_of_a_path_is_quoted() {
        assert_eq!(quoted_path("channel.from"), "channel.\"from\"");
    }
}
