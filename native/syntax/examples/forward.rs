//! Forwards a message from standard input to standard output as a stateless proxy does it (RFC 3261 §16.6): one hop less, a Via on top.
//! `cargo run -p dialplane-syntax --example forward < message.sip`

use dialplane_syntax::{Edits, HeaderId, Index, Limits, check, parse};
use std::error::Error;
use std::io::{Read as _, Write as _};

fn main() -> Result<(), Box<dyn Error>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let (mut index, limits) = (Index::new(), Limits::default());
    let message = parse(&bytes, &mut index, &limits)?;
    let essentials = check(&message, &limits)?;
    let hops = essentials.max_forwards.unwrap_or(70).checked_sub(1).ok_or("483 Too Many Hops")?;

    let mut edits = Edits::new();
    edits.insert(message.fields_start(), b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKexample\r\n");
    match message.first(HeaderId::MAX_FORWARDS) {
        Some(field) => edits.replace(field.value_range(), hops.to_string().as_bytes()),
        None => edits.insert(message.fields_start(), format!("Max-Forwards: {hops}\r\n").as_bytes()),
    }
    let mut out = Vec::new();
    edits.apply(message.bytes(), &mut out);
    std::io::stdout().write_all(&out)?;
    Ok(())
}
