//! Numbers at places that may not exist.

/// The octets from `at` on; empty behind the end.
#[inline(always)]
pub(crate) fn from(octets: &[u8], at: usize) -> &[u8] {
    octets.get(at..).unwrap_or_default()
}

#[inline(always)]
fn at<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    from(octets, at).first_chunk().copied()
}

/// 16 bits in network order.
#[inline(always)]
pub(crate) fn net16(octets: &[u8], place: usize) -> Option<u16> {
    at(octets, place).map(u16::from_be_bytes)
}

/// 32 bits in network order.
#[inline(always)]
pub(crate) fn net32(octets: &[u8], place: usize) -> Option<u32> {
    at(octets, place).map(u32::from_be_bytes)
}

/// The order of octets in which a capture was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Big,
    Little,
}

impl Order {
    #[inline(always)]
    pub(crate) fn u16(self, octets: &[u8], place: usize) -> Option<u16> {
        at(octets, place)
            .map(|number| if self == Self::Big { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) })
    }

    #[inline(always)]
    pub(crate) fn u32(self, octets: &[u8], place: usize) -> Option<u32> {
        at(octets, place)
            .map(|number| if self == Self::Big { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) })
    }
}
