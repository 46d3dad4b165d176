//! Backpressure: a listener for each policy, whose traffic is admitted while the congestion window is
//! open and refused early and cheaply while it is not.

pub mod policy;
