# The SIP parser of dialplane for Cython. Made by cbindgen from native/capi/src; do not edit. dialplane.h says what the functions do.
#
# An extension takes the table once and calls through it, with the lock or without; nothing here makes a Python object. It is compiled
# with dialplane_native.get_include() among its include_dirs.
#
#     from dialplane_native cimport dp_api, dp_import
#     cdef const dp_api *sip = dp_import()

from libc.stdint cimport int32_t, uint8_t, uint32_t

cdef extern from "dialplane.h":
    # Header ids, for `id` of a field.
    enum:
        DP_HEADER_VIA
        DP_HEADER_FROM
        DP_HEADER_TO
        DP_HEADER_CALL_ID
        DP_HEADER_CSEQ
        DP_HEADER_MAX_FORWARDS
        DP_HEADER_CONTENT_LENGTH
        DP_HEADER_CONTACT
        DP_HEADER_ROUTE
        DP_HEADER_RECORD_ROUTE
        DP_HEADER_EXPIRES
        DP_HEADER_AUTHORIZATION
        DP_HEADER_PROXY_AUTHORIZATION
        DP_HEADER_WWW_AUTHENTICATE
        DP_HEADER_PROXY_AUTHENTICATE
        DP_HEADER_REQUIRE
        DP_HEADER_PROXY_REQUIRE
        DP_HEADER_SUPPORTED
        DP_HEADER_UNSUPPORTED
        DP_HEADER_PATH
        DP_HEADER_MAX_BREADTH
        DP_HEADER_ACCEPT
        DP_HEADER_ACCEPT_CONTACT
        DP_HEADER_ACCEPT_ENCODING
        DP_HEADER_ACCEPT_LANGUAGE
        DP_HEADER_ACCEPT_RESOURCE_PRIORITY
        DP_HEADER_ALERT_INFO
        DP_HEADER_ALLOW
        DP_HEADER_ALLOW_EVENTS
        DP_HEADER_ANSWER_MODE
        DP_HEADER_AUTHENTICATION_INFO
        DP_HEADER_CALL_INFO
        DP_HEADER_CONTENT_DISPOSITION
        DP_HEADER_CONTENT_ENCODING
        DP_HEADER_CONTENT_ID
        DP_HEADER_CONTENT_LANGUAGE
        DP_HEADER_CONTENT_TYPE
        DP_HEADER_DATE
        DP_HEADER_DIVERSION
        DP_HEADER_ERROR_INFO
        DP_HEADER_EVENT
        DP_HEADER_FEATURE_CAPS
        DP_HEADER_FLOW_TIMER
        DP_HEADER_GEOLOCATION
        DP_HEADER_GEOLOCATION_ERROR
        DP_HEADER_GEOLOCATION_ROUTING
        DP_HEADER_HISTORY_INFO
        DP_HEADER_IDENTITY
        DP_HEADER_IDENTITY_INFO
        DP_HEADER_INFO_PACKAGE
        DP_HEADER_IN_REPLY_TO
        DP_HEADER_JOIN
        DP_HEADER_MIME_VERSION
        DP_HEADER_MIN_EXPIRES
        DP_HEADER_MIN_SE
        DP_HEADER_ORGANIZATION
        DP_HEADER_P_ACCESS_NETWORK_INFO
        DP_HEADER_P_ASSERTED_IDENTITY
        DP_HEADER_P_ASSERTED_SERVICE
        DP_HEADER_P_ASSOCIATED_URI
        DP_HEADER_P_CALLED_PARTY_ID
        DP_HEADER_P_CHARGING_FUNCTION_ADDRESSES
        DP_HEADER_P_CHARGING_VECTOR
        DP_HEADER_P_EARLY_MEDIA
        DP_HEADER_P_MEDIA_AUTHORIZATION
        DP_HEADER_P_PREFERRED_IDENTITY
        DP_HEADER_P_PREFERRED_SERVICE
        DP_HEADER_P_PRIVATE_NETWORK_INDICATION
        DP_HEADER_P_PROFILE_KEY
        DP_HEADER_P_REFUSED_URI_LIST
        DP_HEADER_P_SERVED_USER
        DP_HEADER_P_VISITED_NETWORK_ID
        DP_HEADER_PERMISSION_MISSING
        DP_HEADER_PRIORITY
        DP_HEADER_PRIV_ANSWER_MODE
        DP_HEADER_PRIVACY
        DP_HEADER_RACK
        DP_HEADER_REASON
        DP_HEADER_RECV_INFO
        DP_HEADER_REFER_EVENTS_AT
        DP_HEADER_REFER_SUB
        DP_HEADER_REFER_TO
        DP_HEADER_REFERRED_BY
        DP_HEADER_REJECT_CONTACT
        DP_HEADER_REPLACES
        DP_HEADER_REPLY_TO
        DP_HEADER_REQUEST_DISPOSITION
        DP_HEADER_RESOURCE_PRIORITY
        DP_HEADER_RETRY_AFTER
        DP_HEADER_RSEQ
        DP_HEADER_SECURITY_CLIENT
        DP_HEADER_SECURITY_SERVER
        DP_HEADER_SECURITY_VERIFY
        DP_HEADER_SERVER
        DP_HEADER_SERVICE_ROUTE
        DP_HEADER_SESSION_EXPIRES
        DP_HEADER_SESSION_ID
        DP_HEADER_SIP_ETAG
        DP_HEADER_SIP_IF_MATCH
        DP_HEADER_SUBJECT
        DP_HEADER_SUBSCRIPTION_STATE
        DP_HEADER_SUPPRESS_IF_MATCH
        DP_HEADER_TARGET_DIALOG
        DP_HEADER_TIMESTAMP
        DP_HEADER_TRIGGER_CONSENT
        DP_HEADER_USER_AGENT
        DP_HEADER_USER_TO_USER
        DP_HEADER_WARNING
        DP_HEADER_OTHER


cdef extern from "dialplane.h":

    # Version of this interface. It grows when a function or a structure changes in a way that a program has to be compiled anew for.
    const uint32_t DP_ABI_VERSION # = 1

    # What a function says. 0 is success.
    ctypedef enum dp_status:
        # It is done.
        DP_STATUS_OK # = 0,
        # The stream holds the beginning of a message, or nothing.
        DP_STATUS_PARTIAL # = 1,
        # No such field, or no further one.
        DP_STATUS_MISSING # = 2,
        # The value does not follow its grammar.
        DP_STATUS_MALFORMED # = 3,
        # A number too large for its field.
        DP_STATUS_OUT_OF_RANGE # = 4,
        # More than one field or parameter where one is allowed.
        DP_STATUS_REPEATED # = 5,
        # Readable, but to be refused; the rejection says with what.
        DP_STATUS_REFUSED # = 6,
        # The buffer of the caller is too small.
        DP_STATUS_NO_ROOM # = 7,
        # A null pointer, or a handle without a message: a fault of the caller.
        DP_STATUS_ARGUMENT # = 8,
        # A fault of this library.
        DP_STATUS_INTERNAL # = 9,
        # Content-Length is not a number or does not fit.
        DP_STATUS_CONTENT_LENGTH # = 32,
        # Content-Length fields that differ.
        DP_STATUS_CONTENT_LENGTH_CONFLICT # = 33,
        # Content-Length goes behind the end of the datagram.
        DP_STATUS_CONTENT_LENGTH_EXCEEDS # = 34,
        # A stream message without Content-Length.
        DP_STATUS_CONTENT_LENGTH_MISSING # = 35,
        # A control character, a bare CR or a bare LF in the head.
        DP_STATUS_CONTROL_CHARACTER # = 36,
        # No octets, or only line ends: a keep-alive.
        DP_STATUS_EMPTY # = 37,
        # A header field longer than the limit.
        DP_STATUS_FIELD_TOO_LONG # = 38,
        # A header line without a colon or with a name that is no token.
        DP_STATUS_HEADER_LINE # = 39,
        # The start line is followed by a line that begins with a blank.
        DP_STATUS_LEADING_FOLD # = 40,
        # Longer than the limit.
        DP_STATUS_MESSAGE_TOO_LONG # = 41,
        # Neither a request line nor a status line of SIP.
        DP_STATUS_NOT_SIP # = 42,
        # A malformed start line.
        DP_STATUS_START_LINE # = 43,
        # A status code outside 100 to 699.
        DP_STATUS_STATUS_CODE # = 44,
        # More header fields than the limit or than the handle holds.
        DP_STATUS_TOO_MANY_FIELDS # = 45,
        # No empty line: the head does not end.
        DP_STATUS_UNTERMINATED # = 46,
        # A version other than SIP/2.0.
        DP_STATUS_VERSION # = 47,

    # What a URI is.
    ctypedef enum dp_scheme:
        # Any other scheme; only `scheme_name` and `rest` are there.
        DP_SCHEME_OTHER # = 0,
        # `sip:`.
        DP_SCHEME_SIP # = 1,
        # `sips:`.
        DP_SCHEME_SIPS # = 2,
        # `tel:`; only `user`, which is the number as received, and `params` are there.
        DP_SCHEME_TEL # = 3,

    # What a host is.
    ctypedef enum dp_host_kind:
        # There is none.
        DP_HOST_KIND_ABSENT # = 0,
        # A name: `name` holds it as received.
        DP_HOST_KIND_NAME # = 1,
        # An IPv4 address: the first 4 octets of `address`.
        DP_HOST_KIND_V4 # = 4,
        # An IPv6 address: all 16 octets of `address`.
        DP_HOST_KIND_V6 # = 6,

    # A request method; `DP_METHOD_ID_OTHER` for any other token, whose name `dp_method_name` gives.
    ctypedef enum dp_method_id:
        DP_METHOD_ID_OTHER # = 0,
        DP_METHOD_ID_ACK # = 1,
        DP_METHOD_ID_BYE # = 2,
        DP_METHOD_ID_CANCEL # = 3,
        DP_METHOD_ID_INFO # = 4,
        DP_METHOD_ID_INVITE # = 5,
        DP_METHOD_ID_MESSAGE # = 6,
        DP_METHOD_ID_NOTIFY # = 7,
        DP_METHOD_ID_OPTIONS # = 8,
        DP_METHOD_ID_PRACK # = 9,
        DP_METHOD_ID_PUBLISH # = 10,
        DP_METHOD_ID_REFER # = 11,
        DP_METHOD_ID_REGISTER # = 12,
        DP_METHOD_ID_SUBSCRIBE # = 13,
        DP_METHOD_ID_UPDATE # = 14,

    # A list of edits, used again and again. Opaque.
    ctypedef struct dp_edits:
        pass

    # Storage for one parsed message, used again and again. Opaque.
    ctypedef struct dp_message:
        pass

    # Octets of the caller. `data` is NULL for what is absent; `length` may be 0 for what is there and empty. Not terminated by NUL.
    ctypedef struct dp_slice:
        # The first octet.
        const uint8_t *data;
        # Number of octets.
        size_t length;

    # How much a message may hold. `dp_limits_default` fills in the defaults.
    ctypedef struct dp_limits:
        # Octets of a whole message; 65,536.
        size_t message;
        # Header fields; 256.
        size_t fields;
        # Octets of one header field with its name and folds; 16,384.
        size_t field;
        # Via elements, looked at by `dp_check`; 64.
        size_t via;
        # Route elements, looked at by `dp_check`; 32.
        size_t route;
        # Contact elements, looked at by `dp_check`; 64.
        size_t contacts;
        # Read a stream message without Content-Length as one without a body; off.
        bint stream_without_length;

    # A host.
    ctypedef struct dp_host:
        # What it is.
        dp_host_kind kind;
        # The address in network order.
        uint8_t address[16];
        # The name; absent for an address.
        dp_slice name;

    # A URI. Escapes are left as they are.
    ctypedef struct dp_uri:
        # What it is.
        dp_scheme scheme;
        # The port, -1 when there is none.
        int32_t port;
        # The scheme of another URI as received.
        dp_slice scheme_name;
        # What follows the colon of another URI.
        dp_slice rest;
        # The user, or the number of `tel:`.
        dp_slice user;
        # The password.
        dp_slice password;
        # The host.
        dp_host host;
        # The parameters from the first `;`, for `dp_param`; empty when there are none.
        dp_slice params;
        # The headers part without its `?`; empty when there is none.
        dp_slice headers;

    # A Via value.
    ctypedef struct dp_via:
        # `UDP`, `TCP`, `TLS` or another token; compare without case.
        dp_slice transport;
        # Host of sent-by.
        dp_host host;
        # Port of sent-by, -1 when there is none.
        int32_t port;
        # rport: -1 when there is none, 0 when it has no value, else the port.
        int32_t rport;
        # ttl, -1 when there is none.
        int32_t ttl;
        # The branch parameter.
        dp_slice branch;
        # The received parameter.
        dp_slice received;
        # The maddr parameter.
        dp_slice maddr;
        # Host and port as received.
        dp_slice sent_by;
        # All parameters from the first `;`, for `dp_param`.
        dp_slice params;

    # An address: From, To, Contact, Route and their kin.
    ctypedef struct dp_address:
        # The display name as received, a quoted one with its quotes.
        dp_slice display;
        # The URI as received, without angle brackets; `dp_uri_parse` reads it.
        dp_slice uri;
        # The tag parameter.
        dp_slice tag;
        # The parameters of the field from the first `;`, for `dp_param`.
        dp_slice params;
        # Whether the URI stands in angle brackets.
        bint bracketed;

    # A CSeq value.
    ctypedef struct dp_cseq_value:
        # The sequence number.
        uint32_t number;
        # The method.
        dp_method_id method;
        # The method as received.
        dp_slice method_name;

    # What every server reads of a message, see `dp_check`.
    ctypedef struct dp_essentials:
        # The Request-URI; only for a request.
        dp_uri uri;
        # The top Via.
        dp_via via;
        # From.
        dp_address from_ "from";
        # To.
        dp_address to;
        # Call-ID.
        dp_slice call_id;
        # CSeq.
        dp_cseq_value cseq;
        # Max-Forwards, 255 for anything above; -1 when there is none.
        int32_t max_forwards;

    # Why a message is to be refused.
    ctypedef struct dp_rejection:
        # The status to answer a request with.
        uint32_t status;
        # The header at fault; `DP_HEADER_OTHER` for the start line, the body or the message as a whole.
        uint32_t header;
        # What is wrong, fit for a reason phrase; not terminated by NUL. It lives for ever.
        dp_slice reason;

    # One header field.
    ctypedef struct dp_field_view:
        # The id of the name, `DP_HEADER_…`; `DP_HEADER_OTHER` for names that have none.
        uint32_t id;
        # Its number in the message, from 1.
        uint32_t number;
        # The name as received.
        dp_slice name;
        # The value without white space at its ends; it may hold folds.
        dp_slice value;

    # The functions, each as declared. New ones come last, so that a program that knows fewer of them can go on.
    ctypedef struct dp_api:
        # As `dp_abi_version`.
        uint32_t abi;
        # Octets of the whole table.
        uint32_t size;
        uint32_t (*abi_version)() noexcept nogil;
        const char *(*version)() noexcept nogil;
        dp_message *(*message_new)(size_t fields) noexcept nogil;
        void (*message_free)(dp_message *message) noexcept nogil;
        dp_status (*limits_default)(dp_limits *limits) noexcept nogil;
        dp_status (*message_limits)(dp_message *message, const dp_limits *limits) noexcept nogil;
        dp_status (*parse)(dp_message *message, const uint8_t *data, size_t length) noexcept nogil;
        dp_status (*parse_stream)(dp_message *message, const uint8_t *data, size_t length, size_t *used) noexcept nogil;
        dp_status (*fault)(const dp_message *message) noexcept nogil;
        dp_status (*check)(const dp_message *message, dp_essentials *essentials, dp_rejection *rejection) noexcept nogil;
        bint (*is_request)(const dp_message *message) noexcept nogil;
        dp_method_id (*method)(const dp_message *message) noexcept nogil;
        uint32_t (*status_code)(const dp_message *message) noexcept nogil;
        dp_slice (*method_name)(const dp_message *message) noexcept nogil;
        dp_slice (*uri_text)(const dp_message *message) noexcept nogil;
        dp_slice (*reason)(const dp_message *message) noexcept nogil;
        dp_slice (*body)(const dp_message *message) noexcept nogil;
        dp_slice (*octets)(const dp_message *message) noexcept nogil;
        size_t (*field_count)(const dp_message *message) noexcept nogil;
        dp_status (*field)(const dp_message *message, size_t number, dp_field_view *field) noexcept nogil;
        dp_status (*field_of)(const dp_message *message, uint32_t id, size_t after, dp_field_view *field) noexcept nogil;
        uint32_t (*header_id)(const uint8_t *name, size_t length) noexcept nogil;
        dp_slice (*header_name)(uint32_t id) noexcept nogil;
        bint (*header_is_list)(uint32_t id) noexcept nogil;
        const char *(*status_text)(int32_t status) noexcept nogil;
        dp_status (*request_uri)(const dp_message *message, dp_uri *uri) noexcept nogil;
        dp_status (*uri_parse)(dp_slice text, dp_uri *uri) noexcept nogil;
        bint (*uri_equal)(dp_slice a, dp_slice b) noexcept nogil;
        dp_status (*top_via)(const dp_message *message, dp_via *via) noexcept nogil;
        dp_status (*via_parse)(dp_slice text, dp_via *via) noexcept nogil;
        dp_status (*from_ "from")(const dp_message *message, dp_address *address) noexcept nogil;
        dp_status (*to)(const dp_message *message, dp_address *address) noexcept nogil;
        dp_status (*address_parse)(dp_slice text, dp_address *address) noexcept nogil;
        dp_status (*call_id)(const dp_message *message, dp_slice *call_id) noexcept nogil;
        dp_status (*cseq)(const dp_message *message, dp_cseq_value *cseq) noexcept nogil;
        dp_status (*max_forwards)(const dp_message *message, uint32_t *hops) noexcept nogil;
        dp_status (*seconds)(const dp_message *message, uint32_t id, uint32_t *seconds) noexcept nogil;
        dp_status (*list_next)(dp_slice *rest, dp_slice *element) noexcept nogil;
        dp_status (*param_next)(dp_slice *rest, dp_slice *name, dp_slice *value) noexcept nogil;
        dp_status (*param)(dp_slice params, const uint8_t *name, size_t length, dp_slice *value) noexcept nogil;
        dp_edits *(*edits_new)() noexcept nogil;
        void (*edits_free)(dp_edits *edits) noexcept nogil;
        dp_status (*edits_clear)(dp_edits *edits) noexcept nogil;
        dp_status (*edits_replace)(dp_edits *edits,
                                   const dp_message *message,
                                   dp_slice place,
                                   const uint8_t *text,
                                   size_t length) noexcept nogil;
        dp_status (*edits_insert_first)(dp_edits *edits, const dp_message *message, const uint8_t *text, size_t length) noexcept nogil;
        dp_status (*edits_insert_last)(dp_edits *edits, const dp_message *message, const uint8_t *text, size_t length) noexcept nogil;
        dp_status (*edits_remove_field)(dp_edits *edits, const dp_message *message, size_t number) noexcept nogil;
        dp_status (*edits_apply)(const dp_edits *edits,
                                 const dp_message *message,
                                 uint8_t *out,
                                 size_t capacity,
                                 size_t *length) noexcept nogil;

cdef extern from "dialplane_python.h":
    # The table of the installed dialplane_native. ImportError when it is not one that this extension can work with.
    const dp_api *dp_import() except NULL
