//! Conditions that live as text: what a CHECK says, the WHERE of a subscription. Parsed again when they are needed, and
//! told anew when a column of theirs gets another name. Binds nothing; the next door is `binder`.

use sqlparser::ast::{Expr, SetExpr};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lexer::{byte_offset, split};
use super::statement::Statement;
use super::{SqlError, SqlResult, keywords, parse_one};

/// A condition as it stands in a WHERE.
///
/// # Errors
/// `42601` if it is none, with its place in the text.
pub(crate) fn parse_condition(condition: &str) -> SqlResult<Expr> {
    // In brackets, and on a line of its own: nothing may follow the condition, and a comment ends with it.
    const BEFORE: &str = "SELECT 1 WHERE (";
    let parsed = parse_one(&format!("{BEFORE}{condition}\n)")).map_err(|mut error| {
        error.position = error
            .position
            .map(|place| place.saturating_sub(BEFORE.len()));
        error
    })?;
    let none = || {
        SqlError::new(
            super::error::sqlstate::SYNTAX_ERROR,
            format!("\"{condition}\" is not a condition"),
        )
    };
    let Statement::Query(query) = parsed.statement else {
        return Err(none());
    };
    match *query.body {
        SetExpr::Select(select) => select.selection.ok_or_else(none),
        _ => Err(none()),
    }
}

/// Whether nothing but the row, and parameters, decides what the expression is.
pub(crate) fn depends_on_row_alone(expr: &tailwater_views::Expr) -> bool {
    use tailwater_views::function::{Volatility, by_id};
    let mut does = true;
    expr.walk(&mut |expr| {
        if let tailwater_views::Expr::Call { function, .. } = expr {
            does &= by_id(*function)
                .is_some_and(|function| function.volatility == Volatility::Immutable);
        }
    });
    does
}

/// The text with a column of a table called `to`, which is written as it stands; all else stays as it was typed.
///
/// Goes by words: fields, functions, types and keys of documents are left alone where their place tells them. Whoever
/// must be sure binds the result and compares.
pub(crate) fn rename_column(text: &str, table: &str, from: &str, to: &str) -> String {
    let tokens: Vec<TokenWithSpan> = split(text)
        .unwrap_or_default()
        .into_iter()
        .flat_map(|slice| slice.tokens)
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .collect();
    let mut renamed = String::with_capacity(text.len());
    let mut done = 0;
    for (place, token) in tokens.iter().enumerate() {
        if word(&token.token).as_deref() == Some(from) && is_column(&tokens, place, table) {
            let (start, end) = (
                byte_offset(text, token.span.start),
                byte_offset(text, token.span.end),
            );
            renamed.push_str(text.get(done..start).unwrap_or_default());
            renamed.push_str(to);
            done = end;
        }
    }
    renamed.push_str(text.get(done..).unwrap_or_default());
    renamed
}

/// The word as names are compared; none for a word that cannot be a name unless quoted.
fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
        Token::Word(word) if keywords::is_reserved(&word.value) => None,
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// Whether the name at `place` is where a column is named.
fn is_column(tokens: &[TokenWithSpan], place: usize, table: &str) -> bool {
    let at = |place: Option<usize>| place.and_then(|place| tokens.get(place)).map(|t| &t.token);
    let before = at(place.checked_sub(1));
    let is_typed = match before {
        Some(Token::DoubleColon) => true,
        Some(Token::Word(word)) => word.value.eq_ignore_ascii_case("as"),
        _ => false,
    };
    let is_named = matches!(before, Some(Token::LBrace | Token::Comma))
        && at(Some(place + 1)) == Some(&Token::Colon);
    match (before, at(Some(place + 1))) {
        _ if is_typed || is_named => false,
        (_, Some(Token::LParen | Token::SingleQuotedString(_))) => false,
        (Some(Token::Period), _) => {
            at(place.checked_sub(2)).and_then(word).as_deref() == Some(table)
                && at(place.checked_sub(3)) != Some(&Token::Period)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_renamed_wherever_it_is_named_and_nothing_else_is() {
        for (text, renamed) in [
            ("date > 5 AND Date < 10", "\"d e\" > 5 AND \"d e\" < 10"),
            ("t.date = 1 OR x.date = 1", "t.\"d e\" = 1 OR x.date = 1"),
            ("date.date.date IS NULL", "\"d e\".date.date IS NULL"),
            ("date(x) = DATE '2024-01-01'", "date(x) = DATE '2024-01-01'"),
            (
                "x::date = CAST(date AS date)",
                "x::date = CAST(\"d e\" AS date)",
            ),
            ("'date' <> \"date\" -- date", "'date' <> \"d e\" -- date"),
            (
                "x IN ({date: date}, date)",
                "x IN ({date: \"d e\"}, \"d e\")",
            ),
            ("\"Date\" = 1", "\"Date\" = 1"),
            ("ä = 'ü' AND date[0] = 1", "ä = 'ü' AND \"d e\"[0] = 1"),
        ] {
            assert_eq!(rename_column(text, "t", "date", "\"d e\""), renamed);
        }
    }
}
