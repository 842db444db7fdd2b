//! What a module says of itself: the options of `tailwater/v1/options.proto`, read from its descriptors.

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor,
};
use tailwater_proto::v1::{ColumnOptions, MethodOptions, TableOptions};

/// What is said of a message.
pub(super) fn of_message(message: &MessageDescriptor) -> Option<TableOptions> {
    read(
        message.parent_pool(),
        &message.options(),
        "tailwater.v1.table",
    )
}

/// What is said of a field.
pub(super) fn of_field(field: &FieldDescriptor) -> Option<ColumnOptions> {
    read(field.parent_pool(), &field.options(), "tailwater.v1.column")
}

/// What is said of a method.
pub(super) fn of_method(method: &MethodDescriptor) -> Option<MethodOptions> {
    read(method.parent_pool(), &method.options(), "tailwater.v1.bind")
}

/// An option that is a message of ours, if it is set.
fn read<T: prost::Message + Default>(
    pool: &DescriptorPool,
    options: &DynamicMessage,
    name: &str,
) -> Option<T> {
    // A module that does not import our options does not know the extension.
    let extension = pool.get_extension_by_name(name)?;
    if !options.has_extension(&extension) {
        return None;
    }
    let value = options.get_extension(&extension);
    let bytes = value.as_message()?.encode_to_vec();
    T::decode(bytes.as_slice()).ok()
}
