//! The machines' effects: octets appended to the output. RFC 3261 §18.

use super::{Kept, Output};
use crate::path::Path;
use dialplane_syntax::{Index, Limits, Message, parse};
use dialplane_transaction::{Failure, Sink, derived};
use std::collections::VecDeque;

/// The way from one machine to its peer, for one step.
pub(super) struct Wire<'w, 'r> {
    pub out: &'w mut Vec<u8>,
    pub outputs: &'w mut VecDeque<Output>,
    pub to: Path,
    /// The response at hand, and what an ACK for it is made with.
    pub at_hand: Option<AtHand<'w, 'r>>,
    /// The message at hand is to go on.
    pub passed: bool,
    /// 100 is to be sent.
    pub trying: bool,
    pub failure: Option<Failure>,
    /// Octets sent.
    pub sent: i64,
    /// Octets that may be sent, where there is a limit; what is longer is not.
    pub most: Option<i64>,
}

pub(super) struct AtHand<'w, 'r> {
    pub response: &'w Message<'r>,
    pub index: &'w mut Index,
    pub limits: &'w Limits,
}

impl<'w> Wire<'w, '_> {
    pub(super) fn new(out: &'w mut Vec<u8>, outputs: &'w mut VecDeque<Output>, to: Path) -> Self {
        Self { out, outputs, to, at_hand: None, passed: false, trying: false, failure: None, sent: 0, most: None }
    }
}

impl Sink<Kept> for Wire<'_, '_> {
    fn send(&mut self, message: &Kept) {
        if self.most.is_some_and(|most| message.len() as i64 > most) {
            return;
        }
        let begin = self.out.len();
        self.sent += message.len() as i64;
        self.out.extend_from_slice(message);
        if self.out.len() > begin {
            self.outputs.push_back(Output { range: begin..self.out.len(), to: self.to });
        }
    }

    fn pass(&mut self) {
        self.passed = true;
    }

    fn acknowledge(&mut self, request: &Kept) -> Kept {
        let mut ack = Vec::new();
        if let Some(AtHand { response, index, limits }) = &mut self.at_hand
            && let Ok(invite) = parse(request, index, limits)
        {
            derived::push_ack(&invite, response, &mut ack);
        }
        ack.into()
    }

    fn trying(&mut self) {
        self.trying = true;
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }
}
