//! PostgreSQL's dialect plus Genji's: `{…}` literals, backquoted names, `?` parameters, `a IN b`,
//! BETWEEN SYMMETRIC, NEXT VALUE FOR, a column called `user`. Says it is PostgreSQL's dialect when sqlparser
//! asks for the type, so that features keyed on it stay. Also builds AND and OR chains balanced, so that ten
//! thousand terms are a shallow tree. Never sees a statement; `parser` is the next door.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeSet;

use sqlparser::ast::{
    BinaryOperator, DictionaryField, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, UnaryOperator, Value,
};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token};

/// The dialect of Tailwater.
#[derive(Debug, Default)]
pub struct TailwaterDialect {
    /// Where `?` was read as a parameter; a set, because sqlparser tries some places twice.
    question_marks: RefCell<BTreeSet<Location>>,
}

impl TailwaterDialect {
    /// Where `?` was read as a parameter since the last call, in order of the text.
    pub(crate) fn take_question_marks(&self) -> Vec<Location> {
        self.question_marks.take().into_iter().collect()
    }
}

const BASE: PostgreSqlDialect = PostgreSqlDialect {};

/// Hands features through to PostgreSQL's dialect.
macro_rules! as_postgres {
    ($($method:ident),* $(,)?) => {
        $(fn $method(&self) -> bool {
            BASE.$method()
        })*
    };
}

impl Dialect for TailwaterDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"' || ch == '`'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }

    /// `a=?` and ``a=`b` `` are a comparison and an operand, not one operator.
    fn is_custom_operator_part(&self, ch: char) -> bool {
        ch != '?' && ch != '`' && BASE.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        BASE.is_reserved_for_identifier(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        BASE.is_table_alias(keyword, parser)
    }

    /// Other products' operators are not operators here, so that they end an expression.
    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        if let Token::Word(word) = &parser.peek_token_ref().token
            && matches!(
                word.keyword,
                Keyword::DIV
                    | Keyword::XOR
                    | Keyword::MATCH
                    | Keyword::GLOB
                    | Keyword::REGEXP
                    | Keyword::RLIKE
                    | Keyword::MEMBER
            )
        {
            return Some(Ok(self.prec_unknown()));
        }
        BASE.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }

    as_postgres!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_alter_user_as_alter_role,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_exclude_constraint,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_named_fn_args_with_expr_name,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_order_by_using_operator,
        supports_set_names,
        supports_alter_column_type_using,
        supports_left_associative_joins_without_parens,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_aliased_function_args,
    );

    /// `'a'` and, on the next line, `'b'` are one text, as the standard says.
    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::LBrace => Some(parse_document(parser)),
            Token::Minus => Some(parse_negative(parser)),
            Token::Question => Some(parse_question(parser).inspect(|expr| {
                if let Expr::Value(value) = expr
                    && matches!(&value.value, Value::Placeholder(name) if name == "?")
                {
                    self.question_marks.borrow_mut().insert(value.span.start);
                }
            })),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::USER if parser.peek_nth_token_ref(1).token != Token::LParen => {
                    Some(parser.parse_identifier().map(Expr::Identifier))
                }
                Keyword::NEXT if next_words(parser, 1, &["value", "for"]) => {
                    Some(parse_next_value(parser))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let Token::Word(word) = &parser.peek_token_ref().token else {
            return None;
        };
        match word.keyword {
            Keyword::AND => Some(parse_chain(parser, left, precedence, Keyword::AND)),
            Keyword::OR => Some(parse_chain(parser, left, precedence, Keyword::OR)),
            Keyword::IN => is_operand(&parser.peek_nth_token_ref(1).token)
                .then(|| parse_in_operand(parser, left, false)),
            Keyword::BETWEEN => parse_between(parser, left, false),
            Keyword::NOT => match &parser.peek_nth_token_ref(1).token {
                Token::Word(next) if next.keyword == Keyword::IN => {
                    is_operand(&parser.peek_nth_token_ref(2).token)
                        .then(|| parse_in_operand(parser, left, true))
                }
                Token::Word(next) if next.keyword == Keyword::BETWEEN => {
                    parse_between(parser, left, true)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// `- operand`, which binds more tightly than every operator between two operands: `-3 ^ 2` is 9.
fn parse_negative(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    let operand = parser.parse_subexpr(BASE.prec_value(Precedence::AtTz))?;
    Ok(Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: Box::new(operand),
    })
}

/// Whether the words from the `from`th token on are these.
pub(crate) fn next_words(parser: &Parser, from: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(n, expected)| {
        matches!(&parser.peek_nth_token_ref(from + n).token,
            Token::Word(word) if word.quote_style.is_none()
                && word.value.eq_ignore_ascii_case(expected))
    })
}

/// `{key: expr, "long key": expr, …}` with an optional comma at the end.
fn parse_document(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LBrace)?;
    let mut fields = Vec::new();
    while !parser.consume_token(&Token::RBrace) {
        if !fields.is_empty() {
            if !parser.consume_token(&Token::Comma) {
                return parser.expected_ref("',' or '}' in a document", parser.peek_token_ref());
            }
            if parser.consume_token(&Token::RBrace) {
                break;
            }
        }
        let token = parser.next_token();
        let key = match token.token {
            Token::Word(word) => word.into_ident(token.span),
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => {
                Ident::with_quote_and_span('"', token.span, text)
            }
            _ => return parser.expected("a field name", token),
        };
        if !parser.consume_token(&Token::Colon) {
            return parser.expected_ref("':' after the field name", parser.peek_token_ref());
        }
        let value = Box::new(parser.parse_expr()?);
        fields.push(DictionaryField { key, value });
    }
    Ok(Expr::Dictionary(fields))
}

/// `?` or `?1` where an operand is due (elsewhere `?` is JSON's operator).
fn parse_question(parser: &mut Parser) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    let number = match &parser.peek_token_no_skip().token {
        Token::Number(digits, false) => digits.clone(),
        _ => String::new(),
    };
    if !number.is_empty() {
        parser.advance_token();
    }
    Ok(Expr::Value(
        Value::Placeholder(format!("?{number}")).with_span(span),
    ))
}

/// `NEXT VALUE FOR s` is `nextval('s')`.
fn parse_next_value(parser: &mut Parser) -> Result<Expr, ParserError> {
    let next = parser.next_token();
    parser.advance_token();
    parser.advance_token();
    let sequence = parser.parse_object_name(false)?;
    let name = Value::SingleQuotedString(sequence.to_string()).with_span(next.span);
    Ok(call(
        Ident::with_span(next.span, "nextval"),
        vec![Expr::Value(name)],
    ))
}

/// A call of a plain function.
fn call(name: Ident, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        }),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}

/// Terms of one AND or OR chain, built as a balanced tree. The left operand is cloned once per chain.
fn parse_chain(
    parser: &mut Parser,
    left: &Expr,
    precedence: u8,
    keyword: Keyword,
) -> Result<Expr, ParserError> {
    let mut terms = vec![left.clone()];
    while parser.parse_keyword(keyword) {
        terms.push(parser.parse_subexpr(precedence)?);
    }
    let operator = if keyword == Keyword::AND {
        BinaryOperator::And
    } else {
        BinaryOperator::Or
    };
    Ok(balance(terms, &operator))
}

/// A tree of depth log2 of the terms, in their order.
fn balance(mut terms: Vec<Expr>, operator: &BinaryOperator) -> Expr {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => Expr::BinaryOp {
                    left: Box::new(left),
                    op: operator.clone(),
                    right: Box::new(right),
                },
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop().unwrap_or(Expr::Value(Value::Null.into()))
}

/// Whether the token after IN starts an operand instead of a list or subquery.
fn is_operand(token: &Token) -> bool {
    match token {
        Token::LParen => false,
        Token::Word(word) => word.keyword != Keyword::UNNEST,
        Token::LBracket | Token::Question | Token::Placeholder(_) | Token::Colon => true,
        Token::SingleQuotedString(_) => true,
        _ => false,
    }
}

/// `x IN y` is `x = ANY(y)`, `x NOT IN y` is `x <> ALL(y)`.
fn parse_in_operand(parser: &mut Parser, left: &Expr, negated: bool) -> Result<Expr, ParserError> {
    parser.advance_token();
    if negated {
        parser.advance_token();
    }
    let right = parser.parse_subexpr(BASE.prec_value(Precedence::Between))?;
    let (left, right) = (Box::new(left.clone()), Box::new(right));
    Ok(if negated {
        Expr::AllOp {
            left,
            compare_op: BinaryOperator::NotEq,
            right,
        }
    } else {
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            is_some: false,
        }
    })
}

/// BETWEEN SYMMETRIC and BETWEEN ASYMMETRIC; the plain one is left to sqlparser.
fn parse_between(
    parser: &mut Parser,
    left: &Expr,
    negated: bool,
) -> Option<Result<Expr, ParserError>> {
    let after = 1 + usize::from(negated);
    let symmetric = next_words(parser, after, &["symmetric"]);
    if !symmetric && !next_words(parser, after, &["asymmetric"]) {
        return None;
    }
    for _ in 0..=after {
        parser.advance_token();
    }
    let span = parser.get_current_token().span;
    let between = parser.parse_between(left.clone(), negated && !symmetric);
    Some(between.map(|between| match between {
        Expr::Between {
            expr, low, high, ..
        } if symmetric => {
            let name = Ident::with_span(span, "between_symmetric");
            let call = call(name, vec![*expr, *low, *high]);
            if negated {
                Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr: Box::new(call),
                }
            } else {
                call
            }
        }
        other => other,
    }))
}
