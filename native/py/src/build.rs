//! `Request`, `Response` and responses to a request, as octets. RFC 3261 §8.1.1, §8.2.6.
//!
//! What is built is read and validated before it is handed out, so that nothing illegal leaves.

use crate::error::{BuildErrorKind, build_error, parse_error};
use crate::header::line;
use crate::message::PyMessage;
use crate::params::one_line;
use crate::piece::Piece;
use crate::text::octets;
use crate::uri::PyUri;
use crate::value;
use dialplane_syntax::chars::is_token;
use dialplane_syntax::{
    Fields, HeaderId, Index, Limits, Message, RequestBuilder, parse, reason_phrase, validate, write_response,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyTuple};
use std::net::{IpAddr, SocketAddr};

/// A request of our own. RFC 3261 §8.1.1.
///
/// What every request must have is a named argument; Content-Length is written from the body.
#[pyclass(name = "Request", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyRequest {
    bytes: Py<PyBytes>,
}

#[pymethods]
impl PyRequest {
    #[new]
    #[pyo3(signature = (method, uri, *, via, from_, to, call_id, cseq, max_forwards = 70,
        contact = None, headers = None, body = None))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        method: &Bound<'_, PyAny>,
        uri: &Bound<'_, PyAny>,
        via: &Bound<'_, PyAny>,
        from_: &Bound<'_, PyAny>,
        to: &Bound<'_, PyAny>,
        call_id: &Bound<'_, PyAny>,
        cseq: &Bound<'_, PyAny>,
        max_forwards: u8,
        contact: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        body: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = method.py();
        let method = octets(method)?;
        if !is_token(&method) {
            let method = String::from_utf8_lossy(&method);
            return Err(build_error(BuildErrorKind::Method, format!("{method:?} is not a method")));
        }
        let mut head = vec![(HeaderId::MAX_FORWARDS, max_forwards.to_string().into_bytes())];
        head.extend(many(HeaderId::VIA, via)?);
        // Via comes first, where every element of the network looks for it.
        head.rotate_left(1);
        let mut cseq_value = value::octets(cseq)?;
        if cseq.is_instance_of::<PyInt>() {
            cseq_value.push(b' ');
            cseq_value.extend_from_slice(&method);
        }
        head.push((HeaderId::FROM, value::octets(from_)?));
        head.push((HeaderId::TO, value::octets(to)?));
        head.push((HeaderId::CALL_ID, value::octets(call_id)?));
        head.push((HeaderId::CSEQ, cseq_value));
        if let Some(contact) = contact {
            head.extend(many(HeaderId::CONTACT, contact)?);
        }
        let uri = PyUri::octets_of(uri)?;
        let extra = extra(headers)?;
        let body = body_octets(body)?;
        for (_, value) in &head {
            one_line(value)?;
        }
        let mut out = Vec::with_capacity(512 + body.len());
        let mut builder = RequestBuilder::new(&method, &uri, &mut out);
        for (id, value) in &head {
            builder.fields().field(*id, value);
        }
        write_extra(builder.fields(), &extra);
        builder.body(&body);
        Ok(Self { bytes: validated(py, &out)?.unbind() })
    }

    /// The request as octets.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.bytes.bind(py).clone()
    }

    /// The request, parsed.
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMessage>> {
        parsed(self.bytes.bind(py))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        describe("Request", self.bytes.as_bytes(py))
    }
}

/// A response from its parts. To answer a request, :meth:`Message.response` is shorter. RFC 3261 §8.2.6.
#[pyclass(name = "Response", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyResponse {
    bytes: Py<PyBytes>,
}

#[pymethods]
impl PyResponse {
    #[new]
    #[pyo3(signature = (status, reason_phrase = None, *, via, from_, to, call_id, cseq, contact = None, headers = None,
        body = None))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        status: u16,
        reason_phrase: Option<&Bound<'_, PyAny>>,
        via: &Bound<'_, PyAny>,
        from_: &Bound<'_, PyAny>,
        to: &Bound<'_, PyAny>,
        call_id: &Bound<'_, PyAny>,
        cseq: &Bound<'_, PyAny>,
        contact: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        body: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let status = self::status(status)?;
        let mut head = many(HeaderId::VIA, via)?;
        head.push((HeaderId::FROM, value::octets(from_)?));
        head.push((HeaderId::TO, value::octets(to)?));
        head.push((HeaderId::CALL_ID, value::octets(call_id)?));
        head.push((HeaderId::CSEQ, value::octets(cseq)?));
        if let Some(contact) = contact {
            head.extend(many(HeaderId::CONTACT, contact)?);
        }
        let extra = extra(headers)?;
        let body = body_octets(body)?;
        let mut out = Vec::with_capacity(512 + body.len());
        write_status_line(status, &reason(status, reason_phrase)?, &mut out);
        out.extend_from_slice(b"\r\n");
        let mut fields = Fields::new(&mut out);
        for (id, value) in &head {
            one_line(value)?;
            fields.field(*id, value);
        }
        write_extra(&mut fields, &extra);
        fields.number(HeaderId::CONTENT_LENGTH, body.len() as u64);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        Ok(Self { bytes: validated(py, &out)?.unbind() })
    }

    /// The response as octets.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.bytes.bind(py).clone()
    }

    /// The response, parsed.
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMessage>> {
        parsed(self.bytes.bind(py))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        describe("Response", self.bytes.as_bytes(py))
    }
}

/// See [`PyMessage::response`].
#[allow(clippy::too_many_arguments, reason = "each is a part of the response")]
pub(crate) fn response_to<'py>(
    py: Python<'py>,
    request: &Message<'_>,
    status: u16,
    reason_phrase: Option<&Bound<'py, PyAny>>,
    to_tag: Option<&str>,
    source: Option<(String, u16)>,
    headers: Option<&Bound<'py, PyAny>>,
    body: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let source = match source {
        Some((host, port)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let address: IpAddr = host
                .parse()
                .map_err(|_| build_error(BuildErrorKind::Value, format!("{host:?} is not an IP address")))?;
            Some(SocketAddr::new(address, port))
        }
        None => None,
    };
    respond_octets(py, request, status, reason_phrase, to_tag, source, headers, body)
}

/// The same for a source that was read before.
#[allow(clippy::too_many_arguments, reason = "each is a part of the response")]
pub(crate) fn respond_octets<'py>(
    py: Python<'py>,
    request: &Message<'_>,
    status: u16,
    reason_phrase: Option<&Bound<'py, PyAny>>,
    to_tag: Option<&str>,
    source: Option<SocketAddr>,
    headers: Option<&Bound<'py, PyAny>>,
    body: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    if !request.is_request() {
        return Err(not_a("request"));
    }
    let status = self::status(status)?;
    let reason = reason(status, reason_phrase)?;
    if let Some(tag) = to_tag.filter(|tag| !is_token(tag.as_bytes())) {
        return Err(build_error(BuildErrorKind::Value, format!("{tag:?} is not a tag")));
    }
    let extra = extra(headers)?;
    let body = body_octets(body)?;
    let mut out = Vec::with_capacity(request.bytes().len() + body.len() + 128);
    let tag = to_tag.map(str::as_bytes);
    write_response(request, status, &reason, tag, source, |fields| write_extra(fields, &extra), &body, &mut out);
    Ok(PyBytes::new(py, &out))
}

/// A status code that may be written. RFC 3261 §7.2.
pub(crate) fn status(status: u16) -> PyResult<u16> {
    if (100..700).contains(&status) {
        Ok(status)
    } else {
        Err(build_error(BuildErrorKind::Status, format!("{status} is not a status code")))
    }
}

/// The reason phrase given, or the usual one.
pub(crate) fn reason(status: u16, reason: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<u8>> {
    match reason {
        None => Ok(reason_phrase(status).as_bytes().to_vec()),
        Some(reason) => {
            let reason = octets(reason)?;
            one_line(&reason)?;
            Ok(reason.into_owned())
        }
    }
}

/// `SIP-Version SP Status-Code SP Reason-Phrase` without CRLF.
pub(crate) fn write_status_line(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("SIP/2.0 {status} ").as_bytes());
    out.extend_from_slice(reason);
}

/// The message is a response where a request is needed, or the other way round.
#[cold]
pub(crate) fn not_a(wanted: &str) -> PyErr {
    build_error(BuildErrorKind::StartLine, format!("The message is not a {wanted}"))
}

/// One value, or a list of them.
fn many(id: HeaderId, values: &Bound<'_, PyAny>) -> PyResult<Vec<(HeaderId, Vec<u8>)>> {
    if values.is_instance_of::<PyList>() || values.is_instance_of::<PyTuple>() {
        values.try_iter()?.map(|value| Ok((id, value::octets(&value?)?))).collect()
    } else {
        Ok(vec![(id, value::octets(values)?)])
    }
}

/// The other fields, each of which may be written.
fn extra(headers: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<(String, Vec<u8>)>> {
    let pairs = value::pairs(headers)?;
    for (name, value) in &pairs {
        line(name, value)?;
        if HeaderId::from_name(name.as_bytes()) == HeaderId::CONTENT_LENGTH {
            return Err(build_error(BuildErrorKind::Value, "Content-Length is written from the body".into()));
        }
    }
    Ok(pairs)
}

fn write_extra(fields: &mut Fields<'_>, extra: &[(String, Vec<u8>)]) {
    for (name, value) in extra {
        fields.named(name.as_bytes(), value);
    }
}

fn body_octets(body: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<u8>> {
    body.map_or_else(|| Ok(Vec::new()), |body| Ok(octets(body)?.into_owned()))
}

/// Refuses what we would refuse from others.
pub(crate) fn validated<'py>(py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let mut index = Index::new();
    let limits = Limits::default();
    let view = parse(message, &mut index, &limits).map_err(parse_error)?;
    validate(&view, &limits).map_err(|rejection| build_error(BuildErrorKind::Value, rejection.reason.into()))?;
    Ok(PyBytes::new(py, message))
}

fn parsed<'py>(bytes: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyMessage>> {
    crate::parse::trusted(bytes.py(), Piece::whole(bytes.clone()))
}

fn describe(class: &str, message: &[u8]) -> String {
    let end = message.windows(2).position(|window| window == b"\r\n").unwrap_or(message.len());
    format!("<{class} {:?}>", String::from_utf8_lossy(&message[..end]))
}
