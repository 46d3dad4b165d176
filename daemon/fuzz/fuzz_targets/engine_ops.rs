//! Any sequence of requests: the engine answers as the naive model does, and never panics.
#![no_main]

// The files shared with the engine's tests know it by its full name.
extern crate engine as wicketgate_engine;

#[path = "../../engine/tests/model.rs"]
mod model;
#[path = "../../engine/tests/operation.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod operation;

use libfuzzer_sys::fuzz_target;
use wicketgate_engine::Table;

use crate::model::Model;
use crate::operation::Sequence;

fuzz_target!(|sequence: Sequence| {
    let (table, calendar) = (Table::with_seed(1_000, 0), sequence.calendar());
    let mut model = Model::default();
    for operation in &sequence.operations {
        if let Ok(hit) = operation.request("n").check(operation.instant(), &calendar) {
            assert_eq!(table.hit(&hit), model.hit(&hit), "{operation:?} in {sequence:#?}");
        }
    }
});
