//! What the tests of the machines share: a sink that writes down what it is told.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its part; nobody reads it elsewhere")]

use dialplane_transaction::{Failure, Sink};

/// Milliseconds at which every machine begins.
pub const START: u64 = 1_000_000;

#[derive(Debug, Default)]
pub struct Record(pub Vec<String>);

impl Record {
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0)
    }
}

impl Sink<&'static str> for Record {
    fn send(&mut self, message: &&'static str) {
        self.0.push(format!("send {message}"));
    }

    fn pass(&mut self) {
        self.0.push("pass it on".into());
    }

    fn acknowledge(&mut self, request: &&'static str) -> &'static str {
        assert_eq!(*request, "INVITE", "ACK is made from the INVITE");
        "ACK"
    }

    fn trying(&mut self) {
        self.0.push("send 100".into());
    }

    fn fail(&mut self, failure: Failure) {
        self.0.push(match failure {
            Failure::Timeout => "tell the user: timeout".into(),
            Failure::Transport => "tell the user: transport failed".into(),
        });
    }
}
