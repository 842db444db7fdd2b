//! A small reader of SQL expressions for these tests: text to a bound `Expr` with its type.
//!
//! It knows literals, calls, casts, arrays, documents and operators; the real binder is the engine's.

use tailwater_proto::{EcoString, SqlType, Value};
use tailwater_views::coerce::{base, castable, common_type};
use tailwater_views::expr::{ArithmeticOp, CastMode, CompareOp, TruthTest};
use tailwater_views::{Error, ExecContext, Expr, function};

type Typed = (Expr, SqlType);
type Parsed<T> = Result<T, String>;

/// The text of the expression's value, or `ERROR code: message`.
#[allow(dead_code, reason = "not every test asks without types")]
pub(crate) fn answer(text: &str, cx: &ExecContext) -> String {
    match evaluate(text, cx) {
        Ok((answer, _)) => answer,
        Err(error) => error,
    }
}

/// The text of the expression's value with its type (`1  :: integer`), or `ERROR code: message`.
#[allow(dead_code, reason = "not every test asks for types")]
pub(crate) fn answer_typed(text: &str, cx: &ExecContext) -> String {
    match evaluate(text, cx) {
        // PostgreSQL names types without their lengths.
        Ok((answer, ty)) => format!("{answer}  :: {}", named(&ty)),
        Err(error) => error,
    }
}

fn named(ty: &SqlType) -> String {
    match ty {
        SqlType::Char(_) => "character".into(),
        SqlType::Array(element) => format!("{}[]", named(element)),
        other => base(other).to_string(),
    }
}

fn evaluate(text: &str, cx: &ExecContext) -> Result<(String, SqlType), String> {
    let (expr, ty) = parse(text).map_err(|message| format!("ERROR {message}"))?;
    let value = expr.eval(&[], cx).map_err(|error| shown(&error))?;
    let folded = expr.fold().eval(&[], cx);
    assert_eq!(folded, Ok(value.clone()), "{text}: folded is another");
    let text = match (&value, &ty) {
        (Value::Bool(truth), _) => truth.to_string(),
        (value, SqlType::Char(_)) => value.to_string(),
        (value, ty) => tailwater_proto::to_text(value, ty).unwrap_or_else(|| "NULL".into()),
    };
    Ok((text, ty))
}

fn shown(error: &Error) -> String {
    format!("ERROR {}: {}", error.sqlstate(), error.message())
}

/// The expression and its type.
pub(crate) fn parse(text: &str) -> Parsed<Typed> {
    let mut parser = Parser { rest: text.trim() };
    let typed = parser.expr(0)?;
    if parser.rest.is_empty() {
        Ok(typed)
    } else {
        Err(format!("left over: {}", parser.rest))
    }
}

struct Parser<'t> {
    rest: &'t str,
}

fn cast(expr: Typed, to: SqlType, mode: CastMode) -> Parsed<Expr> {
    if expr.1 == to {
        return Ok(expr.0);
    }
    if !castable(&expr.1, &to, mode) {
        return Err(format!(
            "42846: cannot cast type {} to {}",
            expr.1,
            base(&to)
        ));
    }
    Ok(Expr::Cast {
        expr: Box::new(expr.0),
        to,
        mode,
    })
}

fn coerced(exprs: Vec<Typed>) -> Parsed<(Vec<Expr>, SqlType)> {
    let types: Vec<SqlType> = exprs.iter().map(|(_, ty)| ty.clone()).collect();
    let common = common_type(&types).ok_or("42804: types cannot be matched")?;
    let exprs = exprs
        .into_iter()
        .map(|expr| cast(expr, common.clone(), CastMode::Implicit))
        .collect::<Parsed<_>>()?;
    Ok((exprs, common))
}

impl<'t> Parser<'t> {
    fn skip(&mut self, length: usize) {
        self.rest = self.rest[length..].trim_start();
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.rest.starts_with(symbol);
        if found {
            self.skip(symbol.len());
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat(symbol) {
            Ok(())
        } else {
            Err(format!("expected {symbol} at: {}", self.rest))
        }
    }

    fn peek_word(&self) -> &'t str {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        &self.rest[..end]
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word().eq_ignore_ascii_case(word);
        if found {
            self.skip(word.len());
        }
        found
    }

    fn list(&mut self, close: &str) -> Parsed<Vec<Typed>> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.expr(0)?);
            if !self.eat(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn expr(&mut self, power: u8) -> Parsed<Typed> {
        let mut left = self.prefix()?;
        loop {
            if self.eat("::") {
                let to = self.sql_type()?;
                left = (cast(left, to.clone(), CastMode::Explicit)?, to);
                continue;
            }
            let Some((symbol, binds)) = self.operator() else {
                return Ok(left);
            };
            if binds <= power {
                return Ok(left);
            }
            self.skip(symbol.len());
            left = self.infix(left, &symbol.to_uppercase(), binds)?;
        }
    }

    fn operator(&self) -> Option<(&'t str, u8)> {
        const WORDS: &[(&str, u8)] = &[
            ("OR", 1),
            ("AND", 2),
            ("IS", 4),
            ("IN", 5),
            ("LIKE", 5),
            ("ILIKE", 5),
        ];
        const SYMBOLS: &[(&str, u8)] = &[
            ("||", 6),
            ("<<", 6),
            (">>", 6),
            ("<>", 4),
            ("<=", 4),
            (">=", 4),
            ("!=", 4),
            ("<", 4),
            (">", 4),
            ("=", 4),
            ("+", 7),
            ("-", 7),
            ("*", 8),
            ("/", 8),
            ("%", 8),
            ("^", 9),
            ("&", 6),
            ("|", 6),
            ("#", 6),
        ];
        let word = self.peek_word();
        if let Some((_, binds)) = WORDS
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))
        {
            return Some((word, *binds));
        }
        SYMBOLS
            .iter()
            .find(|(symbol, _)| self.rest.starts_with(symbol))
            .map(|(symbol, binds)| (&self.rest[..symbol.len()], *binds))
    }

    fn infix(&mut self, left: Typed, symbol: &str, binds: u8) -> Parsed<Typed> {
        match symbol {
            "IS" => return self.is(left),
            "IN" => {
                self.expect("(")?;
                let mut all = vec![left];
                all.extend(self.list(")")?);
                let (mut all, _) = coerced(all)?;
                let expr = Box::new(all.remove(0));
                return Ok((Expr::InList { expr, list: all }, SqlType::Bool));
            }
            _ => {}
        }
        let right = self.expr(binds)?;
        match symbol {
            "AND" => Ok((Expr::And(vec![left.0, right.0]), SqlType::Bool)),
            "OR" => Ok((Expr::Or(vec![left.0, right.0]), SqlType::Bool)),
            "LIKE" | "ILIKE" => {
                let escape = if self.eat_word("ESCAPE") {
                    Some(Box::new(self.expr(binds)?.0))
                } else {
                    None
                };
                let like = Expr::Like {
                    expr: Box::new(left.0),
                    pattern: Box::new(right.0),
                    escape,
                    case_insensitive: symbol == "ILIKE",
                };
                Ok((like, SqlType::Bool))
            }
            "||" => {
                let ty = match (&left.1, &right.1) {
                    (array @ SqlType::Array(_), _) | (_, array @ SqlType::Array(_)) => {
                        array.clone()
                    }
                    (SqlType::Bytea, _) => SqlType::Bytea,
                    (SqlType::Document, _) => SqlType::Document,
                    _ => SqlType::Text,
                };
                Ok((Expr::Concat(Box::new(left.0), Box::new(right.0)), ty))
            }
            "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" => {
                let op = match symbol {
                    "=" => CompareOp::Equal,
                    "<>" | "!=" => CompareOp::NotEqual,
                    "<" => CompareOp::Less,
                    "<=" => CompareOp::LessEqual,
                    ">" => CompareOp::Greater,
                    _ => CompareOp::GreaterEqual,
                };
                let (mut both, _) = coerced(vec![left, right])?;
                let (right, left) = (both.pop().unwrap(), both.pop().unwrap());
                let compare = Expr::Compare {
                    op,
                    left: Box::new(left),
                    right: Box::new(right),
                };
                Ok((compare, SqlType::Bool))
            }
            _ => arithmetic(left, symbol, right),
        }
    }

    fn is(&mut self, left: Typed) -> Parsed<Typed> {
        let not = self.eat_word("NOT");
        if self.eat_word("DISTINCT") {
            self.eat_word("FROM");
            let right = self.expr(4)?;
            let (mut both, _) = coerced(vec![left, right])?;
            let (right, left) = (both.pop().unwrap(), both.pop().unwrap());
            let distinct = Expr::Distinct {
                negated: not,
                left: Box::new(left),
                right: Box::new(right),
            };
            return Ok((distinct, SqlType::Bool));
        }
        let test = match (self.peek_word().to_uppercase().as_str(), not) {
            ("NULL", false) => TruthTest::Null,
            ("NULL", true) => TruthTest::NotNull,
            ("TRUE", false) => TruthTest::True,
            ("TRUE", true) => TruthTest::NotTrue,
            ("FALSE", false) => TruthTest::False,
            ("FALSE", true) => TruthTest::NotFalse,
            ("UNKNOWN", false) => TruthTest::Unknown,
            ("UNKNOWN", true) => TruthTest::NotUnknown,
            (other, _) => return Err(format!("IS {other}")),
        };
        self.skip(self.peek_word().len());
        let expr = Box::new(left.0);
        Ok((Expr::Is { test, expr }, SqlType::Bool))
    }

    fn prefix(&mut self) -> Parsed<Typed> {
        let Some(first) = self.rest.chars().next() else {
            return Err("unexpected end".into());
        };
        match first {
            '\'' => Ok((Expr::literal(self.string()?.as_str()), SqlType::Unknown)),
            '0'..='9' | '.' => self.number(),
            '(' => {
                self.skip(1);
                let inner = self.expr(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            '-' => {
                self.skip(1);
                let (expr, ty) = self.expr(10)?;
                let negate = Expr::Negate {
                    expr: Box::new(expr),
                    result: ty.clone(),
                };
                Ok((negate, ty))
            }
            '~' => {
                self.skip(1);
                let (expr, ty) = self.expr(10)?;
                Ok((Expr::BitNot(Box::new(expr)), ty))
            }
            '[' => {
                self.skip(1);
                let items = self.list("]")?.into_iter().map(|(expr, _)| expr).collect();
                Ok((Expr::Array(items), SqlType::Any))
            }
            '{' => {
                self.skip(1);
                let mut fields = Vec::new();
                while !self.eat("}") {
                    let name = EcoString::from(self.peek_word());
                    self.skip(name.len());
                    self.expect(":")?;
                    fields.push((name, self.expr(0)?.0));
                    self.eat(",");
                }
                Ok((Expr::Document(fields), SqlType::Document))
            }
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Parsed<Typed> {
        let word = self.peek_word();
        match word.to_uppercase().as_str() {
            "NULL" => {
                self.skip(4);
                return Ok((Expr::literal(Value::Null), SqlType::Unknown));
            }
            "TRUE" | "FALSE" => {
                self.skip(word.len());
                return Ok((
                    Expr::literal(word.eq_ignore_ascii_case("true")),
                    SqlType::Bool,
                ));
            }
            "NOT" => {
                self.skip(3);
                let inner = self.expr(3)?;
                return Ok((Expr::Not(Box::new(inner.0)), SqlType::Bool));
            }
            // A value of a type known only at run time, as a column without a declared type has it.
            "DYNAMIC" => {
                self.skip(word.len());
                self.expect("(")?;
                let inner = self.expr(0)?;
                self.expect(")")?;
                return Ok((inner.0, SqlType::Any));
            }
            "CAST" => {
                self.skip(4);
                self.expect("(")?;
                let inner = self.expr(0)?;
                if !self.eat_word("AS") {
                    return Err(format!("expected AS at: {}", self.rest));
                }
                let to = self.sql_type()?;
                self.expect(")")?;
                return Ok((cast(inner, to.clone(), CastMode::Explicit)?, to));
            }
            "CASE" => {
                self.skip(4);
                return self.case();
            }
            "ARRAY" if self.rest[5..].trim_start().starts_with('[') => {
                self.skip(5);
                self.skip(1);
                let (items, ty) = coerced(self.list("]")?)?;
                return Ok((Expr::Array(items), SqlType::Array(Box::new(ty))));
            }
            _ => {}
        }
        let before = self.rest;
        if let Ok(ty) = self.sql_type()
            && self.rest.starts_with('\'')
        {
            let literal = Expr::literal(self.string()?.as_str());
            let expr = cast((literal, SqlType::Unknown), ty.clone(), CastMode::Explicit)?;
            return Ok((expr, ty));
        }
        self.rest = before;
        self.skip(word.len());
        let mut name = word.to_lowercase();
        while self.rest.starts_with('.') {
            self.skip(1);
            name = format!("{name}.{}", self.peek_word());
            self.skip(self.peek_word().len());
        }
        let args = if self.eat("(") {
            self.list(")")?
        } else {
            Vec::new()
        };
        let types: Vec<SqlType> = args.iter().map(|(_, ty)| ty.clone()).collect();
        let call = function::resolve(&name, &types)
            .map_err(|error| format!("{}: {error}", error.sqlstate()))?;
        let args = args
            .into_iter()
            .zip(call.coercions)
            .map(|(arg, to)| match to {
                Some(to) => cast(arg, to, CastMode::Implicit),
                None => Ok(arg.0),
            })
            .collect::<Parsed<_>>()?;
        let function = call.function.id;
        Ok((Expr::Call { function, args }, call.result))
    }

    fn case(&mut self) -> Parsed<Typed> {
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        while self.eat_word("WHEN") {
            conditions.push(self.expr(0)?.0);
            self.eat_word("THEN");
            results.push(self.expr(0)?);
        }
        let otherwise = self.eat_word("ELSE");
        if otherwise {
            results.push(self.expr(0)?);
        }
        self.eat_word("END");
        let (mut results, ty) = coerced(results)?;
        let otherwise = if otherwise {
            results.pop().map(Box::new)
        } else {
            None
        };
        let branches = conditions.into_iter().zip(results).collect();
        Ok((
            Expr::Case {
                branches,
                otherwise,
            },
            ty,
        ))
    }

    fn string(&mut self) -> Parsed<String> {
        let mut text = String::new();
        let mut rest = self.rest[1..].char_indices().peekable();
        while let Some((place, character)) = rest.next() {
            if character != '\'' {
                text.push(character);
            } else if rest.peek().is_some_and(|(_, next)| *next == '\'') {
                rest.next();
                text.push('\'');
            } else {
                self.skip(place + 2);
                return Ok(text);
            }
        }
        Err("string without end".into())
    }

    fn number(&mut self) -> Parsed<Typed> {
        let bytes = self.rest.as_bytes();
        let mut end = 0;
        while end < bytes.len() && (bytes[end].is_ascii_digit() || bytes[end] == b'.') {
            end += 1;
        }
        if end < bytes.len() && bytes[end] == b'e' {
            end += 2;
            while end < bytes.len() && bytes[end].is_ascii_digit() {
                end += 1;
            }
        }
        let text = &self.rest[..end];
        self.skip(end);
        if let Ok(number) = text.parse::<i64>() {
            let ty = if i32::try_from(number).is_ok() {
                SqlType::Int4
            } else {
                SqlType::Int8
            };
            return Ok((Expr::literal(number), ty));
        }
        let ty = SqlType::Numeric(None);
        let value = tailwater_proto::parse_text(text, &ty).map_err(|error| error.message)?;
        Ok((Expr::literal(value), ty))
    }

    fn sql_type(&mut self) -> Parsed<SqlType> {
        let name = self.peek_word().to_uppercase();
        self.skip(name.len());
        let mut limits = Vec::new();
        if matches!(name.as_str(), "NUMERIC" | "CHAR" | "VARCHAR") && self.eat("(") {
            while !self.eat(")") {
                let number = self.rest.find([',', ')']).unwrap_or(0);
                limits.push(
                    self.rest[..number]
                        .trim()
                        .parse::<i32>()
                        .map_err(|e| e.to_string())?,
                );
                self.skip(number);
                self.eat(",");
            }
        }
        let limit = |place: usize| limits.get(place).copied().unwrap_or(0);
        let mut ty = match name.as_str() {
            "BOOL" | "BOOLEAN" => SqlType::Bool,
            "INT2" | "SMALLINT" => SqlType::Int2,
            "INT4" | "INT" | "INTEGER" => SqlType::Int4,
            "INT8" | "BIGINT" => SqlType::Int8,
            "REAL" | "FLOAT4" => SqlType::Real,
            "DOUBLE" => {
                self.eat_word("PRECISION");
                SqlType::Double
            }
            "FLOAT8" => SqlType::Double,
            "NUMERIC" if limits.is_empty() => SqlType::Numeric(None),
            "NUMERIC" => SqlType::Numeric(Some((limit(0) as u16, limit(1) as i16))),
            "TEXT" => SqlType::Text,
            "CHAR" => SqlType::Char(limit(0).max(1) as u32),
            "VARCHAR" if limits.is_empty() => SqlType::Varchar(None),
            "VARCHAR" => SqlType::Varchar(Some(limit(0) as u32)),
            "BYTEA" => SqlType::Bytea,
            "DATE" => SqlType::Date,
            "TIME" => SqlType::Time,
            "TIMESTAMP" => SqlType::Timestamp,
            "TIMESTAMPTZ" => SqlType::TimestampTz,
            "INTERVAL" => SqlType::Interval,
            "UUID" => SqlType::Uuid,
            "JSON" | "JSONB" => SqlType::Json,
            "DOCUMENT" => SqlType::Document,
            other => return Err(format!("type {other}")),
        };
        while self.eat("[]") {
            ty = SqlType::Array(Box::new(ty));
        }
        Ok(ty)
    }
}

fn arithmetic(left: Typed, symbol: &str, right: Typed) -> Parsed<Typed> {
    let op = match symbol {
        "+" => ArithmeticOp::Add,
        "-" => ArithmeticOp::Subtract,
        "*" => ArithmeticOp::Multiply,
        "/" => ArithmeticOp::Divide,
        "%" => ArithmeticOp::Modulo,
        "^" => ArithmeticOp::Power,
        "&" => ArithmeticOp::BitAnd,
        "|" => ArithmeticOp::BitOr,
        "#" => ArithmeticOp::BitXor,
        "<<" => ArithmeticOp::ShiftLeft,
        ">>" => ArithmeticOp::ShiftRight,
        other => return Err(format!("operator {other}")),
    };
    let typing = op.typing(&left.1, &right.1).ok_or_else(|| {
        format!(
            "42883: operator does not exist: {} {symbol} {}",
            left.1, right.1
        )
    })?;
    let operand = |expr: Typed, to: Option<SqlType>| match to {
        Some(to) => cast(expr, to, CastMode::Implicit),
        None => Ok(expr.0),
    };
    let arithmetic = Expr::Arithmetic {
        op,
        left: Box::new(operand(left, typing.left)?),
        right: Box::new(operand(right, typing.right)?),
        result: typing.result.clone(),
    };
    Ok((arithmetic, typing.result))
}
