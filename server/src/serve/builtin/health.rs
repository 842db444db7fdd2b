//! `grpc.health.v1.Health` over the registry: a service that can be called is serving. No access token is asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::{Stream, StreamExt, stream};
use prost::Message as _;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::{Service, Shared, streaming, unary};
use crate::serve::fault::Fault;
use crate::serve::method::{Batch, Message, Polled, Source};
use crate::serve::registry::Registry;

pub(super) fn add(service: &mut Service, shared: &Shared) -> Result<(), Fault> {
    let own = shared.clone();
    let check = unary(move |_, request: HealthCheckRequest| {
        let status = status(&own.registry.borrow(), &request.service);
        match status {
            ServingStatus::Serving if *own.shutdown.borrow() => {
                Ok(response(ServingStatus::NotServing))
            }
            ServingStatus::ServiceUnknown => Err(Fault::new(
                tailwater_proto::sqlstate::UNDEFINED_OBJECT,
                format!("there is no service {}", request.service),
            )),
            status => Ok(response(status)),
        }
    });
    service.add("/grpc.health.v1.Health/Check", None, check)?;
    let own = shared.clone();
    let watch = streaming(move |_, request: HealthCheckRequest| {
        let registries = own.registry.subscribe();
        let states = stream::unfold(
            (registries, true),
            |(mut registries, is_first)| async move {
                if !is_first {
                    registries.changed().await.ok()?;
                }
                let registry = Arc::clone(&registries.borrow_and_update());
                Some((registry, (registries, false)))
            },
        );
        Ok(Source::Polled(Box::new(Watch {
            states: states.boxed(),
            service: request.service,
            last: None,
        })))
    });
    service.add("/grpc.health.v1.Health/Watch", None, watch)
}

/// The state of a service; the empty name is the server.
fn status(registry: &Registry, service: &str) -> ServingStatus {
    let is_served = || {
        registry
            .services()
            .iter()
            .any(|known| known.full_name() == service)
    };
    match service.is_empty() || is_served() {
        true => ServingStatus::Serving,
        false => ServingStatus::ServiceUnknown,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

/// The state of a service whenever it changes.
struct Watch {
    states: Pin<Box<dyn Stream<Item = Arc<Registry>> + Send>>,
    service: String,
    last: Option<ServingStatus>,
}

impl Polled for Watch {
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Batch, Fault>>> {
        loop {
            let Poll::Ready(registry) = self.states.poll_next_unpin(context) else {
                return Poll::Pending;
            };
            let Some(registry) = registry else {
                return Poll::Ready(None);
            };
            let status = status(&registry, &self.service);
            if self.last.replace(status) != Some(status) {
                let message = Message::from(response(status).encode_to_vec());
                return Poll::Ready(Some(Ok(Batch::One(message))));
            }
        }
    }

    fn progress(&mut self) -> Option<Message> {
        None
    }
}
