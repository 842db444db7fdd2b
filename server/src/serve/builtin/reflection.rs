//! Server reflection, v1 and v1alpha, over the descriptors of the registry of now.
//!
//! The two versions have the same messages under two names, so there is one implementation. Files keep their options.

use std::collections::VecDeque;
use std::sync::Arc;

use prost::Message as _;
use prost_reflect::{DescriptorPool, FileDescriptor};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};

use super::{Service, Shared};
use crate::serve::fault::Fault;
use crate::serve::method::{Dialogue, Handler, Message, Pulled};
use crate::serve::registry::{Live, Registry};
use crate::serve::scope::Scopes;

pub(super) fn add(registry: &mut Registry, shared: &Shared) -> Result<(), Fault> {
    use tonic_reflection::pb::{v1, v1alpha};
    for (package, descriptors) in [
        ("grpc.reflection.v1", v1::FILE_DESCRIPTOR_SET),
        ("grpc.reflection.v1alpha", v1alpha::FILE_DESCRIPTOR_SET),
    ] {
        let mut service = Service::open(descriptors)?;
        let live = Arc::clone(&shared.registry);
        let open = Handler::Bidirectional(Box::new(move |_| {
            Ok(Box::new(Answering {
                registry: Arc::clone(&live),
                answers: VecDeque::new(),
            }))
        }));
        let path = format!("/{package}.ServerReflection/ServerReflectionInfo");
        service.add(&path, Some(Scopes::NONE), open)?;
        registry.add(service.pool, service.methods);
    }
    Ok(())
}

/// A conversation about descriptors.
struct Answering {
    registry: Arc<Live>,
    answers: VecDeque<Vec<u8>>,
}

impl Dialogue for Answering {
    fn push(&mut self, request: &[u8]) -> Result<(), Fault> {
        let request = ServerReflectionRequest::decode(request)?;
        let registry = Arc::clone(&self.registry.borrow());
        let answer = match &request.message_request {
            Some(asked) => answer(&registry, asked),
            None => not_found("nothing"),
        };
        let response = ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        };
        self.answers.push_back(response.encode_to_vec());
        Ok(())
    }
}

impl Pulled for Answering {
    fn pull(&mut self) -> Result<Option<Message>, Fault> {
        Ok(self.answers.pop_front().map(Message::from))
    }
}

fn answer(registry: &Registry, asked: &MessageRequest) -> MessageResponse {
    let pools = registry.pools();
    match asked {
        MessageRequest::ListServices(_) => {
            let services = registry.services();
            let service = services.iter().map(|service| ServiceResponse {
                name: service.full_name().to_owned(),
            });
            MessageResponse::ListServicesResponse(ListServiceResponse {
                service: service.collect(),
            })
        }
        MessageRequest::FileByFilename(name) => {
            let found = pools.iter().find_map(|pool| pool.get_file_by_name(name));
            file(found, name)
        }
        MessageRequest::FileContainingSymbol(symbol) => {
            file(pools.iter().find_map(|pool| file_of(pool, symbol)), symbol)
        }
        MessageRequest::FileContainingExtension(asked) => {
            let found = pools.iter().find_map(|pool| {
                let message = pool.get_message_by_name(&asked.containing_type)?;
                let number = u32::try_from(asked.extension_number).ok()?;
                let extension = message
                    .extensions()
                    .find(|known| known.number() == number)?;
                Some(extension.parent_file())
            });
            file(found, &asked.containing_type)
        }
        MessageRequest::AllExtensionNumbersOfType(name) => {
            let mut messages = pools
                .iter()
                .filter_map(|pool| pool.get_message_by_name(name));
            let Some(first) = messages.next() else {
                return not_found(name);
            };
            let known = std::iter::once(first).chain(messages);
            let mut numbers: Vec<i32> = known
                .flat_map(|message| {
                    let numbers = message.extensions().map(|extension| extension.number());
                    numbers.collect::<Vec<u32>>()
                })
                .filter_map(|number| i32::try_from(number).ok())
                .collect();
            numbers.sort_unstable();
            numbers.dedup();
            MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                base_type_name: name.clone(),
                extension_number: numbers,
            })
        }
    }
}

/// The file that declares a service, method, message, field, enum, value or extension.
fn file_of(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let whole = |name: &str| {
        let service = || Some(pool.get_service_by_name(name)?.parent_file());
        let message = || Some(pool.get_message_by_name(name)?.parent_file());
        let in_enum = || Some(pool.get_enum_by_name(name)?.parent_file());
        let extension = || Some(pool.get_extension_by_name(name)?.parent_file());
        service()
            .or_else(message)
            .or_else(in_enum)
            .or_else(extension)
    };
    whole(symbol).or_else(|| {
        // A part of one: the parent says whether it has it.
        let (parent, name) = symbol.rsplit_once('.')?;
        let method = || {
            let service = pool.get_service_by_name(parent)?;
            service
                .methods()
                .any(|method| method.name() == name)
                .then(|| service.parent_file())
        };
        let field = || {
            let message = pool.get_message_by_name(parent)?;
            let is_field = message.get_field_by_name(name).is_some();
            let is_oneof = message.oneofs().any(|oneof| oneof.name() == name);
            (is_field || is_oneof).then(|| message.parent_file())
        };
        let value = || {
            let known = pool
                .all_enums()
                .find(|known| known.values().any(|value| value.full_name() == symbol))?;
            Some(known.parent_file())
        };
        method().or_else(field).or_else(value)
    })
}

fn file(found: Option<FileDescriptor>, asked: &str) -> MessageResponse {
    match found {
        Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file.encode_to_vec()],
        }),
        None => not_found(asked),
    }
}

fn not_found(asked: &str) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: tonic::Code::NotFound as i32,
        error_message: format!("there is no {asked}"),
    })
}
