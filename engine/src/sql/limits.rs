//! How deep and how long a statement may be, told from its tokens before anything recursive runs: deep
//! brackets and long operator chains become deep trees, and deep trees overflow stacks when parsed, walked
//! or dropped. Chains of AND and of OR are free, because the dialect builds them balanced.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// Brackets, CASEs and the like inside each other.
pub(crate) const NESTING_MAX: usize = 48;
/// Queries inside each other; each takes some 40 KiB of stack to parse in a debug build.
pub(crate) const QUERIES_MAX: usize = 20;
/// Operators in one chain that is built to the left, such as `a + b + c`.
pub(crate) const CHAIN_MAX: usize = 300;
/// UNION, INTERSECT and EXCEPT in the outermost query.
pub(crate) const SET_OPERATIONS_MAX: usize = 500;
/// The same in a query inside brackets, which an AND behind it clones, and a clone takes much stack.
pub(crate) const INNER_SET_OPERATIONS_MAX: usize = 64;
/// JOINs whose ON comes later.
pub(crate) const OPEN_JOINS_MAX: usize = 16;
/// Units of sqlparser's own counter; one bracket takes up to four.
pub(crate) const RECURSION_MAX: usize = 150;

/// What is too much, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooComplex {
    pub(crate) what: &'static str,
    pub(crate) limit: usize,
    pub(crate) location: Location,
}

#[derive(Default)]
struct Level {
    chain: usize,
    set_operations: usize,
    open_joins: usize,
    betweens: usize,
    is_case: bool,
    is_query: bool,
}

/// Refuses what would overflow a 2 MiB stack. Errs on the strict side.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<(), TooComplex> {
    let mut levels = vec![Level::default()];
    for token in tokens {
        let too = |what, limit| TooComplex {
            what,
            limit,
            location: token.span.start,
        };
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => levels.push(Level::default()),
            Token::RParen | Token::RBracket | Token::RBrace => {
                // a CASE left open inside brackets ends with them
                while levels.len() > 1 && levels.pop().is_some_and(|level| level.is_case) {}
            }
            Token::Word(word) if word.quote_style.is_none() => step(&mut levels, word.keyword),
            Token::Comma => {
                if let Some(level) = levels.last_mut() {
                    level.chain = 0;
                }
            }
            other => {
                if is_operator(other)
                    && let Some(level) = levels.last_mut()
                {
                    level.chain += 1;
                }
            }
        }
        if levels.len() > NESTING_MAX {
            return Err(too("brackets and CASEs inside each other", NESTING_MAX));
        }
        if levels.iter().filter(|level| level.is_query).count() > QUERIES_MAX {
            return Err(too("queries inside each other", QUERIES_MAX));
        }
        if let Some(level) = levels.last() {
            if level.chain > CHAIN_MAX {
                return Err(too("operators in one chain", CHAIN_MAX));
            }
            let set_operations_max = if levels.len() == 1 {
                SET_OPERATIONS_MAX
            } else {
                INNER_SET_OPERATIONS_MAX
            };
            if level.set_operations > set_operations_max {
                return Err(too("set operations in one query", set_operations_max));
            }
            if level.open_joins > OPEN_JOINS_MAX {
                return Err(too("JOINs before their ON", OPEN_JOINS_MAX));
            }
        }
    }
    Ok(())
}

fn step(levels: &mut Vec<Level>, keyword: Keyword) {
    let depth = levels.len();
    let Some(level) = levels.last_mut() else {
        return;
    };
    match keyword {
        Keyword::CASE => levels.push(Level {
            is_case: true,
            ..Level::default()
        }),
        Keyword::END if level.is_case && depth > 1 => {
            levels.pop();
        }
        Keyword::AND if level.betweens > 0 => level.betweens -= 1,
        Keyword::AND | Keyword::OR | Keyword::WHERE => level.chain = 0,
        Keyword::SELECT | Keyword::VALUES | Keyword::TABLE => {
            level.chain = 0;
            level.is_query = true;
        }
        Keyword::BETWEEN => {
            level.betweens += 1;
            level.chain += 1;
        }
        Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => {
            level.set_operations += 1;
        }
        Keyword::JOIN => level.open_joins += 1,
        Keyword::ON | Keyword::USING | Keyword::CROSS | Keyword::NATURAL => {
            level.open_joins = level.open_joins.saturating_sub(1);
        }
        Keyword::IS
        | Keyword::IN
        | Keyword::NOT
        | Keyword::LIKE
        | Keyword::ILIKE
        | Keyword::SIMILAR
        | Keyword::REGEXP
        | Keyword::RLIKE
        | Keyword::NOTNULL
        | Keyword::COLLATE
        | Keyword::AT
        | Keyword::XOR
        | Keyword::DIV
        | Keyword::OVERLAPS
        | Keyword::MEMBER
        | Keyword::OPERATOR
        | Keyword::INTERVAL => level.chain += 1,
        _ => {}
    }
}

fn is_operator(token: &Token) -> bool {
    !matches!(
        token,
        Token::EOF
            | Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Whitespace(_)
            | Token::Comma
            | Token::Period
            | Token::SemiColon
            | Token::Placeholder(_)
    )
}
