//! Defaults of floating-point fields, in a descriptor, as protoc writes them: C's `%g`, with as many digits as the value needs.
//!
//! The compiler keeps them as the text has them (`9000000000` for `9e9`); who compares descriptors, or generates code from them,
//! expects protoc's.

use prost_reflect::{DynamicMessage, Value};

const DOUBLE: i32 = 1;
const FLOAT: i32 = 2;

/// Rewrites them in a `FileDescriptorProto`, a `DescriptorProto` or a `FieldDescriptorProto`.
pub(super) fn as_protoc_writes_them(message: &mut DynamicMessage) {
    let kind = message
        .get_field_by_name("type")
        .and_then(|kind| kind.as_enum_number());
    let text = message
        .get_field_by_name("default_value")
        .and_then(|text| text.as_str().map(str::to_owned));
    if let (Some(kind @ (DOUBLE | FLOAT)), Some(text)) = (kind, text)
        && message.has_field_by_name("default_value")
        && let Some(written) = written(&text, kind)
    {
        message.set_field_by_name("default_value", Value::String(written));
    }
    for within in ["message_type", "nested_type", "field", "extension"] {
        if !message.has_field_by_name(within) {
            continue;
        }
        let Some(list) = message
            .get_field_by_name_mut(within)
            .and_then(Value::as_list_mut)
        else {
            continue;
        };
        for element in list.iter_mut().filter_map(Value::as_message_mut) {
            as_protoc_writes_them(element);
        }
    }
}

fn written(text: &str, kind: i32) -> Option<String> {
    if kind == FLOAT {
        let value: f32 = text.parse().ok()?;
        let short = general(value.into(), 6);
        return Some(
            match short.parse::<f32>() == Ok(value) || !value.is_finite() {
                true => short,
                false => general(value.into(), 9),
            },
        );
    }
    let value: f64 = text.parse().ok()?;
    let short = general(value, 15);
    Some(
        match short.parse::<f64>() == Ok(value) || !value.is_finite() {
            true => short,
            false => general(value, 17),
        },
    )
}

/// `%.<digits>g`.
fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let without_zeros = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let places = i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent;
    match usize::try_from(places) {
        Ok(places) if exponent >= -4 => without_zeros(&format!("{value:.places$}")),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_c() {
        let written = |text, kind| written(text, kind).unwrap();
        let floats = [
            "9000000000",
            "0.1",
            "1.5",
            "-1e-7",
            "100000",
            "1234567",
            "inf",
            "nan",
            "0",
        ];
        let expected = [
            "9e+09", "0.1", "1.5", "-1e-07", "100000", "1234567", "inf", "nan", "0",
        ];
        assert_eq!(floats.map(|text| written(text, FLOAT)), expected);
        let doubles = ["9000000000", "0.1", "1e300", "0.30000000000000004", "1e15"];
        let expected = [
            "9000000000",
            "0.1",
            "1e+300",
            "0.30000000000000004",
            "1e+15",
        ];
        assert_eq!(doubles.map(|text| written(text, DOUBLE)), expected);
    }
}
