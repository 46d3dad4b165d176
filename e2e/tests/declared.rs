//! Limits that manifests declare: what they mean for a request, and how they change while the daemon runs.

mod reload;
mod rules;
