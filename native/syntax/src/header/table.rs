//! The header table: one row per header field name that has an id. RFC 3261 §20, §7.3.3 (compact forms).
//!
//! To add a header, add a row; the perfect hash of `lookup.rs` is checked when the crate is compiled.

use super::HeaderId;

/// How the values of several fields of one name relate. RFC 3261 §7.3.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// Several fields are allowed but never joined by commas (the authentication fields).
    Lines,
    /// A comma-separated list; several fields mean the same as one.
    List,
    /// One value, one field.
    Single,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name as usually written.
    pub name: &'static str,
    /// The compact form, if it has one.
    pub compact: Option<u8>,
    /// List or single.
    pub shape: Shape,
    /// Where it is defined.
    pub reference: &'static str,
}

macro_rules! table {
    ($($id:ident $name:literal $compact:expr, $shape:ident, $reference:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "only counts the rows")]
        #[repr(u8)]
        enum Ordinal { $($id,)* OTHER }

        impl HeaderId {
            $(#[doc = concat!("`", $name, "`, ", $reference, ".")] pub const $id: Self = Self(Ordinal::$id as u8);)*
            /// Every name that is not in the table.
            pub const OTHER: Self = Self(Ordinal::OTHER as u8);
            /// Number of ids, [`HeaderId::OTHER`] included.
            pub const COUNT: usize = Ordinal::OTHER as usize + 1;
        }

        /// The rows, in order of id; [`HeaderId::OTHER`] has none.
        pub static TABLE: [Row; HeaderId::COUNT - 1] = ROWS;

        pub(super) const ROWS: [Row; HeaderId::COUNT - 1] = [
            $(Row { name: $name, compact: $compact, shape: Shape::$shape, reference: $reference },)*
        ];
    };
}

table! {
    VIA "Via" Some(b'v'), List, "RFC 3261 §20.42";
    FROM "From" Some(b'f'), Single, "RFC 3261 §20.20";
    TO "To" Some(b't'), Single, "RFC 3261 §20.39";
    CALL_ID "Call-ID" Some(b'i'), Single, "RFC 3261 §20.8";
    CSEQ "CSeq" None, Single, "RFC 3261 §20.16";
    MAX_FORWARDS "Max-Forwards" None, Single, "RFC 3261 §20.22";
    CONTENT_LENGTH "Content-Length" Some(b'l'), Single, "RFC 3261 §20.14";
    CONTACT "Contact" Some(b'm'), List, "RFC 3261 §20.10";
    ROUTE "Route" None, List, "RFC 3261 §20.34";
    RECORD_ROUTE "Record-Route" None, List, "RFC 3261 §20.30";
    EXPIRES "Expires" None, Single, "RFC 3261 §20.19";
    AUTHORIZATION "Authorization" None, Lines, "RFC 3261 §20.7";
    PROXY_AUTHORIZATION "Proxy-Authorization" None, Lines, "RFC 3261 §20.28";
    WWW_AUTHENTICATE "WWW-Authenticate" None, Lines, "RFC 3261 §20.44";
    PROXY_AUTHENTICATE "Proxy-Authenticate" None, Lines, "RFC 3261 §20.27";
    REQUIRE "Require" None, List, "RFC 3261 §20.32";
    PROXY_REQUIRE "Proxy-Require" None, List, "RFC 3261 §20.29";
    SUPPORTED "Supported" Some(b'k'), List, "RFC 3261 §20.37";
    UNSUPPORTED "Unsupported" None, List, "RFC 3261 §20.40";
    PATH "Path" None, List, "RFC 3327 §4";
    MAX_BREADTH "Max-Breadth" None, Single, "RFC 5393 §5.8";
    ACCEPT "Accept" None, List, "RFC 3261 §20.1";
    ACCEPT_CONTACT "Accept-Contact" Some(b'a'), List, "RFC 3841 §10";
    ACCEPT_ENCODING "Accept-Encoding" None, List, "RFC 3261 §20.2";
    ACCEPT_LANGUAGE "Accept-Language" None, List, "RFC 3261 §20.3";
    ACCEPT_RESOURCE_PRIORITY "Accept-Resource-Priority" None, List, "RFC 4412 §3.2";
    ALERT_INFO "Alert-Info" None, List, "RFC 3261 §20.4";
    ALLOW "Allow" None, List, "RFC 3261 §20.5";
    ALLOW_EVENTS "Allow-Events" Some(b'u'), List, "RFC 6665 §8.2.2";
    ANSWER_MODE "Answer-Mode" None, Single, "RFC 5373 §2";
    AUTHENTICATION_INFO "Authentication-Info" None, Lines, "RFC 3261 §20.6";
    CALL_INFO "Call-Info" None, List, "RFC 3261 §20.9";
    CONTENT_DISPOSITION "Content-Disposition" None, Single, "RFC 3261 §20.11";
    CONTENT_ENCODING "Content-Encoding" Some(b'e'), List, "RFC 3261 §20.12";
    CONTENT_ID "Content-ID" None, Single, "RFC 8262 §3.2";
    CONTENT_LANGUAGE "Content-Language" None, List, "RFC 3261 §20.13";
    CONTENT_TYPE "Content-Type" Some(b'c'), Single, "RFC 3261 §20.15";
    DATE "Date" None, Single, "RFC 3261 §20.17";
    DIVERSION "Diversion" None, List, "RFC 6044 §3.2";
    ERROR_INFO "Error-Info" None, List, "RFC 3261 §20.18";
    EVENT "Event" Some(b'o'), Single, "RFC 6665 §8.2.1";
    FEATURE_CAPS "Feature-Caps" None, List, "RFC 6809 §6.2.1";
    FLOW_TIMER "Flow-Timer" None, Single, "RFC 5626 §10";
    GEOLOCATION "Geolocation" None, List, "RFC 6442 §4.1";
    GEOLOCATION_ERROR "Geolocation-Error" None, Single, "RFC 6442 §4.4";
    GEOLOCATION_ROUTING "Geolocation-Routing" None, Single, "RFC 6442 §4.2";
    HISTORY_INFO "History-Info" None, List, "RFC 7044 §5";
    IDENTITY "Identity" Some(b'y'), List, "RFC 8224 §4";
    IDENTITY_INFO "Identity-Info" Some(b'n'), Single, "RFC 4474 §9";
    INFO_PACKAGE "Info-Package" None, Single, "RFC 6086 §9.2";
    IN_REPLY_TO "In-Reply-To" None, List, "RFC 3261 §20.21";
    JOIN "Join" None, Single, "RFC 3911 §7.1";
    MIME_VERSION "MIME-Version" None, Single, "RFC 3261 §20.24";
    MIN_EXPIRES "Min-Expires" None, Single, "RFC 3261 §20.23";
    MIN_SE "Min-SE" None, Single, "RFC 4028 §5";
    ORGANIZATION "Organization" None, Single, "RFC 3261 §20.25";
    P_ACCESS_NETWORK_INFO "P-Access-Network-Info" None, List, "RFC 7315 §5.4";
    P_ASSERTED_IDENTITY "P-Asserted-Identity" None, List, "RFC 3325 §9.1";
    P_ASSERTED_SERVICE "P-Asserted-Service" None, List, "RFC 6050 §4.1";
    P_ASSOCIATED_URI "P-Associated-URI" None, List, "RFC 7315 §5.1";
    P_CALLED_PARTY_ID "P-Called-Party-ID" None, Single, "RFC 7315 §5.2";
    P_CHARGING_FUNCTION_ADDRESSES "P-Charging-Function-Addresses" None, List, "RFC 7315 §5.5";
    P_CHARGING_VECTOR "P-Charging-Vector" None, Single, "RFC 7315 §5.6";
    P_EARLY_MEDIA "P-Early-Media" None, List, "RFC 5009 §9";
    P_MEDIA_AUTHORIZATION "P-Media-Authorization" None, List, "RFC 3313 §5.1";
    P_PREFERRED_IDENTITY "P-Preferred-Identity" None, List, "RFC 3325 §9.2";
    P_PREFERRED_SERVICE "P-Preferred-Service" None, List, "RFC 6050 §4.2";
    P_PRIVATE_NETWORK_INDICATION "P-Private-Network-Indication" None, Single, "RFC 7316 §7";
    P_PROFILE_KEY "P-Profile-Key" None, Single, "RFC 5002 §5";
    P_REFUSED_URI_LIST "P-Refused-URI-List" None, List, "RFC 5318 §5";
    P_SERVED_USER "P-Served-User" None, Single, "RFC 5502 §6";
    P_VISITED_NETWORK_ID "P-Visited-Network-ID" None, List, "RFC 7315 §5.3";
    PERMISSION_MISSING "Permission-Missing" None, List, "RFC 5360 §5.9.3";
    PRIORITY "Priority" None, Single, "RFC 3261 §20.26";
    PRIV_ANSWER_MODE "Priv-Answer-Mode" None, Single, "RFC 5373 §2";
    PRIVACY "Privacy" None, Single, "RFC 3323 §4.2";
    RACK "RAck" None, Single, "RFC 3262 §7.2";
    REASON "Reason" None, List, "RFC 3326 §2";
    RECV_INFO "Recv-Info" None, List, "RFC 6086 §9.2";
    REFER_EVENTS_AT "Refer-Events-At" None, Single, "RFC 7614 §4.8";
    REFER_SUB "Refer-Sub" None, Single, "RFC 4488 §4";
    REFER_TO "Refer-To" Some(b'r'), Single, "RFC 3515 §2.1";
    REFERRED_BY "Referred-By" Some(b'b'), Single, "RFC 3892 §3";
    REJECT_CONTACT "Reject-Contact" Some(b'j'), List, "RFC 3841 §10";
    REPLACES "Replaces" None, Single, "RFC 3891 §6.1";
    REPLY_TO "Reply-To" None, Single, "RFC 3261 §20.31";
    REQUEST_DISPOSITION "Request-Disposition" Some(b'd'), List, "RFC 3841 §10";
    RESOURCE_PRIORITY "Resource-Priority" None, List, "RFC 4412 §3.1";
    RETRY_AFTER "Retry-After" None, Single, "RFC 3261 §20.33";
    RSEQ "RSeq" None, Single, "RFC 3262 §7.1";
    SECURITY_CLIENT "Security-Client" None, List, "RFC 3329 §2.2";
    SECURITY_SERVER "Security-Server" None, List, "RFC 3329 §2.2";
    SECURITY_VERIFY "Security-Verify" None, List, "RFC 3329 §2.2";
    SERVER "Server" None, Single, "RFC 3261 §20.35";
    SERVICE_ROUTE "Service-Route" None, List, "RFC 3608 §5";
    SESSION_EXPIRES "Session-Expires" Some(b'x'), Single, "RFC 4028 §4";
    SESSION_ID "Session-ID" None, Single, "RFC 7989 §5";
    SIP_ETAG "SIP-ETag" None, Single, "RFC 3903 §11.3.1";
    SIP_IF_MATCH "SIP-If-Match" None, Single, "RFC 3903 §11.3.2";
    SUBJECT "Subject" Some(b's'), Single, "RFC 3261 §20.36";
    SUBSCRIPTION_STATE "Subscription-State" None, Single, "RFC 6665 §8.2.3";
    SUPPRESS_IF_MATCH "Suppress-If-Match" None, Single, "RFC 5839 §7.3";
    TARGET_DIALOG "Target-Dialog" None, Single, "RFC 4538 §7";
    TIMESTAMP "Timestamp" None, Single, "RFC 3261 §20.38";
    TRIGGER_CONSENT "Trigger-Consent" None, List, "RFC 5360 §5.11.2";
    USER_AGENT "User-Agent" None, Single, "RFC 3261 §20.41";
    USER_TO_USER "User-to-User" None, List, "RFC 7433 §4.1";
    WARNING "Warning" None, List, "RFC 3261 §20.43";
}
