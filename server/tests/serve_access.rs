//! Who may do what on a server: access tokens, scopes, and addresses it does not listen on unasked.

#![allow(clippy::unwrap_used)]

mod common;
mod served;

use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{TAILWATER, database, run};
use served::{Answer, Client, Events, Served, block_on, get, next, post, told};
use tailwater_proto::v1;
use tonic::Code;

const QUERY: &str = "/tailwater.v1.QueryService/Query";
const EXEC: &str = "/tailwater.v1.ExecService/Exec";
const SUBSCRIBE: &str = "/tailwater.v1.SubscribeService/Subscribe";

fn token(db: &str, name: &str, scope: &str) -> String {
    let args = [
        "token", "create", "--db", db, "--scope", scope, "--name", name,
    ];
    let text = run(&args).ok().trim().to_owned();
    assert!(text.starts_with("twt_") && text.len() == 68, "{text}");
    text
}

/// Posts as somebody.
fn ask(server: &Served, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    post(&server.http, path, &[("authorization", &bearer)], body)
}

fn exec(server: &Served, token: &str, sql: &str) -> (u16, String) {
    let body = serde_json::json!({ "sql": sql }).to_string();
    let answer = ask(server, EXEC, token, &body);
    let sqlstate = answer.json()["sqlstate"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, sqlstate)
}

#[test]
fn a_scope_is_needed_for_what_a_statement_does() {
    let (_dir, db) = database();
    run(&[
        &db,
        "-c",
        "CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1)",
    ])
    .ok();
    let scopes = ["read", "write", "subscribe", "ddl", "admin", "read,write"];
    let tokens = scopes.map(|scope| token(&db, scope, scope));
    let listed = run(&["token", "list", "--db", &db]).ok();
    assert_eq!(listed.lines().count(), 6);
    assert!(listed.contains("read,write\tread,write\t"), "{listed}");
    assert!(!tokens.iter().any(|token| listed.contains(token.as_str())));
    let server = Served::start(&db, &[]);
    for (sql, allowed) in [
        ("SELECT * FROM t", &["read", "read,write"][..]),
        ("SHOW TABLES", &["read", "read,write"]),
        (
            "INSERT INTO t VALUES (2, 2) ON CONFLICT DO NOTHING",
            &["write", "read,write"],
        ),
        (
            "INSERT INTO t VALUES (3, 3) ON CONFLICT DO NOTHING RETURNING n",
            &["read,write"],
        ),
        (
            "INSERT INTO t SELECT id + 100, n FROM t ON CONFLICT DO NOTHING",
            &["read,write"],
        ),
        (
            "INSERT INTO t VALUES (9, (SELECT max(n) FROM t)) ON CONFLICT DO NOTHING",
            &["read,write"],
        ),
        ("UPDATE t SET n = 5 WHERE id = 1", &["read,write"]),
        ("DELETE FROM t WHERE n = 77", &["read,write"]),
        ("CREATE TABLE IF NOT EXISTS u (id INT)", &["ddl"]),
        ("CREATE VIEW v AS SELECT * FROM t", &[]),
        ("DROP TABLE IF EXISTS u", &["ddl"]),
        ("CHECKPOINT", &["admin"]),
        ("SELECT * FROM tailwater_token", &[]),
        (
            "INSERT INTO \"tailwater_token\" VALUES ('me', NULL, 'admin', now())",
            &[],
        ),
        ("DROP TABLE public.TAILWATER_TOKEN", &[]),
        ("BEGIN; COMMIT", &scopes),
    ] {
        for (scope, token) in scopes.iter().zip(&tokens) {
            let (status, sqlstate) = exec(&server, token, sql);
            match allowed.contains(scope) {
                true => assert_eq!(status, 200, "{scope}: {sql}: {sqlstate}"),
                false => assert_eq!((status, &*sqlstate), (403, "42501"), "{scope}: {sql}"),
            }
        }
    }
    // A bad text is told as such to everybody: nothing of it was run.
    assert_eq!(exec(&server, &tokens[0], "SELEKT").0, 400);

    let [_, write, subscribe, _, admin, _] = &tokens;
    let accept = ("accept", "text/event-stream");
    let follow = |token: &str, object: &str| {
        let target = format!("{SUBSCRIBE}?object={object}&access_token={token}");
        get(&server.http, &target, &[accept]).status
    };
    assert_eq!(follow(write, "t"), 403);
    assert_eq!(follow(subscribe, "tailwater_token"), 403);
    assert_eq!(follow(subscribe, "%22Tailwater_Token%22"), 403);
    assert_eq!(follow("", "t"), 401);
    let target = format!("{SUBSCRIBE}?object=t&access_token={subscribe}");
    let mut events = Events::open(&server.http, &target, &[]);
    assert!(events.next().unwrap().data.contains("snapshotBegin"));
    // By POST the query is no place for a token.
    let target = format!("{QUERY}?access_token={}", tokens[0]);
    assert_eq!(
        post(&server.http, &target, &[], "{\"sql\": \"SELECT 1\"}").status,
        401
    );

    let status = "/tailwater.v1.AdminService/Status";
    assert_eq!(ask(&server, status, write, "{}").status, 403);
    assert_eq!(ask(&server, status, admin, "{}").status, 200);
    assert_eq!(get(&server.http, "/metrics", &[]).status, 401);
    let bearer = format!("Bearer {write}");
    assert_eq!(
        get(&server.http, "/metrics", &[("authorization", &bearer)]).status,
        200
    );
    assert_eq!(get(&server.http, "/healthz", &[]).status, 200);
}

#[test]
fn grpc_asks_for_the_same_token_and_resume_tokens_belong_to_their_principal() {
    let (_dir, db) = database();
    run(&[&db, "-c", "CREATE TABLE t (id INT PRIMARY KEY)"]).ok();
    let [ada, bob] = ["ada", "bob"].map(|name| token(&db, name, "read,write,subscribe"));
    let server = Served::start(&db, &[]);
    block_on(async {
        let anybody = Client::of(&server.grpc).await;
        let query = v1::QueryRequest {
            sql: "SELECT 1".into(),
            ..v1::QueryRequest::default()
        };
        let status = anybody
            .clone()
            .unary::<v1::QueryResponse>(QUERY, query.clone())
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::Unauthenticated, "28000")
        );
        let client = |token: &str| {
            anybody
                .clone()
                .with("authorization", format!("Bearer {token}"))
        };
        assert!(
            client(&ada)
                .unary::<v1::QueryResponse>(QUERY, query.clone())
                .await
                .is_ok()
        );
        let wrong = client("twt_0")
            .unary::<v1::QueryResponse>(QUERY, query)
            .await;
        assert_eq!(wrong.unwrap_err().code(), Code::Unauthenticated);
        let health = tonic_health::pb::HealthCheckRequest::default();
        let check = "/grpc.health.v1.Health/Check";
        assert!(
            anybody
                .clone()
                .unary::<tonic_health::pb::HealthCheckResponse>(check, health.clone())
                .await
                .is_ok()
        );
        let mut watch = anybody
            .clone()
            .open("/grpc.health.v1.Health/Watch", health)
            .await
            .unwrap();
        assert!(
            next::<tonic_health::pb::HealthCheckResponse>(&mut watch)
                .await
                .unwrap()
                .is_some()
        );

        let follow = |token: Vec<u8>| v1::SubscribeRequest {
            of: Some(v1::subscribe_request::Of::Object("t".into())),
            token,
            ..v1::SubscribeRequest::default()
        };
        let mut stream = client(&ada)
            .open(SUBSCRIBE, follow(Vec::new()))
            .await
            .unwrap();
        let mut token = Vec::new();
        while token.is_empty() {
            token = next::<v1::FeedFrame>(&mut stream)
                .await
                .unwrap()
                .unwrap()
                .token;
        }
        assert!(
            client(&ada)
                .open(SUBSCRIBE, follow(token.clone()))
                .await
                .is_ok()
        );
        let status = client(&bob)
            .open(SUBSCRIBE, follow(token))
            .await
            .unwrap_err();
        assert_eq!(told(&status, "tailwater-sqlstate"), "22023");
    });
}

#[test]
fn an_administrator_makes_and_revokes_tokens_and_a_revoked_stream_ends() {
    let (_dir, db) = database();
    run(&[&db, "-c", "CREATE TABLE t (id INT PRIMARY KEY)"]).ok();
    let admin = token(&db, "admin", "admin,write,read");
    let server = Served::start(&db, &[]);
    let path = |name: &str| format!("/tailwater.v1.AdminService/{name}");
    let body = r#"{"name": "eve", "scopes": ["SCOPE_SUBSCRIBE", "SCOPE_READ"]}"#;
    let made = ask(&server, &path("CreateToken"), &admin, body).json();
    let eve = made["token"].as_str().unwrap().to_owned();
    let listed = ask(&server, &path("ListTokens"), &admin, "{}");
    assert!(
        listed.body.contains("SCOPE_SUBSCRIBE") && !listed.body.contains(&eve),
        "{}",
        listed.body
    );
    let target = format!("{SUBSCRIBE}?object=t&access_token={eve}");
    let mut events = Events::open(&server.http, &target, &[]);
    assert!(
        events
            .by_ref()
            .any(|event| event.data.contains("snapshotEnd"))
    );
    assert_eq!(
        ask(&server, &path("RevokeToken"), &admin, r#"{"name": "eve"}"#).status,
        200
    );
    let last = events.last().unwrap();
    assert_eq!(
        (&*last.name, &last.json()["sqlstate"]),
        ("error", &"28000".into())
    );
    assert!(last.id.is_some());
    assert_eq!(
        ask(&server, QUERY, &eve, "{\"sql\": \"SELECT 1\"}").status,
        401
    );
    assert_eq!(
        ask(&server, &path("RevokeToken"), &admin, r#"{"name": "eve"}"#).status,
        404
    );
    // By SQL, too, which only an administrator may; and then the door is shut.
    let (status, sqlstate) = exec(&server, &admin, "DELETE FROM tailwater_token");
    assert_eq!(status, 200, "{sqlstate}");
    assert_eq!(exec(&server, &admin, "SELECT 1"), (401, "28000".into()));
    drop(server);
    assert_eq!(run(&["token", "revoke", "--db", &db, "admin"]).code, 1);
    assert_eq!(
        run(&["token", "create", "--db", &db, "--scope", "reed"]).code,
        2
    );
}

#[test]
fn other_machines_are_not_listened_to_unasked() {
    let (_dir, db) = database();
    let open = ["serve", &db, "--grpc", "0.0.0.0:0", "--http", "off"];
    let ran = run(&open);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("refused") && ran.err.contains("--insecure"),
        "{}",
        ran.err
    );
    token(&db, "ada", "read");
    let ran = run(&open);
    assert!(
        ran.err.contains("without encryption is refused"),
        "{}",
        ran.err
    );
    let mut child = Command::new(TAILWATER)
        .args(open)
        .arg("--insecure")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert!(line.starts_with("grpc listening on 0.0.0.0:"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run(&["serve", "--grpc", "off"]).code, 1);
    assert!(
        run(&["serve", &db, "--grpc", "nonsense"])
            .err
            .contains("HINT"),
        "say an address"
    );
}

/// A connection that is encrypted, to a server whose certificate is known.
async fn encrypted(
    address: &str,
    certificate: &rcgen::Certificate,
    protocol: &str,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect("localhost".try_into().unwrap(), socket)
        .await
        .unwrap();
    assert_eq!(
        stream.get_ref().1.alpn_protocol(),
        Some(protocol.as_bytes())
    );
    stream
}

#[test]
fn with_encryption_and_tokens_other_machines_are_listened_to() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (dir, db) = database();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let open = [
        &["serve", &db, "--grpc", "0.0.0.0:0", "--http", "off"][..],
        &tls,
    ]
    .concat();
    assert!(run(&open).err.contains("without access tokens is refused"));
    let swapped = ["serve", &db, "--tls-cert", &key, "--tls-key", &cert];
    assert!(run(&swapped).err.contains("PEM"));
    let ada = token(&db, "ada", "read");
    let server = Served::start(&db, &[&["--grpc", "0.0.0.0:0"][..], &tls].concat());
    block_on(async {
        let mut socket = encrypted(&server.http, &made.cert, "http/1.1").await;
        let body = "{\"sql\": \"SELECT 42\"}";
        let request = format!(
            "POST {QUERY} HTTP/1.0\r\ncontent-type: application/json\r\nauthorization: Bearer {ada}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Whether the end of the stream is announced does not matter here.
        let _ = socket.read_to_string(&mut answer).await;
        assert!(answer.contains("\"42\""), "{answer}");

        let address = server.grpc.replace("0.0.0.0", "127.0.0.1");
        let socket = encrypted(&address, &made.cert, "h2").await;
        let mut client = Client::over(socket)
            .await
            .with("authorization", format!("Bearer {ada}"));
        let query = v1::QueryRequest {
            sql: "SELECT 42".into(),
            ..v1::QueryRequest::default()
        };
        let answer: v1::QueryResponse = client.unary(QUERY, query).await.unwrap();
        assert_eq!(answer.rows.len(), 1);
    });
}

#[test]
fn a_configuration_file_says_the_same_as_options() {
    let (dir, db) = database();
    let file = dir.path().join("server.toml");
    std::fs::write(
        &file,
        format!("database = {db:?}\nmessage-bytes-max = \"1KiB\"\n"),
    )
    .unwrap();
    let server = Served::start(&db, &["--config", &file.display().to_string()]);
    let long = format!("{{\"sql\": \"SELECT '{}'\"}}", "x".repeat(2_000));
    assert_eq!(post(&server.http, QUERY, &[], &long).status, 413);
}
