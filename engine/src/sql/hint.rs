//! Advice for texts that fail: known wrong turns and what to write instead. One row per turn.
//! Only ever looks at text and a message; never changes whether something is an error.

/// How to mend a text that failed with `message` at byte `position`.
pub(super) fn for_syntax(text: &str, position: usize, message: &str) -> Option<String> {
    if let Some(placeholder) = angle_placeholder(text, position) {
        return Some(format!(
            "{placeholder} stands for a value: write it in quotes, as in chat_topic = 'general', or use a \
             parameter such as $1"
        ));
    }
    let lower = text.to_ascii_lowercase();
    let at = lower.get(position..).unwrap_or_default().trim_start();
    ROWS.iter()
        .find(|row| (row.applies)(&lower, at, message))
        .map(|row| row.advice.to_owned())
}

struct Row {
    /// (whole text in lower case, rest from the error on, message)
    applies: fn(&str, &str, &str) -> bool,
    advice: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        applies: |_, at, _| at.starts_with('"') || at.starts_with('\''),
        advice: "text is written in single quotes, names in double quotes or backquotes",
    },
    Row {
        applies: |text, at, _| at.starts_with("as ") && text.contains(" view "),
        advice: "a view is CREATE MATERIALIZED VIEW name [(columns)] [WITH (options)] AS SELECT …",
    },
    Row {
        applies: |_, at, _| at.starts_with("limit") || at.starts_with("order"),
        advice: "the order of clauses is WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET",
    },
    Row {
        applies: |_, at, _| at.starts_with("where"),
        advice: "WHERE comes once, after FROM and its joins and before GROUP BY",
    },
    Row {
        applies: |_, at, _| at.starts_with("=="),
        advice: "equality is a single =",
    },
    Row {
        applies: |_, at, message| at.is_empty() && message.contains("an expression"),
        advice: "the text ends where a value was due",
    },
];

/// `<some uuid>`, a placeholder in prose, at or before the error in the same clause.
fn angle_placeholder(text: &str, position: usize) -> Option<&str> {
    let mut from = 0;
    while let Some(open) = text.get(from..)?.find('<').map(|at| from + at) {
        let rest = text.get(open + 1..)?;
        let close =
            rest.find(|ch: char| !(ch.is_alphanumeric() || ch == '_' || ch == ' ' || ch == '-'));
        if let Some(close) = close
            && rest.get(close..)?.starts_with('>')
            && rest.starts_with(|ch: char| ch.is_alphabetic())
            && open <= position
            && position <= open + close + 2
        {
            return text.get(open..open + close + 2);
        }
        from = open + 1;
    }
    None
}
