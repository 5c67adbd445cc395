//! `Packet`: a message with where and when it travelled.

use crate::capture::source::Item;
use crate::message::PyMessage;
use crate::parse::datagram;
use crate::piece::Piece;
use dialplane_pcap::Transport;
use dialplane_syntax::Limits;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use std::net::SocketAddr;

/// One SIP message of a capture or a buffer of frames.
#[pyclass(name = "Packet", module = "dialplane_native", frozen)]
pub(crate) struct PyPacket {
    octets: Piece,
    message: PyOnceLock<Py<PyMessage>>,
    limits: Limits,
    number: u64,
    /// Nothing is known of where a frame came from.
    travel: Option<Travel>,
}

#[derive(Clone, Copy, Debug)]
struct Travel {
    time: u64,
    source: SocketAddr,
    destination: SocketAddr,
    transport: Transport,
}

impl PyPacket {
    pub(crate) fn new(py: Python<'_>, whole: &Piece, item: &Item, limits: Limits) -> Self {
        let octets = item.octets(whole.octets(py));
        let (octets, number, travel) = match item {
            Item::Frame { number, .. } => (whole.part(py, octets), *number, None),
            Item::Captured(packet) => {
                let octets = if packet.range().is_some() { whole.part(py, octets) } else { Piece::copy(py, octets) };
                let (time, source, destination) = (packet.time, packet.source, packet.destination);
                (octets, packet.frame, Some(Travel { time, source, destination, transport: packet.transport }))
            }
        };
        Self { octets, message: PyOnceLock::new(), limits, number, travel }
    }
}

#[pymethods]
impl PyPacket {
    /// The message, parsed.
    #[getter]
    fn message(&self, py: Python<'_>) -> PyResult<Py<PyMessage>> {
        let message = self.message.get_or_try_init(py, || {
            let whole = self.octets.octets(py);
            datagram(py, self.octets.part(py, whole), &self.limits).map(Bound::unbind)
        })?;
        Ok(message.clone_ref(py))
    }

    /// The octets of the datagram, or of the message of a stream.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.octets.to_bytes(py, self.octets.octets(py))
    }

    /// When it was captured, seconds since 1970; ``None`` for a frame.
    #[getter]
    fn time(&self) -> Option<f64> {
        self.travel.map(|travel| seconds(travel.time))
    }

    /// When it was captured, nanoseconds since 1970; ``None`` for a frame.
    #[getter]
    fn time_ns(&self) -> Option<u64> {
        self.travel.map(|travel| travel.time)
    }

    /// IP address and port it came from; ``None`` for a frame.
    #[getter]
    fn source(&self) -> Option<(String, u16)> {
        self.travel.map(|travel| pair(travel.source))
    }

    /// IP address and port it went to; ``None`` for a frame.
    #[getter]
    fn destination(&self) -> Option<(String, u16)> {
        self.travel.map(|travel| pair(travel.destination))
    }

    /// ``UDP`` or ``TCP``; ``None`` for a frame.
    #[getter]
    fn transport(&self) -> Option<&'static str> {
        self.travel.map(|travel| transport(travel.transport))
    }

    /// Which frame of its source completed it, counted from 0. Wireshark counts from 1.
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let message = self.message(py)?;
        let message = message.bind(py).repr()?;
        Ok(match self.travel {
            None => format!("<Packet {}: {message}>", self.number),
            Some(travel) => {
                let Travel { source, destination, .. } = travel;
                format!(
                    "<Packet {}, {} {source} to {destination}: {message}>",
                    self.number,
                    transport(travel.transport)
                )
            }
        })
    }
}

/// As `time.time()` would have told it.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    // The parts by themselves: the whole has more digits than a double.
    (nanoseconds / 1_000_000_000) as f64 + (nanoseconds % 1_000_000_000) as f64 / 1e9
}

/// As `socket` has it.
pub(crate) fn pair(address: SocketAddr) -> (String, u16) {
    (address.ip().to_string(), address.port())
}

/// The name in a Via.
pub(crate) fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    }
}
