//! Redirect server: contacts instead of a forward. RFC 3261 §8.3, §21.3.

use crate::counter::Counter;
use crate::proxy::request::Request;
use crate::registrar::lookup::by_preference;
use crate::registrar::record::Bindings;
use crate::respond::Answer;
use crate::routing::{MAX_SYMBOLS, Number};
use crate::store::{NumberTable, Store};
use crate::turn::{Step, Turn};
use dialplane_syntax::{HeaderId, NameAddr, Uri};

/// Contacts that one response names.
const MOST_CONTACTS: usize = 16;

impl<'b, S: Store> Turn<'_, 'b, S> {
    /// Contacts of the configuration, in its order.
    pub(crate) fn redirect_to_contacts(&mut self, contacts: &[Box<[u8]>], status: u16) -> Step {
        let mut lines = self.lines();
        for contact in contacts.iter().take(MOST_CONTACTS) {
            push_contact(contact, b"", &mut lines);
        }
        self.redirect(lines, status)
    }

    /// The bindings of the request URI, by q (§8.3: ordered as §20.10 wants them).
    pub(crate) fn redirect_to_bindings(&mut self, request: &Request<'b>, status: u16) -> Step {
        let Some(uri) = request.sip_uri() else {
            return self.refuse(416);
        };
        let mut value = std::mem::take(&mut self.work.value);
        let mut lines = self.lines();
        let read = self.read_bindings(request, &uri, &mut value).and_then(|gruu| {
            let now = self.now.unix();
            let bindings = Bindings::read(&value).map_err(|_| self.refuse(500))?;
            let mut found = by_preference(bindings, now);
            if let Some(gruu) = &gruu
                && !gruu.select(&self.snapshot.registrar.gruu, &mut found)
            {
                return Err(self.unknown(request));
            }
            for binding in found.iter().take(MOST_CONTACTS) {
                lines.extend_from_slice(b"Contact: <");
                lines.extend_from_slice(binding.contact);
                lines.push(b'>');
                if let Some(q) = binding.q {
                    lines.extend_from_slice(b";q=");
                    q.write(&mut lines);
                }
                lines.extend_from_slice(b"\r\n");
            }
            Ok(())
        });
        self.work.value = value;
        if let Err(step) = read {
            self.work.lines = lines;
            return step;
        }
        if lines.is_empty() {
            self.work.lines = lines;
            self.work.counters.count(Counter::LookupMisses);
            return self.not_found(&uri);
        }
        self.work.counters.count(Counter::LookupHits);
        self.redirect(lines, status)
    }

    /// What a number table says of the number in the request URI; 404 when it says nothing.
    pub(crate) fn redirect_by_number(&mut self, request: &Request<'b>, table: &dyn NumberTable, status: u16) -> Step {
        let user = match request.uri {
            Uri::Sip(sip) => sip.user,
            Uri::Tel(tel) => Some(tel.number),
            Uri::Other { .. } => None,
        };
        let mut buffer = [0; MAX_SYMBOLS];
        let digits = user.and_then(Number::read).and_then(|number| number.digits(&mut buffer));
        let Some((matched, value)) = digits.and_then(|digits| table.longest(digits)) else {
            self.work.counters.count(Counter::LookupMisses);
            return self.refuse(404);
        };
        self.work.counters.count(Counter::LookupHits);
        self.work.note(|| format!("{matched} digits found: {}", String::from_utf8_lossy(value)));
        let mut lines = self.lines();
        for contact in each(value).take(MOST_CONTACTS) {
            push_contact(contact, user.unwrap_or_default(), &mut lines);
        }
        self.redirect(lines, status)
    }

    fn redirect(&mut self, lines: Vec<u8>, status: u16) -> Step {
        self.work.counters.count(Counter::Redirected);
        let step = self.respond(Answer { status, reason: b"", lines: &lines });
        self.work.lines = lines;
        step
    }

    pub(crate) fn lines(&mut self) -> Vec<u8> {
        let mut lines = std::mem::take(&mut self.work.lines);
        lines.clear();
        lines
    }
}

/// Whether a value of a number table is one or more contacts, as [`NumberTable::longest`] is to give them.
#[must_use]
pub fn are_contacts(value: &[u8]) -> bool {
    let is_contact = |contact| {
        let mut text = Vec::with_capacity(value.len() + 2);
        push_value(contact, b"0", &mut text);
        NameAddr::parse(&text, 0, HeaderId::CONTACT).is_ok_and(|contact| contact.parsed_uri().is_ok())
    };
    each(value).next().is_some() && each(value).all(is_contact)
}

/// The contacts of a value, which are separated by blanks.
fn each(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&octet| octet == b' ').filter(|contact| !contact.is_empty())
}

/// One Contact line.
fn push_contact(contact: &[u8], user: &[u8], lines: &mut Vec<u8>) {
    lines.extend_from_slice(b"Contact: ");
    push_value(contact, user, lines);
    lines.extend_from_slice(b"\r\n");
}

/// `{user}` in the URI stands for the user part that was asked for; a value without angle brackets gets them, so that its
/// parameters stay those of the URI.
fn push_value(contact: &[u8], user: &[u8], out: &mut Vec<u8>) {
    let bare = !contact.contains(&b'<');
    if bare {
        out.push(b'<');
    }
    match contact.windows(6).position(|window| window == b"{user}") {
        Some(at) => {
            out.extend_from_slice(&contact[..at]);
            out.extend_from_slice(user);
            out.extend_from_slice(&contact[at + 6..]);
        }
        None => out.extend_from_slice(contact),
    }
    if bare {
        out.push(b'>');
    }
}

#[cfg(test)]
mod tests {
    use super::are_contacts;

    #[test]
    fn what_a_table_may_say() {
        for value in
            ["sip:{user}@192.0.2.1", "sip:a@b;q=0.5 tel:+49301", "<sip:a@b;lr>;q=0.5", " sips:b  https://x/{user} "]
        {
            assert!(are_contacts(value.as_bytes()), "{value}");
        }
        for value in ["", " ", "de", "sip:", "sip:a@b de", "<sip:a@b", "192.0.2.1:5060"] {
            assert!(!are_contacts(value.as_bytes()), "{value}");
        }
    }
}
