//! Requests for one instance of a user, by its globally routable URI. RFC 5627 §6.

use super::request::Request;
use crate::counter::Counter;
use crate::registrar::gruu::Named;
use crate::registrar::lookup::by_preference;
use crate::registrar::record::Bindings;
use crate::store::{Store, Table as _};
use crate::turn::{Step, Turn};
use dialplane_syntax::uri::write_aor;
use dialplane_syntax::{HeaderId, Method, SipUri, Uri};

/// What has the parameter `gr` and is no GRUU of ours.
pub(crate) struct NotOurs;

impl<'b, S: Store> Turn<'_, 'b, S> {
    /// Appends the address-of-record whose bindings a URI means, and tells which of them if it is a GRUU.
    pub(crate) fn bound(&self, uri: &SipUri<'_>, aor: &mut Vec<u8>) -> Result<Option<Named>, NotOurs> {
        let Some(gr) = uri.params.find(b"gr") else {
            write_aor(&Uri::Sip(*uri), aor);
            return Ok(None);
        };
        let named = Named::read(&self.snapshot.registrar.gruu, uri.user.unwrap_or_default(), gr).ok_or(NotOurs)?;
        match &named {
            Named::Public(_) => drop(write_aor(&Uri::Sip(*uri), aor)),
            Named::Temporary { aor: whose, .. } => aor.extend_from_slice(whose),
        }
        Ok(Some(named))
    }

    /// The contact that a request inside a dialog is for, if its URI is a GRUU of ours (§6.1); its Route says by which
    /// way, so the Path of the binding does not count.
    pub(super) fn contact_of_gruu(&mut self, request: &Request<'b>) -> Result<Option<Vec<u8>>, Step> {
        let Some(uri) = request.sip_uri().filter(|uri| uri.params.contains(b"gr") && self.snapshot.is_own(uri)) else {
            return Ok(None);
        };
        let (mut aor, mut record) = (Vec::new(), Vec::new());
        let Ok(Some(named)) = self.bound(&uri, &mut aor) else { return Err(self.unknown(request)) };
        if self.store.bindings().read(&aor, &mut record).is_err() {
            self.work.counters.count(Counter::StoreErrors);
            return Err(self.refuse(500));
        }
        let Ok(bindings) = Bindings::read(&record) else { return Err(self.refuse(500)) };
        let mut bindings = by_preference(bindings, self.now.unix());
        if !named.select(&self.snapshot.registrar.gruu, &mut bindings) {
            return Err(self.unknown(request));
        }
        match bindings.first() {
            Some(binding) => Ok(Some(binding.contact.to_vec())),
            None if request.method == Method::Ack => Err(Step::Done),
            None => Err(self.refuse(480)),
        }
    }

    /// 404, which an ACK does not get.
    pub(crate) fn unknown(&mut self, request: &Request<'b>) -> Step {
        self.work.counters.count(Counter::LookupMisses);
        match request.method {
            Method::Ack => Step::Done,
            Method::Cancel => self.refuse(481),
            _ => self.refuse(404),
        }
    }

    /// §6.2: whether we have to stay in the path of a dialog, since its later requests come to us anyway: its Contact is a
    /// GRUU of ours.
    pub(super) fn is_contact_ours(&self) -> bool {
        self.message.contains(HeaderId::RECORD_ROUTE)
            && self.message.elements(HeaderId::CONTACT).next().is_some_and(|element| {
                let contact = dialplane_syntax::NameAddr::parse(element.value, 0, HeaderId::CONTACT);
                let is_ours = |uri: &Uri<'_>| matches!(uri, Uri::Sip(uri) if uri.params.contains(b"gr") && self.snapshot.is_own(uri));
                contact.is_ok_and(|contact| contact.parsed_uri().is_ok_and(|uri| is_ours(&uri)))
            })
    }
}
