//! The product on a real Kubernetes, as its users meet it: installed by the chart, told by objects, asked
//! by pods and through the API.
//!
//! A test is a [`story::story`]: it gets a namespace of its own ([`place::Place`]), which is removed
//! afterwards, and what is in it is printed where the test fails. All of them share one installation of the
//! chart ([`installation`]). The cluster is the one that `KUBECONFIG` names; without it a test says once that
//! it is skipped.

pub mod awaiting;
pub mod backend;
pub mod callers;
pub mod connection;
pub mod daemons;
pub mod diagnosis;
pub mod forward;
pub mod installation;
pub mod neighbours;
pub mod objects;
pub mod operator;
pub mod place;
pub mod policies;
pub mod prometheus;
pub mod restricted;
pub mod story;
pub mod tools;
pub mod traffic;
