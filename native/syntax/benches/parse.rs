//! Nanoseconds per message: `cargo bench -p dialplane-syntax --bench parse`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

mod workload;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use workload::{INVITE, State, WORK};

fn parse(criterion: &mut Criterion) {
    assert_eq!(INVITE.len(), 729);
    assert_eq!(workload::INVITE_HEAD.len(), 729);
    let mut group = criterion.benchmark_group("parse");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(30);
    group.throughput(Throughput::Bytes(INVITE.len() as u64));
    for (name, work) in WORK {
        let mut state = State::new();
        group.bench_function(*name, |bencher| bencher.iter(|| work(&mut state)));
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
