//! Two modules that have everything a message can have, random ones, and their descriptors.

use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::random::Rng;
use crate::module::ModuleSource;

/// Every scalar, list, map and well-known type; messages within themselves.
pub(super) const PROTO3: &str = r#"
syntax = "proto3";
package three;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Colour { NONE = 0; RED = 1; BLUE = -7; }

message Part {
  string name = 1;
  int32 size = 2;
  optional string note = 3;
  repeated string tags = 4;
  Part within = 5;
  map<string, Part> parts = 6;
  google.protobuf.Timestamp at = 7;
  google.protobuf.Value json = 8;
  oneof one { string left = 9; Part right = 10; Colour colour = 11; }
}

message Empty {}

message Everything {
  double a_double = 1; float a_float = 2; int32 an_int32 = 3; int64 an_int64 = 4;
  uint32 a_uint32 = 5; uint64 a_uint64 = 6; sint32 a_sint32 = 7; sint64 a_sint64 = 8;
  fixed32 a_fixed32 = 9; fixed64 a_fixed64 = 10; sfixed32 a_sfixed32 = 11; sfixed64 a_sfixed64 = 12;
  bool a_bool = 13; string a_string = 14; bytes a_bytes = 15; Colour a_colour = 16;

  optional double o_double = 21; optional float o_float = 22; optional int32 o_int32 = 23; optional int64 o_int64 = 24;
  optional uint32 o_uint32 = 25; optional uint64 o_uint64 = 26; optional sint32 o_sint32 = 27; optional sint64 o_sint64 = 28;
  optional fixed32 o_fixed32 = 29; optional fixed64 o_fixed64 = 30; optional sfixed32 o_sfixed32 = 31; optional sfixed64 o_sfixed64 = 32;
  optional bool o_bool = 33; optional string o_string = 34; optional bytes o_bytes = 35; optional Colour o_colour = 36;

  repeated double r_double = 41; repeated float r_float = 42; repeated int32 r_int32 = 43; repeated int64 r_int64 = 44;
  repeated uint32 r_uint32 = 45; repeated uint64 r_uint64 = 46; repeated sint32 r_sint32 = 47; repeated sint64 r_sint64 = 48;
  repeated fixed32 r_fixed32 = 49; repeated fixed64 r_fixed64 = 50; repeated sfixed32 r_sfixed32 = 51; repeated sfixed64 r_sfixed64 = 52;
  repeated bool r_bool = 53; repeated string r_string = 54; repeated bytes r_bytes = 55; repeated Colour r_colour = 56;
  repeated int64 u_int64 = 57 [packed = false]; repeated double u_double = 58 [packed = false]; repeated Colour u_colour = 59 [packed = false];

  map<int32, string> m_int32 = 61; map<int64, bytes> m_int64 = 62; map<uint32, double> m_uint32 = 63; map<uint64, Part> m_uint64 = 64;
  map<sint32, Colour> m_sint32 = 65; map<sint64, google.protobuf.Timestamp> m_sint64 = 66; map<fixed32, google.protobuf.Value> m_fixed32 = 67;
  map<fixed64, google.protobuf.Int64Value> m_fixed64 = 68; map<sfixed32, uint64> m_sfixed32 = 69; map<sfixed64, Empty> m_sfixed64 = 70;
  map<bool, float> m_bool = 71; map<string, string> m_string = 72; map<string, google.protobuf.Struct> m_struct = 73;

  oneof choice { int64 c_int = 81; string c_text = 82; Part c_part = 83; google.protobuf.Duration c_time = 84; Colour c_colour = 85; bytes c_bytes = 86; }

  google.protobuf.Timestamp at = 91; google.protobuf.Duration lasts = 92; google.protobuf.Struct fields = 93;
  google.protobuf.Value json = 94; google.protobuf.ListValue list = 95; google.protobuf.Any any = 96; google.protobuf.FieldMask mask = 97;
  google.protobuf.Empty empty = 98; google.protobuf.DoubleValue w_double = 99; google.protobuf.FloatValue w_float = 100;
  google.protobuf.Int64Value w_int64 = 101; google.protobuf.UInt64Value w_uint64 = 102; google.protobuf.Int32Value w_int32 = 103;
  google.protobuf.UInt32Value w_uint32 = 104; google.protobuf.BoolValue w_bool = 105; google.protobuf.StringValue w_string = 106;
  google.protobuf.BytesValue w_bytes = 107;

  repeated google.protobuf.Timestamp ats = 111; repeated google.protobuf.Value jsons = 112; repeated google.protobuf.ListValue lists = 113;
  repeated google.protobuf.StringValue words = 114; repeated google.protobuf.Struct structs = 115; repeated google.protobuf.FieldMask masks = 116;
  repeated Part parts = 117; repeated Empty empties = 118;

  Part part = 121;
  Everything within = 122;
  string last = 536870911;
}
"#;

/// What only proto2 has: defaults, groups, closed enums, presence everywhere, lists that are not packed.
pub(super) const PROTO2: &str = r#"
syntax = "proto2";
package two;
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";

enum Grade { LOW = 1; HIGH = 5; BELOW = -3; }

message Leaf {
  required string name = 1;
  optional int32 size = 2 [default = 7];
  optional Grade grade = 3;
  optional group Inner = 4 { optional string text = 1; repeated group Deep = 2 { optional sint64 n = 1; optional Leaf leaf = 2; } }
}

message Everything {
  optional int32 size = 1 [default = -42];
  optional string text = 2 [default = "there"];
  optional bytes raw = 3 [default = "\x00\xff"];
  optional bool yes = 4 [default = true];
  optional double half = 5 [default = 0.5];
  optional float most = 6 [default = inf];
  optional uint64 big = 7 [default = 18446744073709551615];
  optional Grade grade = 8 [default = HIGH];
  optional Grade first = 9;
  required string needed = 10;
  repeated int32 loose = 11;
  repeated int32 tight = 12 [packed = true];
  repeated Grade grades = 13;
  repeated Grade tight_grades = 14 [packed = true];
  optional group Result = 15 { optional string url = 1; repeated Grade grades = 2; optional Leaf leaf = 3; }
  repeated group Results = 16 { optional string url = 1; }
  map<string, Grade> by_name = 17;
  map<int32, Leaf> leaves = 18;
  oneof choice { Grade c_grade = 19; string c_text = 20; group Cgroup = 21 { optional int32 n = 1; } Leaf c_leaf = 22; }
  optional google.protobuf.Value json = 23;
  optional google.protobuf.Int32Value wrapped = 24;
  optional Everything within = 25;
}
"#;

/// The message of a module.
pub(super) fn message(text: &str, name: &str) -> MessageDescriptor {
    let set = ModuleSource::new("test.proto", text)
        .descriptor_set()
        .unwrap();
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    pool.get_message_by_name(name).unwrap()
}

/// Both messages called `Everything`.
pub(super) fn both() -> [MessageDescriptor; 2] {
    [
        message(PROTO3, "three.Everything"),
        message(PROTO2, "two.Everything"),
    ]
}

/// A module of some messages that stand within each other, under any numbers; its first message is `random.M0`.
pub(super) fn random(rng: &mut Rng) -> String {
    const TYPES: [&str; 30] = [
        "double",
        "float",
        "int32",
        "int64",
        "uint32",
        "uint64",
        "sint32",
        "sint64",
        "fixed32",
        "fixed64",
        "sfixed32",
        "sfixed64",
        "bool",
        "string",
        "bytes",
        "E",
        "M0",
        "M1",
        "M2",
        "M3",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
        "google.protobuf.Struct",
        "google.protobuf.Value",
        "google.protobuf.ListValue",
        "google.protobuf.FieldMask",
        "google.protobuf.Any",
        "google.protobuf.BoolValue",
        "google.protobuf.UInt64Value",
        "google.protobuf.BytesValue",
    ];
    const KEYS: [&str; 12] = [
        "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
        "sfixed64", "bool", "string",
    ];
    let files = [
        "any",
        "duration",
        "field_mask",
        "struct",
        "timestamp",
        "wrappers",
    ];
    let imports = files.map(|file| format!("import \"google/protobuf/{file}.proto\";\n"));
    let mut text = format!(
        "syntax = \"proto3\"; package random;\n{}enum E {{ A = 0; B = 1; }}\n",
        imports.concat()
    );
    for message in 0..4 {
        text.push_str(&format!("message M{message} {{\n"));
        let mut numbers = Vec::new();
        let mut arms = String::new();
        for field in 0..rng.below(20) {
            let number = [
                1 + rng.below(15),
                1 + rng.below(3_000),
                536_870_911 - rng.below(1_000),
            ][rng.below(3)];
            if numbers.contains(&number) || (19_000..20_000).contains(&number) {
                continue;
            }
            numbers.push(number);
            let of = TYPES[rng.below(TYPES.len())];
            let rest = format!("f{field} = {number}");
            match rng.below(6) {
                0 => text.push_str(&format!("  repeated {of} {rest};\n")),
                1 => {
                    let key = KEYS[rng.below(KEYS.len())];
                    text.push_str(&format!("  map<{key}, {of}> {rest};\n"));
                }
                2 => text.push_str(&format!("  optional {of} {rest};\n")),
                3 => arms.push_str(&format!("{of} {rest}; ")),
                _ => text.push_str(&format!("  {of} {rest};\n")),
            }
        }
        if !arms.is_empty() {
            text.push_str(&format!("  oneof one {{ {arms}}}\n"));
        }
        text.push_str("}\n");
    }
    text
}
