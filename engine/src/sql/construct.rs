//! Where in a query's text the construct stands that its plan is refused for, and what its author calls it: `IN
//! (SELECT …)` and EXISTS are left joins in the plan, and nobody wrote those. Looks at words only; a construct that
//! comes out of another view's text is not found here. The next door is `maintenance`, which refuses.

use sqlparser::tokenizer::{Location, Token};

use super::lexer::{byte_offset, split};

/// A construct as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Construct {
    /// What its author calls it.
    pub name: String,
    /// Its first byte in the text.
    pub position: usize,
}

/// A word or sign of the text.
struct Sign {
    /// In capitals; empty for what is in quotes.
    word: String,
    at: Location,
}

/// Clauses a bracket can open in: only after FROM a query in brackets is a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    From,
    Other,
}

/// The first construct of the text that makes a plan refused as `refused` (`LEFT JOIN`, `LIMIT`, `function now()`).
#[must_use]
pub fn find(text: &str, refused: &str) -> Option<Construct> {
    let signs = signs(text);
    let found = |place: usize, name: String| {
        signs.get(place).map(|sign| Construct {
            name,
            position: byte_offset(text, sign.at),
        })
    };
    let first =
        |words: &[&str]| (0..signs.len()).find(|place| words.contains(&word(&signs, *place)));
    match refused {
        "LEFT JOIN" => {
            let (place, name) = outer_join(&signs)?;
            found(place, name)
        }
        "LIMIT" => found(first(&["LIMIT", "FETCH"])?, "LIMIT".to_owned()),
        "OFFSET" => found(first(&["OFFSET"])?, refused.to_owned()),
        "ORDER BY in a subquery" => found(inner_order(&signs)?, refused.to_owned()),
        _ => {
            let function = refused.strip_prefix("function ")?.strip_suffix("()")?;
            let function = function.to_uppercase();
            let place = first(&[&function]).or_else(|| first(CLOCKS))?;
            found(place, refused.to_owned())
        }
    }
}

/// Words that call a function without brackets.
const CLOCKS: &[&str] = &[
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIMESTAMP",
    "LOCALTIME",
];

fn signs(text: &str) -> Vec<Sign> {
    let slices = split(text).unwrap_or_default();
    let tokens = slices.into_iter().flat_map(|slice| slice.tokens);
    tokens
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .map(|token| Sign {
            word: match &token.token {
                Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
                Token::LParen => "(".to_owned(),
                Token::RParen => ")".to_owned(),
                Token::Comma => ",".to_owned(),
                _ => String::new(),
            },
            at: token.span.start,
        })
        .collect()
}

fn word(signs: &[Sign], place: usize) -> &str {
    signs.get(place).map_or("", |sign| &sign.word)
}

/// What a left join of the plan was written as.
fn outer_join(signs: &[Sign]) -> Option<(usize, String)> {
    // A join that is written as one is certainly it; which of several subqueries is it cannot be told by words.
    let joined = (0..signs.len()).find_map(|place| {
        let kind = word(signs, place);
        let is_outer = matches!(kind, "LEFT" | "RIGHT" | "FULL")
            && match word(signs, place + 1) {
                "JOIN" => true,
                "OUTER" => word(signs, place + 2) == "JOIN",
                _ => false,
            };
        is_outer.then(|| (place, format!("{kind} JOIN")))
    });
    joined.or_else(|| first_subquery(signs))
}

/// The first query in brackets that does not stand for a table.
fn first_subquery(signs: &[Sign]) -> Option<(usize, String)> {
    let mut clauses = vec![Clause::Other];
    for place in 0..signs.len() {
        let before = place.checked_sub(1).map_or("", |at| word(signs, at));
        let next = word(signs, place + 1);
        match word(signs, place) {
            "(" => {
                if is_query(next)
                    && let Some(found) = subquery(signs, place, before, clauses.last())
                {
                    return Some(found);
                }
                // A join in brackets is still FROM.
                let clause = clauses.last().copied().filter(|_| before != "IN");
                clauses.push(clause.unwrap_or(Clause::Other));
            }
            ")" => {
                clauses.pop();
            }
            word => {
                let clause = match word {
                    "FROM" | "JOIN" | "USING" => Clause::From,
                    "SELECT" | "WHERE" | "ON" | "GROUP" | "HAVING" | "ORDER" | "LIMIT" => {
                        Clause::Other
                    }
                    _ => continue,
                };
                match clauses.last_mut() {
                    Some(last) => *last = clause,
                    None => clauses.push(clause),
                }
            }
        }
    }
    None
}

fn is_query(word: &str) -> bool {
    matches!(word, "SELECT" | "WITH" | "VALUES" | "TABLE")
}

/// The query in the bracket at `place`, unless it stands for a table or is a branch of the query itself.
fn subquery(
    signs: &[Sign],
    place: usize,
    before: &str,
    clause: Option<&Clause>,
) -> Option<(usize, String)> {
    let negated = |back: usize| {
        let place = place.checked_sub(back)?;
        (word(signs, place) == "NOT").then_some(place)
    };
    match before {
        "IN" => Some(match negated(2) {
            Some(place) => (place, "NOT IN (SELECT …)".to_owned()),
            None => (place - 1, "IN (SELECT …)".to_owned()),
        }),
        "EXISTS" => Some(match negated(2) {
            Some(place) => (place, "NOT EXISTS (SELECT …)".to_owned()),
            None => (place - 1, "EXISTS (SELECT …)".to_owned()),
        }),
        "ANY" | "SOME" => Some((place - 1, format!("{before} (SELECT …)"))),
        "ALL" => {
            let of_union = matches!(
                place.checked_sub(2).map(|at| word(signs, at)),
                Some("UNION" | "INTERSECT" | "EXCEPT")
            );
            (!of_union).then(|| (place - 1, "ALL (SELECT …)".to_owned()))
        }
        "UNION" | "INTERSECT" | "EXCEPT" | "DISTINCT" | "AS" | "MATERIALIZED" | "LATERAL" => None,
        // The body of WITH c AS (…).
        ")" => None,
        "" if place == 0 => None,
        _ if clause == Some(&Clause::From) => None,
        "(" if signs
            .get(..place)
            .is_some_and(|all| all.iter().all(|sign| sign.word == "(")) =>
        {
            None
        }
        _ => Some((place, "a subquery as a value".to_owned())),
    }
}

/// The first ORDER BY inside brackets.
fn inner_order(signs: &[Sign]) -> Option<usize> {
    let mut depth = 0_usize;
    for place in 0..signs.len() {
        match word(signs, place) {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "ORDER" if depth > 0 => return Some(place),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn constructs_are_found_where_they_are_written() {
        for (marked, refused, name) in [
            (
                "SELECT * FROM a ^LEFT JOIN b ON a.x = b.x",
                "LEFT JOIN",
                "LEFT JOIN",
            ),
            (
                "SELECT * FROM (a ^FULL OUTER JOIN b USING (x))",
                "LEFT JOIN",
                "FULL JOIN",
            ),
            (
                "SELECT left(t, 1) FROM a ^right join b ON true",
                "LEFT JOIN",
                "RIGHT JOIN",
            ),
            (
                "SELECT 'LEFT JOIN' FROM a /* LEFT JOIN */ WHERE x ^IN (SELECT x FROM b)",
                "LEFT JOIN",
                "IN (SELECT …)",
            ),
            (
                "SELECT 1 FROM a WHERE x IN (1, 2) AND x ^NOT IN (SELECT x FROM b)",
                "LEFT JOIN",
                "NOT IN (SELECT …)",
            ),
            (
                "SELECT 1 FROM a WHERE ^EXISTS (SELECT 1 FROM b)",
                "LEFT JOIN",
                "EXISTS (SELECT …)",
            ),
            (
                "SELECT 1 FROM a WHERE ^not exists (SELECT 1 FROM b)",
                "LEFT JOIN",
                "NOT EXISTS (SELECT …)",
            ),
            (
                "SELECT 1 FROM a WHERE x = ^ANY (SELECT x FROM b)",
                "LEFT JOIN",
                "ANY (SELECT …)",
            ),
            (
                "WITH c AS (SELECT 1) (SELECT 1) UNION ALL (SELECT 2) UNION SELECT ^(SELECT 1) FROM c",
                "LEFT JOIN",
                "a subquery as a value",
            ),
            (
                "SELECT x, ^(SELECT max(y) FROM b) FROM (SELECT x FROM a) d, (SELECT 1) e",
                "LEFT JOIN",
                "a subquery as a value",
            ),
            (
                "SELECT 1 FROM a JOIN (SELECT 1) b ON a.x = ^(SELECT 2)",
                "LEFT JOIN",
                "a subquery as a value",
            ),
            ("SELECT \"limit\" FROM a ^LIMIT 1", "LIMIT", "LIMIT"),
            ("SELECT 1 FROM a ^FETCH FIRST ROW ONLY", "LIMIT", "LIMIT"),
            ("SELECT 1 FROM a ^OFFSET 3", "OFFSET", "OFFSET"),
            (
                "SELECT 1 FROM (SELECT 1 FROM a ^ORDER BY 1) b ORDER BY 1",
                "ORDER BY in a subquery",
                "ORDER BY in a subquery",
            ),
            (
                "SELECT 'ä', ^Now() FROM a",
                "function now()",
                "function now()",
            ),
            (
                "SELECT ^CURRENT_TIMESTAMP FROM a",
                "function now()",
                "function now()",
            ),
        ] {
            let text = marked.replacen('^', "", 1);
            let found = find(&text, refused).unwrap_or_else(|| panic!("{marked}: not found"));
            assert_eq!(
                (found.position, found.name.as_str()),
                (marked.find('^').unwrap(), name),
                "{marked}"
            );
        }
        assert_eq!(find("SELECT 1 FROM a_plain_view", "LEFT JOIN"), None);
        assert_eq!(find("'", "LIMIT"), None);
    }
}
