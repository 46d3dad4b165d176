//! The engine against the naive model: the same requests, the same answers, to the last number.

use wicketgate_engine::{Table, Verdict};

use crate::model::Model;
use crate::operation::{Operation, Sequence};

/// Operations in one run.
const STEPS: usize = 100_000;
/// Bytes that one sequence is made of: about a hundred operations.
const SEQUENCE_BYTES: usize = 1_500;
/// Keeps the sequences of neighbouring seeds apart.
const STRIDE: u64 = 0xd1b5_4a32_d192_ed03;
/// Where a large number can only be lowered by one at a time, there is no end otherwise.
const SHRINK_ROUNDS: usize = 100;

/// The first operation on which engine and model differ.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) index: usize,
    pub(crate) engine: Verdict,
    pub(crate) model: Verdict,
}

/// Plays a sequence to both; checks what must hold whatever the rules say.
pub(crate) fn compare(sequence: &Sequence) -> Option<Difference> {
    let (table, calendar) = (Table::with_seed(1_000, 0), sequence.calendar());
    let mut model = Model::default();
    for (index, operation) in sequence.operations.iter().enumerate() {
        let Ok(hit) = operation.request("n").check(operation.instant(), &calendar) else { continue };
        let (engine, model) = (table.hit(&hit), model.hit(&hit));
        if engine != model {
            return Some(Difference { index, engine, model });
        }
    }
    None
}

/// The shortest and plainest sequence we find that still shows a difference.
fn shrink(mut failing: Sequence) -> Sequence {
    let fails = |operations: &[Operation]| {
        let candidate = Sequence { zone: failing.zone, operations: operations.to_vec() };
        compare(&candidate).map(|difference| difference.index)
    };
    let mut operations = failing.operations.clone();
    for _ in 0..SHRINK_ROUNDS {
        let before = operations.clone();
        if let Some(index) = fails(&operations) {
            operations.truncate(index + 1);
        }
        // Fewer operations: halves first, then one by one.
        let mut chunk = operations.len() / 2;
        while chunk > 0 {
            let mut start = 0;
            while start < operations.len() {
                let mut fewer = operations.clone();
                fewer.drain(start..(start + chunk).min(fewer.len()));
                if fails(&fewer).is_some() {
                    operations = fewer;
                } else {
                    start += chunk;
                }
            }
            chunk /= 2;
        }
        // Smaller numbers.
        for index in 0..operations.len() {
            for simpler in simpler(operations[index]) {
                let mut plainer = operations.clone();
                plainer[index] = simpler;
                if fails(&plainer).is_some() {
                    operations = plainer;
                    break;
                }
            }
        }
        if operations == before {
            break;
        }
    }
    failing.operations = operations;
    failing
}

fn simpler(operation: Operation) -> Vec<Operation> {
    let smaller = |number: i64| [0, 1, 2, 10, number / 2, number - number.signum()];
    let closer = |number: i64, to: &dyn Fn(i64) -> Operation| {
        smaller(number)
            .into_iter()
            .filter(|next| next.unsigned_abs() < number.unsigned_abs())
            .map(to)
            .collect::<Vec<_>>()
    };
    let mut simpler = vec![];
    if operation.key != 0 {
        simpler.push(Operation { key: 0, ..operation });
    }
    if operation.behavior != 0 {
        simpler.push(Operation { behavior: 0, ..operation });
        for bit in [1, 2, 8, 16, 32, 1 << 20].into_iter().filter(|bit| operation.behavior & bit != 0) {
            simpler.push(Operation { behavior: operation.behavior & !bit, ..operation });
        }
    }
    simpler.extend(closer(operation.hits, &|hits| Operation { hits, ..operation }));
    simpler.extend(closer(operation.limit, &|limit| Operation { limit, ..operation }));
    simpler.extend(closer(operation.duration, &|duration| Operation { duration, ..operation }));
    simpler.extend(closer(operation.burst, &|burst| Operation { burst, ..operation }));
    simpler
}

/// Panics with the shrunk sequence where the two differ.
pub(crate) fn assert_same(sequence: Sequence, origin: &str) {
    if compare(&sequence).is_none() {
        return;
    }
    let shrunk = shrink(sequence);
    let difference = compare(&shrunk).expect("shrinking keeps the difference");
    let steps: Vec<String> = shrunk.operations.iter().map(|operation| format!("  {operation:?}")).collect();
    panic!(
        "{origin}: engine and model differ after {} operations in zone {}:\n{}\n engine {:?}\n model  {:?}",
        steps.len(),
        shrunk.zone,
        steps.join("\n"),
        difference.engine,
        difference.model
    );
}

#[test]
fn engine_and_model_agree_on_random_sequences() {
    let seed = crate::seed();
    println!("WICKETGATE_SEED={seed}");
    let (mut steps, mut sequences) = (0, 0_u64);
    while steps < STEPS {
        let bytes = crate::random_bytes(seed.wrapping_mul(STRIDE).wrapping_add(sequences), SEQUENCE_BYTES);
        let sequence = Sequence::from_bytes(&bytes);
        steps += sequence.operations.len();
        sequences += 1;
        assert_same(sequence, &format!("WICKETGATE_SEED={seed}, sequence {sequences}"));
    }
    println!("{steps} operations in {sequences} sequences: no difference");
}
