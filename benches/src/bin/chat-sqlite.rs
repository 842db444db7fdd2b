//! `chat-sqlite FILE each|waiting`: the peer of the suite `module`: a chat by tonic over SQLite, on a port of loopback that it
//! prints. It ends with whoever started it, when its standard input does.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::path::Path;

use tailwater_benches::Result;
use tailwater_benches::chat::service::Chat;
use tailwater_benches::chat::store::Batching;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let (file, batching) = match (words.next(), words.next().as_deref()) {
        (Some(file), Some("each")) => (file, Batching::None),
        (Some(file), Some("waiting")) => (file, Batching::Waiting),
        _ => return Err("chat-sqlite FILE each|waiting".into()),
    };
    let chat = Chat::open(Path::new(&file), batching)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout();
        writeln!(out, "grpc listening on {}", listener.local_addr()?)?;
        out.flush()?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = Server::builder()
            .add_service(chat)
            .serve_with_incoming(incoming);
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
        tokio::select! {
            served = serving => served?,
            _ = ended => {}
        }
        Ok::<_, tailwater_benches::Error>(())
    })?;
    runtime.shutdown_background();
    Ok(())
}
