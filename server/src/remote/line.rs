//! `Line`: a session of a server over gRPC, and the feeds that TAIL asks for beside it. One statement at a time.
//!
//! Ctrl-C hangs up, which stops the statement there; the next one calls again.

use std::time::Duration;

use prost::Message as _;
use prost::bytes::Bytes;
use tailwater::internals::sql::parse_one;
use tailwater::internals::sql::statement::{Statement, Tail, TailSource};
use tailwater_proto::v1;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::raw::Raw;
use crate::failure::Failure;
use crate::interrupt;

const SESSION: &str = "/tailwater.v1.ExecService/Session";
const SUBSCRIBE: &str = "/tailwater.v1.SubscribeService/Subscribe";
/// How often it is looked whether Ctrl-C was pressed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What a statement brings, part by part.
pub(super) enum Said {
    /// The columns of the rows that follow.
    Columns(Vec<v1::Column>),
    /// A row.
    Row(Vec<v1::Value>),
    /// Nothing more for the moment.
    Pause,
}

/// A connection to a server.
pub(super) struct Line {
    runtime: Runtime,
    grpc: Grpc<Channel>,
    token: Option<String>,
    session: Option<(mpsc::Sender<Bytes>, Streaming<Bytes>)>,
}

impl Line {
    pub(super) fn open(server: &str) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::io("starting a runtime"))?;
        let unreachable = |error: tonic::transport::Error| {
            let mut reason = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                reason = inner.to_string();
                source = inner.source();
            }
            Failure::usage(
                format!("{server} cannot be reached: {reason}"),
                "say where tailwater serve listens for gRPC, such as 127.0.0.1:50051",
            )
        };
        let endpoint = Endpoint::from_shared(format!("http://{server}")).map_err(unreachable)?;
        let channel = runtime.block_on(endpoint.connect()).map_err(unreachable)?;
        Ok(Self {
            grpc: Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX),
            runtime,
            token: std::env::var("TAILWATER_TOKEN").ok(),
            session: None,
        })
    }

    /// Runs a statement and hands over what it brings.
    pub(super) fn ask(
        &mut self,
        sql: &str,
        mut take: impl FnMut(Said) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match parse_one(sql).map(|parsed| parsed.statement) {
            Ok(Statement::Tail(tail)) => self.follow(&tail, &mut take),
            // What is no SQL here may be some there.
            _ => self.execute(sql, &mut take),
        }
    }

    fn execute(
        &mut self,
        sql: &str,
        take: &mut impl FnMut(Said) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let request = v1::ExecRequest {
            sql: sql.to_owned(),
            ..v1::ExecRequest::default()
        };
        let request = Bytes::from(request.encode_to_vec());
        // Kept only when all of an answer was read.
        let (requests, mut answers) = match self.session.take() {
            Some((requests, answers)) => {
                // A session that is closed is met when the answer is read.
                let _ = requests.try_send(request);
                (requests, answers)
            }
            None => self.begin(request)?,
        };
        loop {
            let answer = self.runtime.block_on(next(&mut answers))?;
            let answer = answer.ok_or_else(|| failed(Status::unavailable("the server hung up")))?;
            let answer = v1::SessionResponse::decode(answer).map_err(undecodable)?;
            if let Some(error) = answer.error {
                self.session = Some((requests, answers));
                return Err(refused(error));
            }
            if !answer.columns.is_empty() {
                take(Said::Columns(answer.columns))?;
            }
            for row in answer.rows {
                take(Said::Row(row.values))?;
            }
            if !answer.more {
                self.session = Some((requests, answers));
                return Ok(());
            }
        }
    }

    /// A session, with its first request.
    fn begin(&mut self, first: Bytes) -> Result<(mpsc::Sender<Bytes>, Streaming<Bytes>), Failure> {
        let (requests, receiver) = mpsc::channel(1);
        let _ = requests.try_send(first);
        let receiver = futures_util::stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        let request = self.request(receiver)?;
        let grpc = &mut self.grpc;
        let opening = async {
            ready(grpc).await?;
            grpc.streaming(request, path(SESSION), Raw).await
        };
        let answers = self.runtime.block_on(opening).map_err(failed)?;
        Ok((requests, answers.into_inner()))
    }

    /// Follows a table or view until Ctrl-C: operation and commit stand before the values.
    fn follow(
        &mut self,
        tail: &Tail,
        take: &mut impl FnMut(Said) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let TailSource::Object(object) = &tail.source else {
            return Err(Failure::usage(
                "TAIL of a query is not supported",
                "make it a materialized view and TAIL the view",
            ));
        };
        if tail.since.is_some() || !tail.options.is_empty() {
            return Err(Failure::usage(
                "TAIL over the network has no SINCE and no WITH",
                "leave them out, or call tailwater.v1.SubscribeService with a token",
            ));
        }
        let request = v1::SubscribeRequest {
            of: Some(v1::subscribe_request::Of::Object(object.to_string())),
            r#where: tail
                .filter
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            ..v1::SubscribeRequest::default()
        };
        let request = self.request(Bytes::from(request.encode_to_vec()))?;
        let grpc = &mut self.grpc;
        let opening = async {
            ready(grpc).await?;
            grpc.server_streaming(request, path(SUBSCRIBE), Raw).await
        };
        let mut frames = self.runtime.block_on(opening).map_err(failed)?.into_inner();
        while let Some(frame) = self.runtime.block_on(next(&mut frames))? {
            let frame = v1::FeedFrame::decode(frame).map_err(undecodable)?;
            show(frame, take)?;
        }
        Ok(())
    }

    fn request<T>(&self, body: T) -> Result<Request<T>, Failure> {
        let mut request = Request::new(body);
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().map_err(|_| {
                Failure::usage(
                    "TAILWATER_TOKEN is no access token",
                    "tailwater token create makes one",
                )
            })?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// A frame as rows.
fn show(
    frame: v1::FeedFrame,
    take: &mut impl FnMut(Said) -> Result<(), Failure>,
) -> Result<(), Failure> {
    use v1::feed_frame::Control;
    let own = |name: &str, ty: &str| v1::Column {
        name: name.to_owned(),
        r#type: ty.to_owned(),
        ..v1::Column::default()
    };
    let columns = match frame.control {
        Some(Control::SnapshotBegin(begin)) => begin.columns,
        Some(Control::Columns(columns)) => Some(columns),
        Some(Control::Progress(_)) => return Ok(()),
        _ => None,
    };
    if let Some(columns) = columns {
        let own = [own("lsn", "bigint"), own("op", "text")];
        take(Said::Columns(
            own.into_iter().chain(columns.columns).collect(),
        ))?;
    }
    if frame.changes.is_empty() {
        return Ok(());
    }
    let text = |text: &str| v1::Value {
        kind: Some(v1::value::Kind::Text(text.to_owned())),
    };
    for change in frame.changes {
        let op = match change.operation() {
            // Rows of a snapshot come without a token.
            v1::Operation::Insert if frame.token.is_empty() => "snapshot",
            v1::Operation::Insert => "insert",
            v1::Operation::Update => "update",
            v1::Operation::Delete => "delete",
            v1::Operation::Unspecified => "",
        };
        let lsn = v1::Value {
            kind: Some(v1::value::Kind::Int(
                i64::try_from(frame.lsn).unwrap_or(i64::MAX),
            )),
        };
        let image = change.after.or(change.before).unwrap_or_default();
        take(Said::Row(
            [lsn, text(op)].into_iter().chain(image.values).collect(),
        ))?;
    }
    take(Said::Pause)
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))
}

/// The next answer, unless Ctrl-C says that it is enough.
async fn next(answers: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Failure> {
    loop {
        tokio::select! {
            answer = answers.message() => return answer.map_err(failed),
            () = sleep(LOOK_EVERY) => if interrupt::is_set() {
                return Err(Failure::Interrupted);
            },
        }
    }
}

fn path(path: &'static str) -> axum::http::uri::PathAndQuery {
    axum::http::uri::PathAndQuery::from_static(path)
}

fn undecodable(error: prost::DecodeError) -> Failure {
    failed(Status::internal(error.to_string()))
}

/// A call that failed: the connection, or what the server refused.
fn failed(status: Status) -> Failure {
    let told = |name| {
        let value = status.metadata().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    Failure::Remote {
        sqlstate: told("tailwater-sqlstate").unwrap_or_else(|| "08006".to_owned()),
        message: status.message().to_owned(),
        hint: told("tailwater-hint"),
        position: None,
    }
}

/// A statement that failed.
fn refused(error: v1::Error) -> Failure {
    Failure::Remote {
        sqlstate: error.sqlstate,
        message: error.message,
        hint: Some(error.hint).filter(|hint| !hint.is_empty()),
        position: error
            .position
            .and_then(|position| usize::try_from(position).ok()),
    }
}
