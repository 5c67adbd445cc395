//! What a machine may want done in one step. RFC 3261 §17 (Figures 5 to 8, the lower half of each arrow).

/// Why a client transaction ended without a final response. RFC 3261 §8.1.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered in time: to be treated as 408.
    Timeout,
    /// The transport gave the request back: to be treated as 503.
    Transport,
}

/// Receives the effects of a step, in order. `M` is a kept message.
pub trait Sink<M> {
    /// Send a kept message.
    fn send(&mut self, message: &M);

    /// The message at hand goes on: a response or ACK to the transaction user, a 2xx of the transaction user to the transport.
    fn pass(&mut self);

    /// Make the ACK for the final response at hand from the kept INVITE. RFC 3261 §17.1.1.3.
    fn acknowledge(&mut self, request: &M) -> M;

    /// Send 100 (Trying). RFC 3261 §17.2.1, RFC 4320 §4.1.
    fn trying(&mut self);

    /// Tell the transaction user that there will be no final response.
    fn fail(&mut self, failure: Failure);
}

/// Whether a machine did something about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It did nothing; why the RFC wants it so.
    Ignored(&'static str),
    /// It did what the table says.
    Yes,
}
