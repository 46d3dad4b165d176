//! The wire: Gubernator's `V1` and `PeersV1`, generated from `gubernator.proto` and `peers.proto`.
//!
//! Enum fields are `i32` and open: a value that no name stands for is kept and written back, which
//! behavior, a sum of flags, depends on. Maps are ordered, so that equal messages have equal bytes.
//! `src/gen/` is committed; `UPDATE=1 cargo test -p wicketgate-proto` writes it anew.

/// Messages, clients and servers of package `pb.gubernator`.
#[allow(clippy::all, reason = "the generator has its own style")]
pub mod gubernator {
    include!("gen/pb.gubernator.rs");
}

/// The encoded `FileDescriptorSet` of all `.proto` files, comments left out, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");
