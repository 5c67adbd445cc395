//! Any sequence of REGISTER requests against a model that takes RFC 3261 §10.3 at its word, slowly.

use super::*;
use proptest::prelude::*;

const LIMIT: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Fetch,
    RemoveAll { call_id: u8, cseq: u32 },
    Update { call_id: u8, cseq: u32, field: Option<u32>, contacts: Vec<(u8, Option<u32>)> },
    Wait { seconds: u64 },
}

#[derive(Clone, Debug, PartialEq)]
struct Bound {
    contact: u8,
    call_id: u8,
    cseq: u32,
    expires: u64,
}

#[derive(Default)]
struct Model {
    now: u64,
    bound: Vec<Bound>,
}

impl Model {
    fn step(&mut self, step: &Step) -> Option<u16> {
        self.bound.retain(|bound| bound.expires > self.now);
        match step {
            Step::Fetch => Some(200),
            Step::Wait { seconds } => {
                self.now += seconds;
                self.bound.retain(|bound| bound.expires > self.now);
                None
            }
            Step::RemoveAll { call_id, cseq } => {
                if self.bound.iter().any(|bound| bound.call_id == *call_id && bound.cseq >= *cseq) {
                    return Some(500);
                }
                self.bound.clear();
                Some(200)
            }
            Step::Update { call_id, cseq, field, contacts } => Some(self.update(*call_id, *cseq, *field, contacts)),
        }
    }

    fn update(&mut self, call_id: u8, cseq: u32, field: Option<u32>, contacts: &[(u8, Option<u32>)]) -> u16 {
        let mut wanted = Vec::new();
        for (contact, parameter) in contacts {
            let expires = parameter.or(field).unwrap_or(3600);
            if (1..60).contains(&expires) {
                return 423;
            }
            // The last of equal contacts counts, but one that is added is not removed again.
            let earlier = wanted.iter().position(|(other, _)| other == contact);
            match earlier {
                Some(at) if expires > 0 => wanted[at].1 = expires,
                Some(_) => {}
                None => wanted.push((*contact, expires)),
            }
        }
        if wanted.iter().filter(|(_, expires)| *expires > 0).count() > LIMIT {
            return 403;
        }
        let mut next = self.bound.clone();
        let (mut changed, mut repeated, mut added) = (false, false, false);
        for (contact, expires) in wanted {
            let bound = Bound { contact, call_id, cseq, expires: self.now + u64::from(expires.min(7200)) };
            match next.iter().position(|bound| bound.contact == contact) {
                Some(at) if next[at].call_id == call_id && next[at].cseq > cseq => return 500,
                Some(at) if next[at].call_id == call_id && next[at].cseq == cseq && expires == 0 => return 500,
                Some(at) if next[at].call_id == call_id && next[at].cseq == cseq => repeated = true,
                Some(at) if expires == 0 => {
                    next.remove(at);
                    changed = true;
                }
                Some(at) => {
                    next[at] = bound;
                    changed = true;
                }
                None if expires == 0 => {}
                None => {
                    next.push(bound);
                    changed = true;
                    added = true;
                }
            }
        }
        if added && next.len() > LIMIT {
            return 403;
        }
        if repeated && changed {
            return 500;
        }
        self.bound = next;
        200
    }

    fn listed(&self) -> Vec<String> {
        let text = |bound: &Bound| format!("<sip:{}@192.0.2.1>;expires={}", bound.contact, bound.expires - self.now);
        let mut listed: Vec<_> = self.bound.iter().map(text).collect();
        listed.sort();
        listed
    }
}

fn expires() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(59), Just(60), Just(600), Just(3600), Just(9000)]
}

fn step() -> impl Strategy<Value = Step> {
    let contacts = prop::collection::vec((0..6_u8, prop::option::weighted(0.3, expires())), 1..4);
    prop_oneof![
        1 => Just(Step::Fetch),
        1 => (0..3_u8, 0..6_u32).prop_map(|(call_id, cseq)| Step::RemoveAll { call_id, cseq }),
        6 => (0..3_u8, 0..6_u32, prop::option::weighted(0.7, expires()), contacts)
            .prop_map(|(call_id, cseq, field, contacts)| Step::Update { call_id, cseq, field, contacts }),
        1 => (0..1000_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn fields(step: &Step) -> Vec<String> {
    let order = |call_id: &u8, cseq: &u32| vec![format!("Call-ID: {call_id}"), format!("CSeq: {cseq} REGISTER")];
    match step {
        Step::Fetch | Step::Wait { .. } => vec!["Contact: ".to_owned()],
        Step::RemoveAll { call_id, cseq } => {
            [order(call_id, cseq), vec!["Contact: *".to_owned(), "Expires: 0".to_owned()]].concat()
        }
        Step::Update { call_id, cseq, field, contacts } => {
            let mut fields = order(call_id, cseq);
            fields.extend(field.map(|seconds| format!("Expires: {seconds}")));
            fields.extend(contacts.iter().map(|(contact, expires)| {
                let expires = expires.map(|seconds| format!(";expires={seconds}")).unwrap_or_default();
                format!("Contact: <sip:{contact}@192.0.2.1>{expires}")
            }));
            fields
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_registrar_does_as_the_model(steps in prop::collection::vec(step(), 1..30)) {
        let mut world = World::with(serde_json::json!({"limits": {"bindings": LIMIT}}));
        let mut model = Model { now: START, bound: Vec::new() };
        for step in &steps {
            let fields = fields(step);
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            if let Step::Wait { seconds } = step {
                world.seconds += seconds;
            }
            let status = world.status(&fields);
            prop_assert_eq!(status, model.step(step).unwrap_or(200), "{:?}", step);
            let mut listed = world.contacts(&["Contact: "]);
            listed.sort();
            prop_assert_eq!(listed, model.listed(), "after {:?}", step);
        }
    }
}
