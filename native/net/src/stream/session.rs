//! One connection without its socket: octets of the wire in, SIP messages out, and the reverse. RFC 3261 §18.3, RFC 5626
//! §3.5.1, RFC 7118.
//!
//! From the wire inwards: PROXY header, TLS, then SIP or HTTP that becomes WebSocket, whichever the first octets are.
//! Nothing is kept but what is not yet whole.

use super::proxy_protocol::{self, Header};
use super::upgrade::{self, Upgrade};
use super::ws;
use dialplane_core::path::Transport;
use dialplane_syntax::stream::Framed;
use dialplane_syntax::{Framer, Index, Limits};
use rustls::pki_types::CertificateDer;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::Range;

/// What a browser's first octets are.
const GET: &[u8] = b"GET ";
/// Octets decrypted at a time, as many as a record of TLS has.
const RECORD: usize = 16 * 1024;

/// What all connections of a worker use, one after the other.
#[derive(Debug)]
pub(crate) struct Bench {
    index: Box<Index>,
    pub(crate) limits: Limits,
    plain: Box<[u8]>,
    /// What our side answers by itself, before it is encrypted.
    reply: Vec<u8>,
}

impl Bench {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { index: Box::new(Index::new()), limits, plain: vec![0; RECORD].into(), reply: Vec::new() }
    }
}

/// What came out of one piece of the wire.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) octets: Vec<u8>,
    /// Where in `octets` each message is.
    pub(crate) messages: Vec<Range<usize>>,
    /// CRLF CRLF that were answered.
    pub(crate) keep_alives: usize,
    /// The client behind a load balancer.
    pub(crate) source: Option<SocketAddr>,
}

impl Arrived {
    pub(crate) fn clear(&mut self) {
        self.octets.clear();
        self.messages.clear();
        self.keep_alives = 0;
        self.source = None;
    }

    fn push(&mut self, message: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(message);
        self.messages.push(start..self.octets.len());
    }
}

/// Why a connection ends. What is in the output is sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The peer said so.
    Closed,
    /// No TLS, or none that both sides speak, or a certificate that will not do.
    Handshake,
    /// What came is nothing that we speak.
    Malformed,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    /// The PROXY header as far as it is there; `None` once it is whole, or where none is expected.
    preface: Option<Vec<u8>>,
    tls: Option<Box<rustls::Connection>>,
    speech: Speech,
    /// What is not whole.
    input: Vec<u8>,
    framer: Framer,
}

#[derive(Debug)]
enum Speech {
    /// Nothing heard yet that would tell.
    Undecided,
    Sip,
    /// HTTP that asks for WebSocket.
    Http,
    WebSocket(Box<ws::Reader>),
}

impl Session {
    /// A connection that a client opened.
    pub(crate) fn accepted(tls: Option<rustls::Connection>, is_behind_balancer: bool) -> Self {
        let preface = is_behind_balancer.then(Vec::new);
        Self { preface, tls: tls.map(boxed), speech: Speech::Undecided, input: Vec::new(), framer: Framer::new() }
    }

    /// A connection that we opened. With TLS, its first octets are appended to `output`.
    pub(crate) fn opened(tls: Option<rustls::Connection>, output: &mut Vec<u8>) -> Self {
        let mut session =
            Self { preface: None, tls: tls.map(boxed), speech: Speech::Sip, input: Vec::new(), framer: Framer::new() };
        session.flush(output);
        session
    }

    /// Whether messages can be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
            && matches!(self.speech, Speech::Sip | Speech::WebSocket(_))
    }

    /// Whether something has begun and is not whole.
    pub(crate) fn is_within(&self) -> bool {
        !self.input.is_empty() || matches!(&self.speech, Speech::WebSocket(reader) if reader.is_within())
    }

    /// What the peer has shown in the handshake, and was taken.
    pub(crate) fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.as_ref()?.peer_certificates()?.first()
    }

    /// What the connection's transport is to be called.
    pub(crate) fn transport(&self) -> Transport {
        match (&self.speech, self.tls.is_some()) {
            (Speech::WebSocket(_), true) => Transport::Wss,
            (Speech::WebSocket(_), false) => Transport::Ws,
            (_, true) => Transport::Tls,
            (_, false) => Transport::Tcp,
        }
    }

    /// Takes octets of the wire. What is to be answered at once is appended to `output`.
    pub(crate) fn receive(
        &mut self,
        wire: &[u8],
        bench: &mut Bench,
        arrived: &mut Arrived,
        output: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let Some(preface) = &mut self.preface else { return self.decrypt(wire, bench, arrived, output) };
        preface.extend_from_slice(wire);
        match proxy_protocol::read(preface) {
            Header::Partial => Ok(()),
            Header::Invalid => Err(Fault::Malformed),
            Header::Complete { length, source } => {
                arrived.source = source;
                let preface = self.preface.take().unwrap_or_default();
                self.decrypt(&preface[length..], bench, arrived, output)
            }
        }
    }

    /// Appends a message, ready for the wire, to `output`.
    pub(crate) fn send(&mut self, message: &[u8], output: &mut Vec<u8>) {
        let is_framed = matches!(self.speech, Speech::WebSocket(_));
        let Some(tls) = &mut self.tls else {
            if is_framed {
                ws::write_message(message, output);
            } else {
                output.extend_from_slice(message);
            }
            return;
        };
        // Nothing is ever refused: the buffer has no limit and is emptied at once.
        let _ = if is_framed {
            let mut frame = Vec::with_capacity(message.len() + 10);
            ws::write_message(message, &mut frame);
            tls.writer().write_all(&frame)
        } else {
            tls.writer().write_all(message)
        };
        self.flush(output);
    }

    /// Appends what shows the peer that we are there; `false` when the protocol has no such thing.
    pub(crate) fn ping(&mut self, output: &mut Vec<u8>) -> bool {
        if !self.is_open() || !matches!(self.speech, Speech::WebSocket(_)) {
            return false;
        }
        let mut frame = Vec::new();
        ws::write(ws::Opcode::Ping, b"", &mut frame);
        self.say(&frame, output);
        true
    }

    /// Appends the end of the connection, as its protocols have it.
    pub(crate) fn close(&mut self, output: &mut Vec<u8>) {
        if let Speech::WebSocket(_) = self.speech {
            let mut frame = Vec::new();
            ws::write_close(1001, &mut frame);
            self.say(&frame, output);
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush(output);
    }

    fn decrypt(
        &mut self,
        mut wire: &[u8],
        bench: &mut Bench,
        arrived: &mut Arrived,
        output: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let Some(mut tls) = self.tls.take() else {
            let heard = self.hear(wire, bench, arrived);
            output.append(&mut bench.reply);
            return heard;
        };
        let result = loop {
            if wire.is_empty() {
                break Ok(());
            }
            // 0 once the peer has said that it is done; a full buffer cannot be, it is emptied below.
            if !matches!(tls.read_tls(&mut wire), Ok(1..)) {
                break Err(Fault::Closed);
            }
            let was_handshaking = tls.is_handshaking();
            let Ok(state) = tls.process_new_packets() else {
                break Err(if was_handshaking { Fault::Handshake } else { Fault::Malformed });
            };
            if let Err(fault) = self.hear_plain(&mut tls, bench, arrived) {
                break Err(fault);
            }
            if state.peer_has_closed() {
                break Err(Fault::Closed);
            }
        };
        self.tls = Some(tls);
        let reply = std::mem::take(&mut bench.reply);
        self.say(&reply, output);
        self.flush(output);
        result
    }

    fn hear_plain(
        &mut self,
        tls: &mut rustls::Connection,
        bench: &mut Bench,
        arrived: &mut Arrived,
    ) -> Result<(), Fault> {
        let mut plain = std::mem::take(&mut bench.plain);
        let result = loop {
            match tls.reader().read(&mut plain) {
                Ok(count @ 1..) => {
                    if let Err(fault) = self.hear(&plain[..count], bench, arrived) {
                        break Err(fault);
                    }
                }
                // An end without close_notify is seen again, as the end of the wire.
                Ok(0) => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(_) => break Err(Fault::Malformed),
            }
        };
        bench.plain = plain;
        result
    }

    /// Takes octets as the peer meant them.
    fn hear(&mut self, octets: &[u8], bench: &mut Bench, arrived: &mut Arrived) -> Result<(), Fault> {
        if self.input.is_empty() {
            let used = self.consume(octets, bench, arrived)?;
            // As much as there is and no more: most connections wait for the rest of a message only once in a while.
            self.input = octets[used..].to_vec();
        } else {
            let mut held = std::mem::take(&mut self.input);
            held.extend_from_slice(octets);
            let used = self.consume(&held, bench, arrived)?;
            if used < held.len() {
                held.drain(..used);
                self.input = held;
            }
        }
        Ok(())
    }

    /// Takes what is whole off the front of `octets`; how much that was.
    fn consume(&mut self, octets: &[u8], bench: &mut Bench, arrived: &mut Arrived) -> Result<usize, Fault> {
        let mut used = 0;
        loop {
            let rest = &octets[used..];
            match &mut self.speech {
                Speech::Undecided => {
                    let known = rest.len().min(GET.len());
                    if rest[..known] != GET[..known] {
                        self.speech = Speech::Sip;
                    } else if known == GET.len() {
                        self.speech = Speech::Http;
                    } else {
                        return Ok(used);
                    }
                }
                Speech::Http => match upgrade::handshake(rest, &mut bench.reply) {
                    Upgrade::Partial => return Ok(used),
                    Upgrade::Refused => return Err(Fault::Malformed),
                    Upgrade::Done(length) => {
                        used += length;
                        self.speech = Speech::WebSocket(Box::default());
                    }
                },
                Speech::Sip => return Ok(used + self.frame(rest, bench, arrived)?),
                Speech::WebSocket(reader) => {
                    unframe(reader, rest, bench, arrived)?;
                    return Ok(octets.len());
                }
            }
        }
    }

    /// RFC 3261 §18.3.
    fn frame(&mut self, octets: &[u8], bench: &mut Bench, arrived: &mut Arrived) -> Result<usize, Fault> {
        let mut used = 0;
        loop {
            let rest = &octets[used..];
            match self.framer.poll(rest, &mut bench.index, &bench.limits) {
                Ok(Framed::Partial) => return Ok(used),
                Ok(Framed::Skip(length)) => used += length,
                Ok(Framed::KeepAlive(length)) => {
                    bench.reply.extend_from_slice(b"\r\n");
                    arrived.keep_alives += 1;
                    used += length;
                }
                Ok(Framed::Message(length)) => {
                    arrived.push(&rest[..length]);
                    used += length;
                }
                Err(error) => {
                    // Where the message ends is not known, but its head can be read, and answered.
                    if !error.kind.is_fatal()
                        && let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n")
                    {
                        arrived.push(&rest[..end + 4]);
                    }
                    return Err(Fault::Malformed);
                }
            }
        }
    }

    /// Appends octets of our own, encrypted if they must be, to `output`.
    fn say(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        match &mut self.tls {
            None => output.extend_from_slice(octets),
            Some(tls) => {
                let _ = tls.writer().write_all(octets);
                self.flush(output);
            }
        }
    }

    fn flush(&mut self, output: &mut Vec<u8>) {
        if let Some(tls) = &mut self.tls {
            // A vector takes everything.
            while tls.wants_write() && tls.write_tls(output).is_ok_and(|count| count > 0) {}
        }
    }
}

fn boxed(mut tls: rustls::Connection) -> Box<rustls::Connection> {
    tls.set_buffer_limit(None);
    Box::new(tls)
}

/// RFC 7118 §5: one WebSocket message is one SIP message.
fn unframe(reader: &mut ws::Reader, mut octets: &[u8], bench: &mut Bench, arrived: &mut Arrived) -> Result<(), Fault> {
    loop {
        match reader.read(&mut octets, bench.limits.message) {
            Ok(None) => return Ok(()),
            Ok(Some(ws::Event::Message(b"\r\n\r\n"))) => {
                ws::write(ws::Opcode::Text, b"\r\n", &mut bench.reply);
                arrived.keep_alives += 1;
            }
            Ok(Some(ws::Event::Message(message))) => arrived.push(message),
            Ok(Some(ws::Event::Ping(octets))) => ws::write(ws::Opcode::Pong, octets, &mut bench.reply),
            Ok(Some(ws::Event::Pong)) => {}
            Ok(Some(ws::Event::Close(status))) => {
                ws::write_close(status.unwrap_or(1000), &mut bench.reply);
                return Err(Fault::Closed);
            }
            Err(error) => {
                ws::write_close(error.status(), &mut bench.reply);
                return Err(Fault::Malformed);
            }
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
