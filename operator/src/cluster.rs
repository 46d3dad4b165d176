//! A RateLimitCluster, from what was asked to what is there.

pub mod build;
mod overlay;
mod quantity;
pub mod validate;

#[cfg(test)]
mod fixture;
