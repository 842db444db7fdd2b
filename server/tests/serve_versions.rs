//! New versions of a module on a server that runs, while clients which know the first one chat: over gRPC, by events and by a
//! WebSocket, in calls that were open before and in new ones.

#![allow(clippy::unwrap_used)]

mod chat;
mod common;
mod served;

use chat::{Ack, CHAT, ChatMessage, JOIN, SEND, channel, install, message};
use common::database;
use futures_util::{SinkExt, StreamExt};
use prost::Message;
use serde_json::{Value as Json, json};
use served::{Client, Events, Served, block_on, next};
use tokio_tungstenite::tungstenite::Message as Frame;

const MESSAGE: &str =
    "message Message    { string sender = 1; Channel channel = 2; string message = 3; }";

/// What messages become, one version after the other. On the wire it is always what the first clients know, or more.
const VERSIONS: [&str; 6] = [
    "message Message { string author = 1; Channel channel = 2; string message = 3; }",
    "message Message { string author = 1; Channel channel = 2; string message = 3; int64 likes = 4; }",
    "message Message { string message = 1; Channel channel = 2; string author = 3; int64 likes = 4; }",
    "message Message { string message = 1; Channel channel = 2; bytes author = 3; int64 likes = 4; }",
    "message Message { repeated string message = 1; Channel channel = 2; bytes author = 3; reserved 4; reserved \"likes\"; }",
    "message Message { repeated string said = 1; Channel channel = 2; bytes author = 3; reserved 4; reserved \"likes\", \"message\"; }",
];

#[test]
fn clients_of_the_first_version_chat_through_all_that_follow() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    install(&server, CHAT);
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let mut early = client.open(JOIN, channel()).await.unwrap();
        let target = format!("{JOIN}?name=tea&tailwater-limit=100");
        let mut events = Events::open(&server.http, &target, &[]);
        let url = format!("ws://{}{SEND}", server.http);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        let mut calling = client.clone();
        let call = tokio::spawn(async move { calling.converse(SEND, requests).await });

        let mut expected = Vec::new();
        for (version, text) in VERSIONS.iter().enumerate() {
            let says = |who: &str| format!("{who} {version}");
            // Over each way that was open before, and over a new one.
            sender
                .send(message(&says("stream")).encode_to_vec())
                .unwrap();
            expected.push(says("stream"));
            hear(&mut early, &expected).await;
            let page =
                json!({"sender": "ada", "channel": {"name": "tea"}, "message": says("page")});
            socket
                .send(Frame::Text(page.to_string().into()))
                .await
                .unwrap();
            expected.push(says("page"));
            hear(&mut early, &expected[expected.len() - 1..]).await;
            let ack: Ack = client
                .gather(SEND, vec![message(&says("call"))])
                .await
                .unwrap();
            assert!(ack.status.starts_with("stored 1, lsn "), "{ack:?}");
            expected.push(says("call"));
            hear(&mut early, &expected[expected.len() - 1..]).await;
            for said in &expected {
                assert_eq!(
                    events.next().unwrap().json(),
                    shown(said),
                    "version {version}"
                );
            }
            // Who joins now and knows the first version as well is told all, too.
            install(&server, &CHAT.replace(MESSAGE, text));
            let count = (version + 1) * 3;
            let mut late = client.open(JOIN, channel()).await.unwrap();
            for _ in 0..count {
                let got: ChatMessage = next(&mut late).await.unwrap().unwrap();
                assert_eq!(got.sender, "ada", "version {version}");
            }
            expected.clear();
        }

        drop(sender);
        let mut answer = call.await.unwrap().unwrap();
        let ack: Ack = next(&mut answer).await.unwrap().unwrap();
        assert!(ack.status.starts_with("stored 6, lsn "), "{ack:?}");
        socket.send(Frame::Text("".into())).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert!(
            answer.to_text().unwrap().contains("stored 6, lsn "),
            "{answer}"
        );
    });
}

/// That just these are told next.
async fn hear(stream: &mut tonic::Streaming<prost::bytes::Bytes>, expected: &[String]) {
    let mut missing = expected.len();
    while missing > 0 {
        let got: ChatMessage = next(stream).await.unwrap().unwrap();
        let at = expected.len() - missing;
        assert_eq!(got, message(&expected[at]));
        missing -= 1;
    }
}

/// A message as a page sees it that joined at first.
fn shown(said: &str) -> Json {
    json!({"sender": "ada", "channel": {"name": "tea"}, "message": said})
}
