//! Option tags of Require, Proxy-Require, Supported and Unsupported. RFC 3261 §19.2.

use super::HeaderId;
use crate::field::Elements;
use crate::message::Message;

/// The option tags over all fields of that name, empty elements left out.
#[must_use]
pub fn option_tags<'b>(message: &Message<'b>, header: HeaderId) -> OptionTags<'b> {
    OptionTags { elements: message.elements(header) }
}

/// See [`option_tags`]. Tags compare without case (RFC 3261 §7.3.1: tokens are case-insensitive).
#[derive(Clone, Debug)]
pub struct OptionTags<'b> {
    elements: Elements<'b>,
}

impl<'b> Iterator for OptionTags<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            let element = self.elements.next()?;
            if !element.value.is_empty() {
                return Some(element.value);
            }
        }
    }
}
