//! The feed in SQL: TAIL, SUBSCRIBE TO, and cursors over queries and tails. Reads text only.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::grammar::{Fault, Grammar};
use crate::sql::statement::{
    CursorSource, DeclareCursor, Fetch, FetchDirection, Statement, Tail, TailSource,
};

impl Grammar<'_> {
    /// TAIL, SUBSCRIBE TO.
    pub(super) fn tail_statement(&mut self) -> Result<Statement, Fault> {
        Ok(Statement::Tail(Box::new(self.tail()?)))
    }

    fn tail(&mut self) -> Result<Tail, Fault> {
        if !self.words(&["tail"]) {
            self.expect_words(&["subscribe"])?;
            self.words(&["to"]);
        }
        let source = if self.token(&Token::LParen) {
            let query = self.parser.parse_query()?;
            self.expect(&Token::RParen)?;
            TailSource::Query(query)
        } else {
            TailSource::Object(self.object_name()?)
        };
        let filter = match source {
            TailSource::Object(_) => self.filter()?,
            TailSource::Query(_) => None,
        };
        let since = if self.words(&["since"]) {
            Some(self.expr()?)
        } else {
            None
        };
        let options = self.with_options()?;
        Ok(Tail {
            source,
            filter,
            since,
            options,
        })
    }

    /// DECLARE … CURSOR.
    pub(super) fn declare(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::DECLARE)?;
        let name = self.ident()?;
        let mut scroll = None;
        loop {
            if self.words(&["no", "scroll"]) {
                scroll = Some(false);
            } else if self.words(&["scroll"]) {
                scroll = Some(true);
            } else if !self.words(&["binary"])
                && !self.words(&["insensitive"])
                && !self.words(&["asensitive"])
            {
                break;
            }
        }
        self.expect_words(&["cursor"])?;
        let hold = self.words(&["with", "hold"]);
        if !hold {
            self.words(&["without", "hold"]);
        }
        self.expect_words(&["for"])?;
        let source = if self.at_words(&["tail"]) || self.at_words(&["subscribe"]) {
            CursorSource::Tail(self.tail()?)
        } else {
            CursorSource::Query(self.parser.parse_query()?)
        };
        Ok(Statement::DeclareCursor(Box::new(DeclareCursor {
            name,
            hold,
            scroll,
            source,
        })))
    }

    /// FETCH, MOVE.
    pub(super) fn fetch(&mut self) -> Result<Statement, Fault> {
        let move_only = self.words(&["move"]);
        if !move_only {
            self.parser.expect_keyword_is(Keyword::FETCH)?;
        }
        let direction = self.fetch_direction()?;
        if !self.words(&["from"]) {
            self.words(&["in"]);
        }
        let cursor = self.ident()?;
        let options = self.with_options()?;
        Ok(Statement::Fetch(Fetch {
            cursor,
            direction,
            move_only,
            options,
        }))
    }

    fn fetch_direction(&mut self) -> Result<FetchDirection, Fault> {
        // FETCH c: a word that is the last one, or stands before WITH, is the cursor
        let lone = match &self.parser.peek_nth_token_ref(1).token {
            Token::EOF => true,
            Token::Word(word) => word.keyword == Keyword::WITH,
            _ => false,
        };
        if lone && !matches!(self.parser.peek_token_ref().token, Token::Number(..)) {
            return Ok(FetchDirection::Forward(1));
        }
        if matches!(
            self.parser.peek_token_ref().token,
            Token::Number(..) | Token::Minus | Token::Plus
        ) {
            return Ok(FetchDirection::Forward(self.signed()?));
        }
        if self.words(&["all"]) {
            return Ok(FetchDirection::All);
        }
        if self.words(&["next"]) {
            return Ok(FetchDirection::Forward(1));
        }
        if self.words(&["prior"]) {
            return Ok(FetchDirection::Forward(-1));
        }
        if self.words(&["first"]) {
            return Ok(FetchDirection::Absolute(1));
        }
        if self.words(&["last"]) {
            return Ok(FetchDirection::Absolute(-1));
        }
        if self.words(&["absolute"]) {
            return Ok(FetchDirection::Absolute(self.signed()?));
        }
        if self.words(&["relative"]) {
            return Ok(FetchDirection::Relative(self.signed()?));
        }
        let backward = self.words(&["backward"]);
        if backward || self.words(&["forward"]) {
            return self.fetch_way(backward);
        }
        Ok(FetchDirection::Forward(1))
    }

    /// `FORWARD | BACKWARD [n | ALL]`
    fn fetch_way(&mut self, backward: bool) -> Result<FetchDirection, Fault> {
        if self.words(&["all"]) {
            return Ok(if backward {
                FetchDirection::BackwardAll
            } else {
                FetchDirection::All
            });
        }
        let count = match &self.parser.peek_token_ref().token {
            Token::Number(..) | Token::Minus | Token::Plus => self.signed()?,
            _ => 1,
        };
        Ok(FetchDirection::Forward(if backward {
            count.saturating_neg()
        } else {
            count
        }))
    }

    /// CLOSE.
    pub(super) fn close(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::CLOSE)?;
        if self.words(&["all"]) {
            return Ok(Statement::CloseCursor(None));
        }
        Ok(Statement::CloseCursor(Some(self.ident()?)))
    }
}
