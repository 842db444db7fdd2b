//! `ExecService/Session`: one session of the engine over many requests: a transaction, savepoints and cursors stay between
//! them. An error is an answer. Next door: `rows`, which cuts results into messages.

use prost::Message as _;
use tailwater::{Outcome, Session};
use tailwater_proto::{sqlstate, v1};

use super::rows::{Batches, parameters};
use super::{Service, Shared};
use crate::serve::context::Context;
use crate::serve::fault::Fault;
use crate::serve::method::{Dialogue, Handler, Message, Pulled};
use crate::serve::scope::Scopes;

pub(super) fn add(service: &mut Service, shared: &Shared) -> Result<(), Fault> {
    let own = shared.clone();
    let open = Handler::Bidirectional(Box::new(move |context| {
        Ok(Box::new(Talk {
            session: context.session()?,
            shared: own.clone(),
            context: context.clone(),
            answer: Answer::None,
            touches_tokens: false,
        }))
    }));
    service.add(
        "/tailwater.v1.ExecService/Session",
        Some(Scopes::NONE),
        open,
    )
}

/// A session and what is still to be said about its last statement.
struct Talk {
    session: Session,
    shared: Shared,
    context: Context,
    answer: Answer,
    /// Some statement since the session began named the table of access tokens.
    touches_tokens: bool,
}

enum Answer {
    None,
    One(v1::SessionResponse),
    Rows {
        batches: Batches,
        columns_told: bool,
    },
}

impl Dialogue for Talk {
    fn push(&mut self, request: &[u8]) -> Result<(), Fault> {
        let request = v1::ExecRequest::decode(request)?;
        self.context.cancel.check()?;
        self.answer = match self.run(request) {
            Ok(answer) => answer,
            Err(fault) => Answer::One(failed(&fault)),
        };
        Ok(())
    }
}

impl Talk {
    fn run(&mut self, request: v1::ExecRequest) -> Result<Answer, Fault> {
        let touched = self.shared.statements.allow(&self.context, &request.sql)?;
        self.touches_tokens |= touched.tokens();
        let parameters = parameters(request.parameters, request.named_parameters)?;
        let outcome = self.session.execute(&request.sql, parameters);
        if self.touches_tokens {
            // Its COMMIT may come in any later request.
            self.shared.tokens.reload()?;
        }
        match outcome? {
            Outcome::Rows(rows) => Ok(Answer::Rows {
                batches: Batches::of(rows),
                columns_told: false,
            }),
            Outcome::Done { tag, rows, lsn } => Ok(Answer::One(v1::SessionResponse {
                tag: tag.to_owned(),
                rows_affected: rows,
                lsn: lsn.map_or(0, |lsn| lsn.0),
                ..v1::SessionResponse::default()
            })),
            _ => Err(Fault::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "a session does not follow a table or view",
            )
            .with_hint("call tailwater.v1.SubscribeService/Subscribe, or DECLARE a cursor")),
        }
    }
}

impl Pulled for Talk {
    fn pull(&mut self) -> Result<Option<Message>, Fault> {
        let response = match std::mem::replace(&mut self.answer, Answer::None) {
            Answer::None => return Ok(None),
            Answer::One(response) => response,
            Answer::Rows {
                mut batches,
                columns_told,
            } => match batches.next() {
                Err(fault) => failed(&fault),
                Ok(batch) => {
                    let response = v1::SessionResponse {
                        tag: "SELECT".to_owned(),
                        rows_affected: 0,
                        lsn: batches.lsn(),
                        columns: if columns_told {
                            Vec::new()
                        } else {
                            batches.columns()
                        },
                        rows: batch.rows,
                        more: !batch.is_last,
                        error: None,
                    };
                    if !batch.is_last {
                        self.answer = Answer::Rows {
                            batches,
                            columns_told: true,
                        };
                    }
                    response
                }
            },
        };
        Ok(Some(response.encode_to_vec().into()))
    }
}

fn failed(fault: &Fault) -> v1::SessionResponse {
    v1::SessionResponse {
        error: Some(v1::Error {
            sqlstate: fault.sqlstate().to_owned(),
            message: fault.message().to_owned(),
            hint: fault.hint().unwrap_or_default().to_owned(),
            position: fault
                .position()
                .and_then(|position| u64::try_from(position).ok()),
        }),
        ..v1::SessionResponse::default()
    }
}
