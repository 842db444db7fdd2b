//! The server over gRPC: all kinds of call, deadlines, cancelling, limits, reflection and health.

#![allow(clippy::unwrap_used)]

mod common;
mod served;

use std::collections::BTreeSet;
use std::time::Duration;

use common::database;
use prost::Message;
use prost_reflect::DescriptorPool;
use served::{Client, Served, block_on, next, told};
use tailwater_proto::v1;
use tonic::Code;

const QUERY: &str = "/tailwater.v1.QueryService/Query";
const QUERY_STREAM: &str = "/tailwater.v1.QueryService/QueryStream";
const EXEC: &str = "/tailwater.v1.ExecService/Exec";
const EXEC_EACH: &str = "/tailwater.v1.ExecService/ExecEach";
const SESSION: &str = "/tailwater.v1.ExecService/Session";
const SUBSCRIBE: &str = "/tailwater.v1.SubscribeService/Subscribe";
const OPEN_STREAMS: &str = "tailwater_open_streams";

fn query(sql: &str) -> v1::QueryRequest {
    v1::QueryRequest {
        sql: sql.into(),
        ..v1::QueryRequest::default()
    }
}

fn exec(sql: &str) -> v1::ExecRequest {
    v1::ExecRequest {
        sql: sql.into(),
        ..v1::ExecRequest::default()
    }
}

fn int(n: i64) -> v1::Value {
    v1::Value {
        kind: Some(v1::value::Kind::Int(n)),
    }
}

fn subscribe(object: &str) -> v1::SubscribeRequest {
    v1::SubscribeRequest {
        of: Some(v1::subscribe_request::Of::Object(object.into())),
        ..v1::SubscribeRequest::default()
    }
}

#[test]
fn a_query_brings_rows_and_an_error_says_where() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec(
        "CREATE TABLE t (id INT PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    );
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let request = v1::QueryRequest {
            parameters: vec![int(2)],
            ..query("SELECT name, id FROM t WHERE id = ?")
        };
        let answer: v1::QueryResponse = client.unary(QUERY, request).await.unwrap();
        assert_eq!(answer.columns[0].name, "name");
        assert_eq!(answer.rows[0].values[1], int(2));
        let request = v1::QueryRequest {
            named_parameters: [("id".to_owned(), int(1))].into(),
            ..query("INSERT INTO t VALUES ($id + 8, 'c') RETURNING id")
        };
        let answer: v1::QueryResponse = client.unary(QUERY, request).await.unwrap();
        assert_eq!(answer.rows[0].values[0], int(9));
        assert!(answer.lsn > 0);

        let failed = |sql: &'static str| {
            let mut client = client.clone();
            async move {
                client
                    .unary::<v1::QueryResponse>(QUERY, query(sql))
                    .await
                    .unwrap_err()
            }
        };
        let status = failed("SELECT nam FROM t").await;
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::InvalidArgument, "42703")
        );
        assert_eq!(told(&status, "tailwater-position"), "7");
        let status = failed("SELECT * FROM nothing").await;
        assert_eq!(status.code(), Code::NotFound);
        let status = failed("DELETE FROM t").await;
        assert!(
            told(&status, "tailwater-hint").contains("ExecService/Exec"),
            "{status:?}"
        );
        let status = client
            .unary::<v1::ExecResponse>(EXEC, exec("INSERT INTO t VALUES (1, 'x')"))
            .await;
        let status = status.unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::AlreadyExists, "23505")
        );
        let status = client
            .unary::<v1::ExecResponse>("/tailwater.v1.ExecService/Exek", exec(""))
            .await;
        assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
        let garbage = v1::Error {
            message: "\u{1}\u{2}\u{3}".into(),
            ..v1::Error::default()
        };
        let status = client
            .unary::<v1::QueryResponse>(QUERY, garbage)
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::InvalidArgument, "22P03")
        );
    });
}

#[test]
fn many_rows_come_in_many_messages() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--message-bytes-max", "64KiB"]);
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let sql = "SELECT i, repeat('x', 100) AS x FROM generate_series(1, 20000) AS s (i)";
        let mut stream = client.open(QUERY_STREAM, query(sql)).await.unwrap();
        let (mut rows, mut messages) = (Vec::new(), 0);
        while let Some(answer) = next::<v1::QueryResponse>(&mut stream).await.unwrap() {
            assert_eq!(answer.columns.is_empty(), messages > 0);
            messages += 1;
            rows.extend(answer.rows);
        }
        assert!(messages > 10);
        assert_eq!(rows.len(), 20_000);
        assert!((1..).zip(&rows).all(|(n, row)| row.values[0] == int(n)));

        let status = client
            .unary::<v1::QueryResponse>(QUERY, query(sql))
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::ResourceExhausted, "54000")
        );
        assert!(told(&status, "tailwater-hint").contains("QueryStream"));
        let long = format!("SELECT '{}'", "x".repeat(100_000));
        let status = client
            .unary::<v1::QueryResponse>(QUERY, query(&long))
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::ResourceExhausted, "54000")
        );
        // An error in the middle of a stream comes after what went before.
        let sql = "SELECT 1 / (5000 - i) FROM generate_series(1, 10000) AS s (i)";
        let mut stream = client.open(QUERY_STREAM, query(sql)).await.unwrap();
        let mut rows = 0;
        let status = loop {
            match next::<v1::QueryResponse>(&mut stream).await {
                Ok(answer) => rows += answer.unwrap().rows.len(),
                Err(status) => break status,
            }
        };
        assert_eq!(told(&status, "tailwater-sqlstate"), "22012");
        assert!((1..5_000).contains(&rows), "{rows}");
    });
    server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);
}

#[test]
fn many_statements_are_on_their_way_at_once() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY)");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let insert = |id| v1::ExecRequest {
            parameters: vec![int(id)],
            ..exec("INSERT INTO t VALUES (?)")
        };
        let done: v1::ExecResponse = client
            .gather(EXEC_EACH, (0..2_000).map(insert).collect())
            .await
            .unwrap();
        assert_eq!((done.requests, done.rows_affected), (2_000, 2_000));
        assert!(done.lsn >= 2_000);
        // The third fails: the two before it stay, what comes after is not run.
        let status = client
            .gather::<v1::ExecResponse>(EXEC_EACH, [5_000, 5_001, 7, 5_002].map(insert).to_vec())
            .await
            .unwrap_err();
        assert!(status.message().starts_with("request 3: "), "{status:?}");
        let count: v1::QueryResponse = client
            .unary(QUERY, query("SELECT count(*) FROM t WHERE id >= 5000"))
            .await
            .unwrap();
        assert_eq!(count.rows[0].values[0], int(2));
    });
}

#[test]
fn a_session_keeps_its_transaction_and_outlives_errors() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY)");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let (requests, receiver) = tokio::sync::mpsc::unbounded_channel();
        let ask = |sql: &str| requests.send(exec(sql).encode_to_vec()).unwrap();
        ask("BEGIN");
        let mut stream = client.converse(SESSION, receiver).await.unwrap();
        let mut answer = async || {
            next::<v1::SessionResponse>(&mut stream)
                .await
                .unwrap()
                .unwrap()
        };
        assert_eq!(answer().await.tag, "BEGIN");
        ask("INSERT INTO t SELECT i FROM generate_series(1, 3000) AS s (i)");
        assert_eq!(answer().await.rows_affected, 3_000);
        ask("SAVEPOINT s");
        answer().await;
        ask("INSERT INTO t VALUES (1)");
        let error = answer().await.error.unwrap();
        assert_eq!(error.sqlstate, "23505");
        ask("ROLLBACK TO s");
        answer().await;
        ask("SELECT id FROM t ORDER BY id");
        let mut rows = 0;
        loop {
            let part = answer().await;
            assert_eq!(part.columns.len(), usize::from(rows == 0));
            rows += part.rows.len();
            if !part.more {
                break;
            }
        }
        assert_eq!(rows, 3_000);
        // Nobody else sees it before it is committed; who goes away without COMMIT leaves nothing.
        let mut other = client.clone();
        let mut count = async || {
            let count = query("SELECT count(*) FROM t");
            let count: v1::QueryResponse = other.unary(QUERY, count).await.unwrap();
            count.rows[0].values[0].clone()
        };
        assert_eq!(count().await, int(0));
        ask("COMMIT");
        assert!(answer().await.lsn > 0);
        assert_eq!(count().await, int(3_000));
        ask("BEGIN; DELETE FROM t");
        answer().await;
        drop(requests);
        assert!(
            next::<v1::SessionResponse>(&mut stream)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(count().await, int(3_000));
    });
}

/// Frames up to and with the end of a snapshot: their rows, and its token.
async fn snapshot(stream: &mut tonic::Streaming<prost::bytes::Bytes>) -> (Vec<v1::Row>, Vec<u8>) {
    use v1::feed_frame::Control;
    let mut rows = Vec::new();
    loop {
        let frame: v1::FeedFrame = next(stream).await.unwrap().unwrap();
        rows.extend(frame.changes.into_iter().filter_map(|change| change.after));
        if let Some(Control::SnapshotEnd(end)) = frame.control {
            assert_eq!(end.rows, rows.len() as u64);
            return (rows, frame.token);
        }
    }
}

#[test]
fn a_feed_is_a_snapshot_then_changes_and_goes_on_after_its_token() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--progress-after", "50ms"]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY, topic TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'it''s')");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let mut stream = client.open(SUBSCRIBE, subscribe("t")).await.unwrap();
        let (rows, token) = snapshot(&mut stream).await;
        assert_eq!(rows.len(), 2);
        server.exec("UPDATE t SET topic = 'b' WHERE id = 1");
        server.exec("DELETE FROM t WHERE id = 2");
        let update: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert_eq!(update.changes[0].operation(), v1::Operation::Update);
        assert!(update.changes[0].before.is_some());
        drop(stream);
        // From the message, or from the metadata.
        let request = v1::SubscribeRequest {
            token,
            skip_before: true,
            ..subscribe("t")
        };
        let mut stream = client.open(SUBSCRIBE, request).await.unwrap();
        let first: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert_eq!(first.lsn, update.lsn);
        assert!(first.changes[0].before.is_none());
        let mut resumed = client
            .clone()
            .with("tailwater-token", String::from_utf8(update.token).unwrap());
        let mut stream = resumed.open(SUBSCRIBE, subscribe("t")).await.unwrap();
        let delete: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert_eq!(delete.changes[0].operation(), v1::Operation::Delete);
        // Nothing more happens to it, but to something else.
        server.exec("CREATE TABLE u (id INT PRIMARY KEY); INSERT INTO u VALUES (1)");
        let idle: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert!(matches!(
            idle.control,
            Some(v1::feed_frame::Control::Progress(_))
        ));
        assert!(idle.lsn > delete.lsn && !idle.token.is_empty());
    });
}

#[test]
fn a_feed_has_conditions_and_refuses_what_it_cannot_do() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY, topic TEXT, n INT); INSERT INTO t VALUES (1, 'a', 1), (2, 'it''s', 2), (3, 'it''s', 3)");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let topic = v1::Value {
            kind: Some(v1::value::Kind::Text("it's".into())),
        };
        let request = v1::SubscribeRequest {
            equals: [("topic".to_owned(), topic)].into(),
            r#where: "n > 2 OR n > 4".into(),
            ..subscribe("t")
        };
        let mut stream = client.open(SUBSCRIBE, request).await.unwrap();
        let (rows, _) = snapshot(&mut stream).await;
        assert_eq!(rows.len(), 1);
        server.exec("INSERT INTO t VALUES (4, 'a', 9); INSERT INTO t VALUES (5, 'it''s', 9)");
        let frame: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert_eq!(frame.changes[0].after.as_ref().unwrap().values[0], int(5));

        let refused = |request: v1::SubscribeRequest| {
            let mut client = client.clone();
            async move {
                let status = client.open(SUBSCRIBE, request).await.unwrap_err();
                (
                    status.code(),
                    told(&status, "tailwater-sqlstate").to_owned(),
                )
            }
        };
        let known = |code, sqlstate: &str| (code, sqlstate.to_owned());
        assert_eq!(
            refused(subscribe("nothing")).await,
            known(Code::NotFound, "42P01")
        );
        assert_eq!(
            refused(v1::SubscribeRequest::default()).await,
            known(Code::InvalidArgument, "22023")
        );
        let request = v1::SubscribeRequest {
            token: b"nonsense".to_vec(),
            ..subscribe("t")
        };
        assert_eq!(
            refused(request).await,
            known(Code::InvalidArgument, "22023")
        );
        let request = v1::SubscribeRequest {
            of: Some(v1::subscribe_request::Of::Query("SELECT 1".into())),
            ..v1::SubscribeRequest::default()
        };
        assert_eq!(refused(request).await, known(Code::Unimplemented, "0A000"));
        let request = v1::SubscribeRequest {
            r#where: "id IN (SELECT id FROM t)".into(),
            ..subscribe("t")
        };
        let (_, sqlstate) = refused(request).await;
        assert!(["0A000", "42601"].contains(&&*sqlstate), "{sqlstate}");
        let request = v1::SubscribeRequest {
            r#where: "true) OR (true".into(),
            ..subscribe("t")
        };
        assert!(client.open(SUBSCRIBE, request).await.is_ok());

        // A table that becomes another starts over by itself; one that goes away ends its stream.
        server.exec(
            "BEGIN; DROP TABLE t; CREATE TABLE t (id INT PRIMARY KEY, topic TEXT, n INT); COMMIT",
        );
        let reset: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert!(
            matches!(reset.control, Some(v1::feed_frame::Control::Reset(_))),
            "{reset:?}"
        );
        let (rows, _) = snapshot(&mut stream).await;
        assert!(rows.is_empty());
        server.exec("DROP TABLE t");
        let reset: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert!(matches!(
            reset.control,
            Some(v1::feed_frame::Control::Reset(_))
        ));
        let status = next::<v1::FeedFrame>(&mut stream).await.unwrap_err();
        assert_eq!(told(&status, "tailwater-sqlstate"), "42P01");
    });
}

#[test]
fn a_deadline_stops_a_statement_and_ends_a_stream_with_its_token() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--workers", "1"]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY)");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let mut hasty = client.clone();
        hasty.timeout = Some(Duration::from_millis(300));
        let slow = "SELECT count(*) FROM generate_series(1, 1000000000) AS s (i)";
        let status = hasty
            .unary::<v1::QueryResponse>(QUERY, query(slow))
            .await
            .unwrap_err();
        // The client's own clock may be first to say so.
        assert!(
            [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()),
            "{status:?}"
        );
        // The only thread is free again: the statement has stopped.
        let one: v1::QueryResponse = client.unary(QUERY, query("SELECT 1")).await.unwrap();
        assert_eq!(one.rows.len(), 1);

        let mut patient = client.clone().with("grpc-timeout", "300m");
        let mut stream = patient.open(SUBSCRIBE, subscribe("t")).await.unwrap();
        let (_, token) = snapshot(&mut stream).await;
        let status = next::<v1::FeedFrame>(&mut stream).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(told(&status, "tailwater-token").as_bytes(), token);
    });
}

#[test]
fn a_client_that_goes_away_frees_its_stream_and_its_statement() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--workers", "1"]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY)");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let mut stream = client.open(SUBSCRIBE, subscribe("t")).await.unwrap();
        snapshot(&mut stream).await;
        assert_eq!(server.metric(OPEN_STREAMS), 1.0);
        drop(stream);
        server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);
        let slow = "SELECT count(*) FROM generate_series(1, 1000000000) AS s (i)";
        let asking = client.unary::<v1::QueryResponse>(QUERY, query(slow));
        assert!(
            tokio::time::timeout(Duration::from_millis(200), asking)
                .await
                .is_err()
        );
        let one: v1::QueryResponse = client.unary(QUERY, query("SELECT 1")).await.unwrap();
        assert_eq!(one.rows.len(), 1);
    });
    let cancelled = "tailwater_calls_total{method=\"/tailwater.v1.SubscribeService/Subscribe\",front=\"grpc\",code=\"CANCELLED\"}";
    assert_eq!(server.metric(cancelled), 1.0);
}

#[test]
fn there_are_so_many_calls_at_once_and_a_second() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--calls-max", "2", "--calls-per-second", "20"]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY)");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = client.open(SUBSCRIBE, subscribe("t")).await.unwrap();
            snapshot(&mut stream).await;
            streams.push(stream);
        }
        let status = client
            .unary::<v1::QueryResponse>(QUERY, query("SELECT 1"))
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::ResourceExhausted, "53300")
        );
        drop(streams);
        server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);
        let mut refused = None;
        for _ in 0..200 {
            let answer = client
                .unary::<v1::QueryResponse>(QUERY, query("SELECT 1"))
                .await;
            refused = refused.or(answer.err());
        }
        let status = refused.unwrap();
        assert!(status.message().contains("a second"), "{status:?}");
    });
}

#[test]
fn reflection_of_both_versions_tells_all_services_and_their_files() {
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    for version in ["v1", "v1alpha"] {
        block_on(async {
            let mut client = Client::of(&server.grpc).await;
            let (requests, receiver) = tokio::sync::mpsc::unbounded_channel();
            let ask = |asked| {
                let request = ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(asked),
                };
                requests.send(request.encode_to_vec()).unwrap();
            };
            ask(MessageRequest::ListServices(String::new()));
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            let mut stream = client.converse(&path, receiver).await.unwrap();
            let mut answer = async || {
                let answer: ServerReflectionResponse = next(&mut stream).await.unwrap().unwrap();
                answer.message_response.unwrap()
            };
            let MessageResponse::ListServicesResponse(list) = answer().await else {
                panic!()
            };
            let names: BTreeSet<String> = list
                .service
                .into_iter()
                .map(|service| service.name)
                .collect();
            for name in [
                "tailwater.v1.QueryService",
                "tailwater.v1.SubscribeService",
                "grpc.health.v1.Health",
            ] {
                assert!(names.contains(name), "{names:?}");
            }
            // As a client does: a service's file, then those it imports, until all are there.
            let mut wanted = vec![MessageRequest::FileContainingSymbol(
                "tailwater.v1.QueryService.Query".into(),
            )];
            let mut files = Vec::new();
            while let Some(asked) = wanted.pop() {
                ask(asked);
                let MessageResponse::FileDescriptorResponse(found) = answer().await else {
                    panic!()
                };
                for bytes in found.file_descriptor_proto {
                    let file =
                        prost_reflect::prost_types::FileDescriptorProto::decode(&*bytes).unwrap();
                    wanted.extend(
                        file.dependency
                            .iter()
                            .cloned()
                            .map(MessageRequest::FileByFilename),
                    );
                    files.push(file);
                }
            }
            let mut pool = DescriptorPool::new();
            pool.add_file_descriptor_protos(files).unwrap();
            assert!(
                pool.get_message_by_name("tailwater.v1.QueryRequest")
                    .is_some()
            );
            for symbol in [
                "tailwater.v1.Scope.SCOPE_READ",
                "tailwater.v1.SCOPE_READ",
                "tailwater.v1.QueryRequest.sql",
            ] {
                ask(MessageRequest::FileContainingSymbol(symbol.into()));
                let told = answer().await;
                let is_found = matches!(told, MessageResponse::FileDescriptorResponse(_));
                assert_eq!(is_found, !symbol.contains("Scope."), "{symbol}: {told:?}");
            }
            ask(MessageRequest::AllExtensionNumbersOfType(
                "google.protobuf.MessageOptions".into(),
            ));
            let MessageResponse::AllExtensionNumbersResponse(numbers) = answer().await else {
                panic!()
            };
            assert!(numbers.extension_number.contains(&54_801), "{numbers:?}");
            ask(MessageRequest::FileByFilename("nothing.proto".into()));
            assert!(matches!(answer().await, MessageResponse::ErrorResponse(_)));
        });
    }
}

#[test]
fn health_is_told_of_the_server_and_of_each_service() {
    use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let request = |service: &str| HealthCheckRequest {
            service: service.into(),
        };
        let check = "/grpc.health.v1.Health/Check";
        for service in ["", "tailwater.v1.ExecService"] {
            let answer: HealthCheckResponse = client.unary(check, request(service)).await.unwrap();
            assert_eq!(answer.status, 1, "{service}");
        }
        let status = client
            .unary::<HealthCheckResponse>(check, request("a.B"))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        let watch = "/grpc.health.v1.Health/Watch";
        let mut stream = client.open(watch, request("a.B")).await.unwrap();
        let first: HealthCheckResponse = next(&mut stream).await.unwrap().unwrap();
        assert_eq!(first.status, 3);
    });
}

#[test]
fn an_administrator_sees_and_does() {
    let (dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let path = |name: &str| format!("/tailwater.v1.AdminService/{name}");
        let status: v1::StatusResponse = client
            .unary(&path("Status"), v1::StatusRequest {})
            .await
            .unwrap();
        assert_eq!((status.visible_lsn, status.counters["commits"]), (2, 2));
        let done: v1::CheckpointResponse = client
            .unary(&path("Checkpoint"), v1::CheckpointRequest {})
            .await
            .unwrap();
        assert_eq!(done.visible_lsn, 2);
        let copy = dir.path().join("copy.db").display().to_string();
        let request = v1::BackupRequest { dir: copy.clone() };
        let done: v1::BackupResponse = client.unary(&path("Backup"), request).await.unwrap();
        assert_eq!(done.lsn, 2);
        let out = common::run(&[&copy, "--mode", "list", "-c", "SELECT count(*) FROM t"]).ok();
        assert_eq!(out.trim(), "1");
    });
}

/// Many follow one table while it is written: most share one feed, some come late, some read slowly, some go and come back.
/// Whoever it is has each row once and in order.
#[test]
fn many_streams_that_share_a_feed_have_each_row_once() {
    const ROWS: i64 = 400;
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY, x TEXT); INSERT INTO t VALUES (0, '')");
    let insert = |id: i64| {
        // Large enough that a stream which is not read falls behind the others.
        server.exec(&format!("INSERT INTO t VALUES ({id}, repeat('x', 10000))"));
    };
    block_on(async {
        let client = Client::of(&server.grpc).await;
        let follow = |number: i64| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let mut ids: Vec<i64> = Vec::new();
                let mut token = Vec::new();
                while ids.last() != Some(&ROWS) {
                    let request = v1::SubscribeRequest {
                        token: token.clone(),
                        ..subscribe("t")
                    };
                    let mut stream = client.open(SUBSCRIBE, request).await.unwrap();
                    // Every third breaks off now and then, and goes on after its token.
                    let mut left = if number % 3 == 0 { 50 } else { i64::MAX };
                    while left > 0 && ids.last() != Some(&ROWS) {
                        let frame: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
                        for change in frame.changes {
                            match change.after.unwrap().values[0].kind {
                                Some(v1::value::Kind::Int(id)) => ids.push(id),
                                _ => panic!(),
                            }
                        }
                        if !frame.token.is_empty() {
                            token = frame.token;
                        }
                        left -= 1;
                        if number % 4 == 1 {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                        }
                    }
                }
                assert_eq!(ids, (0..=ROWS).collect::<Vec<_>>(), "stream {number}");
            })
        };
        let mut streams: Vec<_> = (0..24).map(follow).collect();
        for id in 1..=ROWS {
            tokio::task::block_in_place(|| insert(id));
            if id % 40 == 0 && id < ROWS {
                streams.push(follow(id + 1));
            }
        }
        for stream in streams {
            stream.await.unwrap();
        }
    });
    server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);
}
