//! The Date header field. RFC 3261 §20.17: the format of RFC 1123, always GMT.

/// The text of the latest second that was asked for; a busy registrar asks a thousand times for the same.
#[derive(Clone, Debug)]
pub(super) struct Date {
    unix: u64,
    text: [u8; LEN],
}

impl Date {
    /// `Sat, 13 Nov 2010 23:29:00 GMT`.
    pub(super) fn text(&mut self, unix: u64) -> &[u8; LEN] {
        if self.unix != unix {
            *self = Self { unix, text: write(unix) };
        }
        &self.text
    }
}

impl Default for Date {
    fn default() -> Self {
        Self { unix: 0, text: write(0) }
    }
}

const LEN: usize = 29;

fn write(unix: u64) -> [u8; LEN] {
    let (days, second) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let name = |names: &'static [u8], place: u64| names.chunks_exact(3).nth(place as usize).unwrap_or(b"???");
    // Day 0 was a Thursday.
    text[..3].copy_from_slice(name(b"ThuFriSatSunMonTueWed", days % 7));
    text[8..11].copy_from_slice(name(b"JanFebMarAprMayJunJulAugSepOctNovDec", month - 1));
    for (at, number) in
        [(5, day), (12, year / 100), (14, year), (17, second / 3600), (20, second / 60 % 60), (23, second % 60)]
    {
        text[at] = b'0' + (number / 10 % 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    }
    text
}

/// Year, month and day of a day since 1970-01-01. Counts in eras of 400 years that begin on 1 March, so that the leap
/// day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (unix, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            // RFC 3261 §20.17
            (1_289_690_940, "Sat, 13 Nov 2010 23:29:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            let mut date = Date::default();
            assert_eq!(std::str::from_utf8(date.text(unix)).expect("text"), expected);
            assert_eq!(std::str::from_utf8(date.text(unix)).expect("text"), expected, "from memory");
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut before = civil(0);
        for day in 1..200_000 {
            let today = civil(day);
            let next = today.2 == before.2 + 1 && today.0 == before.0 && today.1 == before.1;
            let month = today.2 == 1 && before.2 >= 28 && (today.1 == before.1 + 1 && today.0 == before.0);
            let year = today == (before.0 + 1, 1, 1) && before.1 == 12 && before.2 == 31;
            assert!(next || month || year, "{before:?} then {today:?}");
            before = today;
        }
    }
}
