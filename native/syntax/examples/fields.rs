//! Prints what a server reads of a message from standard input, and every field by name.
//! `cargo run -p dialplane-syntax --example fields < message.sip`

use dialplane_syntax::{Index, Limits, parse};
use std::error::Error;
use std::io::Read as _;

fn main() -> Result<(), Box<dyn Error>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let mut index = Index::new();
    let message = parse(&bytes, &mut index, &Limits::default())?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match (message.method_name(), message.status()) {
        (Some(method), _) => println!("request {}", text(method)),
        (None, status) => println!("response {}", status.unwrap_or_default()),
    }
    for via in message.vias() {
        println!("via {}", via.map_or_else(|error| error.to_string(), |via| text(via.sent_by())));
    }
    for field in message.fields() {
        for element in field.elements() {
            println!("{}: {}", text(field.name), text(element.value));
        }
    }
    Ok(())
}
