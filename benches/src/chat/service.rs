//! The peer: a chat as one would write it with tonic over SQLite, a broadcast channel of tokio for each channel of the chat.
//!
//! The routing below is what tonic's generator writes; it stands here so that no build needs one. Next door: `store`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{Stream, StreamExt, iter, unfold};
use parking_lot::Mutex;
use tokio::sync::broadcast::{self, error::RecvError};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{
    ClientStreamingService, Grpc, NamedService, ServerStreamingService, UnaryService,
};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::store::{Batching, Store};
use super::{CREATE, Channel, ChatMessage, JOIN, MessageAck, SEND};
use crate::Result;

/// Messages a listener may be behind before it loses some and is told so.
const BEHIND_MAX: usize = 16_384;

type Told = (i64, ChatMessage);
type Channels = Arc<Mutex<HashMap<String, broadcast::Sender<Told>>>>;
type Messages = Pin<Box<dyn Stream<Item = Result<ChatMessage, Status>> + Send>>;

/// The chat. Clones are one.
#[derive(Clone, Debug)]
pub struct Chat(Arc<State>);

#[derive(Debug)]
struct State {
    store: Store,
    channels: Channels,
}

impl Chat {
    /// Opens a chat whose messages are in a new file.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(path: &std::path::Path, batching: Batching) -> Result<Self> {
        let channels = Channels::default();
        let known = Arc::clone(&channels);
        let store = Store::open(path, batching, move |id, message| {
            let name = message.channel.as_ref().map(|channel| &channel.name);
            if let Some(listeners) = name.and_then(|name| known.lock().get(name).cloned()) {
                // Nobody may be there.
                let _ = listeners.send((id, message.clone()));
            }
        })?;
        Ok(Self(Arc::new(State { store, channels })))
    }

    async fn create(&self, message: ChatMessage) -> Result<MessageAck, Status> {
        let id = self.0.store.insert(message).await;
        let id = id.map_err(Status::internal)?;
        Ok(MessageAck {
            status: format!("stored 1, id {id}"),
        })
    }

    async fn send(&self, mut messages: Streaming<ChatMessage>) -> Result<MessageAck, Status> {
        let (mut count, mut last) = (0, 0);
        while let Some(message) = messages.message().await? {
            last = self
                .0
                .store
                .insert(message)
                .await
                .map_err(Status::internal)?;
            count += 1;
        }
        Ok(MessageAck {
            status: format!("stored {count}, id {last}"),
        })
    }

    async fn join(&self, channel: Channel) -> Result<Messages, Status> {
        let listening = {
            let mut channels = self.0.channels.lock();
            let known = channels.entry(channel.name.clone());
            known
                .or_insert_with(|| broadcast::channel(BEHIND_MAX).0)
                .subscribe()
        };
        let state = Arc::clone(&self.0);
        let newest = tokio::task::spawn_blocking(move || state.store.newest(&channel.name)).await;
        let newest = newest
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|error| Status::internal(error.to_string()))?;
        let seen = newest.last().map_or(0, |(id, _)| *id);
        let first = iter(newest.into_iter().map(|(_, message)| Ok(message)));
        let then = unfold(listening, move |mut listening| async move {
            loop {
                let told = match listening.recv().await {
                    Ok((id, _)) if id <= seen => continue,
                    Ok((_, message)) => Ok(message),
                    Err(RecvError::Lagged(count)) => {
                        Err(Status::data_loss(format!("{count} messages too slow")))
                    }
                    Err(RecvError::Closed) => return None,
                };
                return Some((told, listening));
            }
        });
        Ok(Box::pin(first.chain(then)))
    }
}

impl UnaryService<ChatMessage> for Chat {
    type Response = MessageAck;
    type Future = BoxFuture<Response<MessageAck>, Status>;

    fn call(&mut self, request: Request<ChatMessage>) -> Self::Future {
        let chat = self.clone();
        Box::pin(async move { chat.create(request.into_inner()).await.map(Response::new) })
    }
}

impl ClientStreamingService<ChatMessage> for Chat {
    type Response = MessageAck;
    type Future = BoxFuture<Response<MessageAck>, Status>;

    fn call(&mut self, request: Request<Streaming<ChatMessage>>) -> Self::Future {
        let chat = self.clone();
        Box::pin(async move { chat.send(request.into_inner()).await.map(Response::new) })
    }
}

impl ServerStreamingService<Channel> for Chat {
    type Response = ChatMessage;
    type ResponseStream = Messages;
    type Future = BoxFuture<Response<Messages>, Status>;

    fn call(&mut self, request: Request<Channel>) -> Self::Future {
        let chat = self.clone();
        Box::pin(async move { chat.join(request.into_inner()).await.map(Response::new) })
    }
}

impl NamedService for Chat {
    const NAME: &'static str = "chat.ChatService";
}

impl Service<http::Request<Body>> for Chat {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let chat = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                CREATE => Grpc::new(ProstCodec::default()).unary(chat, request).await,
                SEND => {
                    let mut grpc = Grpc::new(ProstCodec::default());
                    grpc.client_streaming(chat, request).await
                }
                JOIN => {
                    let mut grpc = Grpc::new(ProstCodec::default());
                    grpc.server_streaming(chat, request).await
                }
                path => Status::unimplemented(path).into_http(),
            })
        })
    }
}
