//! Compiles `proto/tailwater/v1/*.proto` to Rust messages and a descriptor set, without `protoc`.
//! Services are described only: `server` binds them.

use std::error::Error;
use std::path::PathBuf;

use protox::prost::Message;

const ROOT: &str = "proto";
const FILES: [&str; 6] = [
    "tailwater/v1/value.proto",
    "tailwater/v1/change.proto",
    "tailwater/v1/feed.proto",
    "tailwater/v1/file.proto",
    "tailwater/v1/options.proto",
    "tailwater/v1/service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("tailwater.v1.bin"), descriptors.encode_to_vec())?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
