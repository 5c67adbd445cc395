//! The best final response. RFC 3261 §16.7 steps 6 and 7.

use super::Kept;
use dialplane_syntax::{Edits, HeaderId, Index, Limits, Message, parse, reason_phrase};

/// The best so far.
#[derive(Debug)]
pub(super) struct Best {
    pub status: u16,
    /// As it will leave; `None` for one that we would have to make: a branch without an answer.
    response: Option<Kept>,
    /// Challenges of the 401 and 407 that were not chosen, as lines.
    challenges: Vec<u8>,
}

impl Best {
    /// Takes one more final response into account. `message` is the response as received.
    pub(super) fn see(best: &mut Option<Self>, status: u16, response: Option<Kept>, message: Option<&Message<'_>>) {
        match best {
            None => *best = Some(Self { status, response, challenges: Vec::new() }),
            Some(held) if rank(status, response.is_some()) < rank(held.status, held.response.is_some()) => {
                let old = held.response.take();
                push_challenges_of(held.status, old.as_deref(), &mut held.challenges);
                held.status = status;
                held.response = response;
            }
            Some(held) => {
                if let (401 | 407, Some(message)) = (status, message) {
                    push_challenges(message, &mut held.challenges);
                }
            }
        }
    }

    /// The response to be sent; `None` when we have to make one ourselves, with [`Self::status`].
    pub(super) fn take(self, limits: &Limits) -> Option<Kept> {
        let response = self.response?;
        let mut index = Index::new();
        let mut edits = Edits::new();
        let Ok(message) = parse(&response, &mut index, limits) else { return Some(response) };
        match self.status {
            // "SHOULD NOT forward it upstream": that one hop is out of service says nothing about us.
            503 => edits.replace(message.start_line_range(), &status_line(500)),
            401 | 407 if !self.challenges.is_empty() => edits.insert(message.fields_end(), &self.challenges),
            _ => return Some(response),
        }
        let mut changed = Vec::new();
        edits.apply(&response, &mut changed);
        Some(changed.into())
    }
}

/// The lower, the better: 6xx, then the lowest class; within 4xx first what tells how to ask again; what we would have to
/// make up ourselves last of its class.
fn rank(status: u16, received: bool) -> (u16, u16) {
    let class = if status >= 600 { 0 } else { status / 100 };
    let within = match status {
        401 | 407 => 0,
        415 | 420 | 484 => 1,
        _ if !received => 4,
        408 | 503 => 3,
        _ => 2,
    };
    (class, within)
}

fn status_line(status: u16) -> Vec<u8> {
    format!("SIP/2.0 {status} {}", reason_phrase(status)).into_bytes()
}

fn push_challenges_of(status: u16, response: Option<&[u8]>, out: &mut Vec<u8>) {
    let mut index = Index::new();
    if let (401 | 407, Some(bytes)) = (status, response)
        && let Ok(message) = parse(bytes, &mut index, &Limits::default())
    {
        push_challenges(&message, out);
    }
}

fn push_challenges(message: &Message<'_>, out: &mut Vec<u8>) {
    for id in [HeaderId::WWW_AUTHENTICATE, HeaderId::PROXY_AUTHENTICATE] {
        for field in message.all(id) {
            out.extend_from_slice(id.name().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, lines: &str) -> Vec<u8> {
        format!("SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n{lines}Content-Length: 0\r\n\r\n")
            .into_bytes()
    }

    fn choose(statuses: &[(u16, &str)]) -> (u16, String) {
        let mut best = None;
        for (status, lines) in statuses {
            let bytes = response(*status, lines);
            let mut index = Index::new();
            let message = parse(&bytes, &mut index, &Limits::default()).expect("SIP");
            Best::see(&mut best, *status, Some(bytes.clone().into()), Some(&message));
        }
        let best = best.expect("one");
        let status = best.status;
        (status, String::from_utf8_lossy(&best.take(&Limits::default()).expect("received")).into_owned())
    }

    /// RFC 3261 §16.7 step 6.
    #[test]
    fn the_best_of_several() {
        for (given, expected) in [
            (&[486, 404][..], 486),
            (&[404, 486], 404),
            (&[503, 407, 501, 404], 407),
            (&[486, 603, 404], 603),
            (&[500, 302], 302),
            (&[408, 486], 486),
            (&[503, 500], 500),
            (&[484, 404], 484),
            (&[404, 401], 401),
        ] {
            let given: Vec<(u16, &str)> = given.iter().map(|&status| (status, "")).collect();
            assert_eq!(choose(&given).0, expected, "{given:?}");
        }
    }

    #[test]
    fn a_503_alone_becomes_500() {
        let (_, text) = choose(&[(503, "Retry-After: 5\r\n")]);
        assert!(text.starts_with("SIP/2.0 500 Server Internal Error\r\nVia:"), "{text}");
        assert!(text.contains("Retry-After: 5\r\n"));
    }

    /// Step 7.
    #[test]
    fn all_challenges_are_put_together() {
        let lines = |realm: &str, name: &str| format!("{name}: Digest realm=\"{realm}\"\r\n");
        let (one, two, three) =
            (lines("one", "WWW-Authenticate"), lines("two", "Proxy-Authenticate"), lines("three", "WWW-Authenticate"));
        for order in [[(401, &one), (407, &two), (401, &three)], [(407, &two), (401, &three), (401, &one)]] {
            let given: Vec<(u16, &str)> = order.iter().map(|(status, lines)| (*status, lines.as_str())).collect();
            let (status, text) = choose(&given);
            assert_eq!(status, given[0].0);
            for (_, line) in given {
                assert_eq!(text.matches(line).count(), 1, "{text}");
            }
            assert!(text.ends_with("\r\n\r\n"), "{text}");
        }
        let (status, text) = choose(&[(404, ""), (401, &one), (407, &two)]);
        assert_eq!(status, 401);
        assert!(text.contains(&one) && text.contains(&two), "{text}");
    }
}
