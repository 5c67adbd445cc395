//! Connections: many from the UAC to the server over TCP, TLS or WebSocket (RFC 7118), and those that the server opens to the UAS
//! over TCP. RFC 3261 §18.
#![allow(unsafe_code)] // epoll, which std does not have; each block says why it is sound

use crate::check::{Lines, decimal};
use crate::message::is_named;
use crate::net::{End, Net};
use crate::socket::Outbox;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the UAC's connections carry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
    Ws,
}

impl Transport {
    /// As in a Via.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
        }
    }
}

/// Octets taken from one connection at one time.
const PIECE: usize = 1 << 16;
/// Connections whose events are fetched at one time.
const EVENTS: usize = 256;
/// Event numbers: senders count from 0, connections to the UAS from here, and what they come by.
const UAS: usize = 1 << 20;
const LISTENER: usize = usize::MAX;

/// All connections of one thread.
pub struct Streams {
    senders: Vec<Connection>,
    listener: TcpListener,
    uas: Vec<Connection>,
    events: OwnedFd,
    piece: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    ws: bool,
    /// What has come and is no whole message yet.
    input: Vec<u8>,
    /// What the kernel did not take yet.
    output: Vec<u8>,
}

impl Streams {
    /// Opens one connection from each of `locals` to `server` and listens at `uas`. For `patience`, the server need not be
    /// there yet.
    pub fn open(
        locals: &[SocketAddrV4],
        server: SocketAddrV4,
        uas: SocketAddrV4,
        transport: Transport,
        patience: Duration,
    ) -> io::Result<Self> {
        // SAFETY: the call has no pointers; a descriptor that it returns is new and nobody else's.
        let events = unsafe {
            let descriptor = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(descriptor)
        };
        let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        listener.set_reuse_address(true)?;
        listener.bind(&uas.into())?;
        listener.listen(64)?;
        let listener: TcpListener = listener.into();
        listener.set_nonblocking(true)?;
        watch(&events, &listener, LISTENER)?;
        let config = Arc::new(tls_config());
        let mut senders = Vec::with_capacity(locals.len());
        let begun = Instant::now();
        for (number, local) in locals.iter().enumerate() {
            let connection = loop {
                match Connection::open(*local, server, transport, &config) {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused && begun.elapsed() < patience => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    opened => break opened?,
                }
            };
            watch(&events, &connection.socket, number)?;
            senders.push(connection);
        }
        Ok(Self { senders, listener, uas: Vec::new(), events, piece: vec![0; PIECE] })
    }

    /// What has happened, at most `milliseconds` from now.
    fn poll(&self, milliseconds: i32) -> ([libc::epoll_event; EVENTS], usize) {
        let mut found = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: the pointer and count describe the array, which outlives the call.
        let count = unsafe {
            libc::epoll_wait(self.events.as_raw_fd(), found.as_mut_ptr(), EVENTS as libc::c_int, milliseconds)
        };
        (found, usize::try_from(count).unwrap_or(0))
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((socket, _)) = self.listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            watch(&self.events, &socket, UAS + self.uas.len())?;
            self.uas.push(Connection { socket, tls: None, ws: false, input: Vec::new(), output: Vec::new() });
        }
        Ok(())
    }
}

impl Net for Streams {
    fn flush(&mut self, senders: &mut [Outbox], uas: &mut Outbox) -> io::Result<()> {
        for (connection, outbox) in self.senders.iter_mut().zip(senders) {
            if outbox.len() > 0 || !connection.output.is_empty() {
                connection.send(outbox)?;
            }
        }
        // Answers go by the connection that was opened last: the only one, unless the server lost one.
        match self.uas.last_mut() {
            Some(connection) if uas.len() > 0 || !connection.output.is_empty() => connection.send(uas),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, see: &mut dyn FnMut(End, &[u8])) -> io::Result<usize> {
        let (events, count) = self.poll(0);
        let mut total = 0;
        for event in &events[..count] {
            let number = event.u64 as usize;
            if number == LISTENER {
                self.accept()?;
                continue;
            }
            let (connection, end) = match number.checked_sub(UAS) {
                Some(place) => (&mut self.uas[place], End::Uas),
                None => (&mut self.senders[number], End::Uac(number)),
            };
            total += connection.receive(&mut self.piece, |message| see(end, message))?;
        }
        Ok(total)
    }

    fn wait(&mut self) {
        self.poll(1);
    }
}

impl Connection {
    fn open(
        local: SocketAddrV4,
        server: SocketAddrV4,
        transport: Transport,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        // No TIME_WAIT: the next run uses the same ports.
        socket.set_reuse_address(true)?;
        socket.set_linger(Some(Duration::ZERO))?;
        socket.bind(&local.into())?;
        socket.connect(&server.into())?;
        socket.set_tcp_nodelay(true)?;
        let mut socket: TcpStream = socket.into();
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let tls = match transport {
            Transport::Tls => {
                let name = ServerName::try_from("bench.example").map_err(io::Error::other)?;
                let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut socket)?;
                }
                Some(Box::new(tls))
            }
            Transport::Udp | Transport::Tcp | Transport::Ws => None,
        };
        if transport == Transport::Ws {
            upgrade(&mut socket)?;
        }
        socket.set_nonblocking(true)?;
        Ok(Self { socket, tls, ws: transport == Transport::Ws, input: Vec::new(), output: Vec::new() })
    }

    fn send(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        for message in outbox.messages() {
            let mut head = [0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0];
            head[2..4].copy_from_slice(&(message.len() as u16).to_be_bytes());
            // RFC 6455 §5.3: what clients send is masked; a mask of zeros changes nothing.
            let head = if self.ws { &head[..] } else { &[] };
            match &mut self.tls {
                Some(tls) => tls.writer().write_all(message)?,
                None => {
                    self.output.extend_from_slice(head);
                    self.output.extend_from_slice(message);
                }
            }
        }
        outbox.clear();
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.output)?;
            }
        }
        while !self.output.is_empty() {
            match self.socket.write(&self.output) {
                Ok(count) => {
                    self.output.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes one piece; gives `see` the messages that are whole.
    fn receive(&mut self, piece: &mut [u8], mut see: impl FnMut(&[u8])) -> io::Result<usize> {
        let count = match self.socket.read(piece) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection")),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        match &mut self.tls {
            Some(tls) => {
                let mut rest = &piece[..count];
                while !rest.is_empty() {
                    tls.read_tls(&mut rest)?;
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    let before = self.input.len();
                    self.input.resize(before + state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(&mut self.input[before..])?;
                }
            }
            None => self.input.extend_from_slice(&piece[..count]),
        }
        let input = mem::take(&mut self.input);
        let (mut at, mut total) = (0, 0);
        while let Some((start, end)) = if self.ws { frame(&input[at..]) } else { message(&input[at..]) } {
            see(&input[at + start..at + end]);
            at += end;
            total += 1;
        }
        self.input = input;
        self.input.drain(..at);
        Ok(total)
    }
}

/// Where the first message begins and ends, if it is whole. RFC 3261 §18.3.
fn message(input: &[u8]) -> Option<(usize, usize)> {
    let blank = memchr::memmem::find(input, b"\r\n\r\n")? + 4;
    let lines = Lines { bytes: &input[..blank], at: 0 }.map(|line| &input[line]);
    let length = lines.filter(|line| is_named(line, b"Content-Length", b"l")).find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        decimal(line[colon + 1..].trim_ascii())
    });
    let end = blank + length.unwrap_or(0) as usize;
    (end <= input.len()).then_some((0, end))
}

/// The same in an unmasked WebSocket frame. RFC 6455 §5.2.
fn frame(input: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match *input.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(input.get(2..4)?.try_into().ok()?))),
        length => (2, usize::from(length)),
    };
    (start + length <= input.len()).then_some((start, start + length))
}

/// RFC 7118 §4.1.
fn upgrade(socket: &mut TcpStream) -> io::Result<()> {
    socket.write_all(
        b"GET / HTTP/1.1\r\nHost: bench.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nOrigin: http://bench.example\r\n\r\n",
    )?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        socket.read_exact(&mut octet)?;
        answer.push(octet[0]);
    }
    if answer.starts_with(b"HTTP/1.1 101 ") {
        return Ok(());
    }
    Err(io::Error::other(format!("no WebSocket: {}", String::from_utf8_lossy(&answer))))
}

fn watch(events: &OwnedFd, socket: &impl AsRawFd, number: usize) -> io::Result<()> {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
    // SAFETY: both descriptors are open and the pointer is to a live event.
    let done = unsafe { libc::epoll_ctl(events.as_raw_fd(), libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Any certificate will do: the server is our own.
fn tls_config() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring has the default versions").dangerous();
    builder.with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth()
}

#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_where_its_messages_end() {
        let text = b"SIP/2.0 200 OK\r\nl: 3\r\n\r\nabcBYE sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n";
        let (_, end) = message(text).unwrap();
        assert!(text[..end].ends_with(b"abc"));
        assert_eq!(message(&text[end..]), Some((0, text.len() - end)));
        assert!((0..end).all(|cut| message(&text[..cut]).is_none()));
        let long = [&[0x81, 126, 1, 0][..], &[b'x'; 256]].concat();
        assert_eq!(frame(&long), Some((4, 260)));
        assert_eq!((frame(&long[..259]), frame(b"\x81\x02ab"), frame(b"\x81")), (None, Some((2, 4)), None));
    }
}
