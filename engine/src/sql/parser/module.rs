//! CREATE MODULE. What the text of the module says is not looked at here.

use sqlparser::tokenizer::Token;

use super::grammar::{Fault, Grammar};
use crate::sql::binder::names;
use crate::sql::statement::{CreateModule, Statement};

impl Grammar<'_> {
    /// What follows CREATE [OR REPLACE] MODULE.
    pub(super) fn create_module(&mut self, or_replace: bool) -> Result<Statement, Fault> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let file = if self.words(&["file"]) {
            Some(self.text_literal()?)
        } else {
            None
        };
        let mut dropping = Vec::new();
        if self.words(&["dropping"]) {
            for column in self.parens(Self::object_name)? {
                dropping.push(names::fold_parts(&column).join("."));
            }
        }
        self.expect_words(&["as"])?;
        let text = self.text_literal()?;
        let mut imports = Vec::new();
        while self.words(&["import"]) {
            let name = self.text_literal()?;
            self.expect_words(&["as"])?;
            imports.push((name, self.text_literal()?));
        }
        Ok(Statement::CreateModule(Box::new(CreateModule {
            name,
            or_replace,
            if_not_exists,
            file,
            text,
            dropping,
            imports,
        })))
    }

    /// A text in quotes or between dollars.
    fn text_literal(&mut self) -> Result<String, Fault> {
        let text = match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(text) => text.value.clone(),
            _ => return Err(self.unexpected("a text: 'text' or $$text$$")),
        };
        self.parser.advance_token();
        Ok(text)
    }
}
