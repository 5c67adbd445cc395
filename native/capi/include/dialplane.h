// The SIP parser of dialplane for C. Made by cbindgen from native/capi/src; do not edit.
//
// A handle is made once and used for one message after the other; octets stay the caller's. Nothing is allocated but by functions
// whose name ends in _new. A slice points into the octets that were parsed, and is valid as long as they are; it does not end with NUL.
//
//     dp_message *message = dp_message_new(0);
//     dp_address from;
//     if (dp_parse(message, octets, length) == DP_STATUS_OK && dp_from(message, &from) == DP_STATUS_OK)
//         printf("%.*s\n", (int)from.uri.length, (const char *)from.uri.data);
//     dp_message_free(message);

#ifndef DIALPLANE_H
#define DIALPLANE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// Header ids, for `id` of a field. They are those of this version; dp_header_id gives them at run time.
enum {
    DP_HEADER_VIA = 0,
    DP_HEADER_FROM = 1,
    DP_HEADER_TO = 2,
    DP_HEADER_CALL_ID = 3,
    DP_HEADER_CSEQ = 4,
    DP_HEADER_MAX_FORWARDS = 5,
    DP_HEADER_CONTENT_LENGTH = 6,
    DP_HEADER_CONTACT = 7,
    DP_HEADER_ROUTE = 8,
    DP_HEADER_RECORD_ROUTE = 9,
    DP_HEADER_EXPIRES = 10,
    DP_HEADER_AUTHORIZATION = 11,
    DP_HEADER_PROXY_AUTHORIZATION = 12,
    DP_HEADER_WWW_AUTHENTICATE = 13,
    DP_HEADER_PROXY_AUTHENTICATE = 14,
    DP_HEADER_REQUIRE = 15,
    DP_HEADER_PROXY_REQUIRE = 16,
    DP_HEADER_SUPPORTED = 17,
    DP_HEADER_UNSUPPORTED = 18,
    DP_HEADER_PATH = 19,
    DP_HEADER_MAX_BREADTH = 20,
    DP_HEADER_ACCEPT = 21,
    DP_HEADER_ACCEPT_CONTACT = 22,
    DP_HEADER_ACCEPT_ENCODING = 23,
    DP_HEADER_ACCEPT_LANGUAGE = 24,
    DP_HEADER_ACCEPT_RESOURCE_PRIORITY = 25,
    DP_HEADER_ALERT_INFO = 26,
    DP_HEADER_ALLOW = 27,
    DP_HEADER_ALLOW_EVENTS = 28,
    DP_HEADER_ANSWER_MODE = 29,
    DP_HEADER_AUTHENTICATION_INFO = 30,
    DP_HEADER_CALL_INFO = 31,
    DP_HEADER_CONTENT_DISPOSITION = 32,
    DP_HEADER_CONTENT_ENCODING = 33,
    DP_HEADER_CONTENT_ID = 34,
    DP_HEADER_CONTENT_LANGUAGE = 35,
    DP_HEADER_CONTENT_TYPE = 36,
    DP_HEADER_DATE = 37,
    DP_HEADER_DIVERSION = 38,
    DP_HEADER_ERROR_INFO = 39,
    DP_HEADER_EVENT = 40,
    DP_HEADER_FEATURE_CAPS = 41,
    DP_HEADER_FLOW_TIMER = 42,
    DP_HEADER_GEOLOCATION = 43,
    DP_HEADER_GEOLOCATION_ERROR = 44,
    DP_HEADER_GEOLOCATION_ROUTING = 45,
    DP_HEADER_HISTORY_INFO = 46,
    DP_HEADER_IDENTITY = 47,
    DP_HEADER_IDENTITY_INFO = 48,
    DP_HEADER_INFO_PACKAGE = 49,
    DP_HEADER_IN_REPLY_TO = 50,
    DP_HEADER_JOIN = 51,
    DP_HEADER_MIME_VERSION = 52,
    DP_HEADER_MIN_EXPIRES = 53,
    DP_HEADER_MIN_SE = 54,
    DP_HEADER_ORGANIZATION = 55,
    DP_HEADER_P_ACCESS_NETWORK_INFO = 56,
    DP_HEADER_P_ASSERTED_IDENTITY = 57,
    DP_HEADER_P_ASSERTED_SERVICE = 58,
    DP_HEADER_P_ASSOCIATED_URI = 59,
    DP_HEADER_P_CALLED_PARTY_ID = 60,
    DP_HEADER_P_CHARGING_FUNCTION_ADDRESSES = 61,
    DP_HEADER_P_CHARGING_VECTOR = 62,
    DP_HEADER_P_EARLY_MEDIA = 63,
    DP_HEADER_P_MEDIA_AUTHORIZATION = 64,
    DP_HEADER_P_PREFERRED_IDENTITY = 65,
    DP_HEADER_P_PREFERRED_SERVICE = 66,
    DP_HEADER_P_PRIVATE_NETWORK_INDICATION = 67,
    DP_HEADER_P_PROFILE_KEY = 68,
    DP_HEADER_P_REFUSED_URI_LIST = 69,
    DP_HEADER_P_SERVED_USER = 70,
    DP_HEADER_P_VISITED_NETWORK_ID = 71,
    DP_HEADER_PERMISSION_MISSING = 72,
    DP_HEADER_PRIORITY = 73,
    DP_HEADER_PRIV_ANSWER_MODE = 74,
    DP_HEADER_PRIVACY = 75,
    DP_HEADER_RACK = 76,
    DP_HEADER_REASON = 77,
    DP_HEADER_RECV_INFO = 78,
    DP_HEADER_REFER_EVENTS_AT = 79,
    DP_HEADER_REFER_SUB = 80,
    DP_HEADER_REFER_TO = 81,
    DP_HEADER_REFERRED_BY = 82,
    DP_HEADER_REJECT_CONTACT = 83,
    DP_HEADER_REPLACES = 84,
    DP_HEADER_REPLY_TO = 85,
    DP_HEADER_REQUEST_DISPOSITION = 86,
    DP_HEADER_RESOURCE_PRIORITY = 87,
    DP_HEADER_RETRY_AFTER = 88,
    DP_HEADER_RSEQ = 89,
    DP_HEADER_SECURITY_CLIENT = 90,
    DP_HEADER_SECURITY_SERVER = 91,
    DP_HEADER_SECURITY_VERIFY = 92,
    DP_HEADER_SERVER = 93,
    DP_HEADER_SERVICE_ROUTE = 94,
    DP_HEADER_SESSION_EXPIRES = 95,
    DP_HEADER_SESSION_ID = 96,
    DP_HEADER_SIP_ETAG = 97,
    DP_HEADER_SIP_IF_MATCH = 98,
    DP_HEADER_SUBJECT = 99,
    DP_HEADER_SUBSCRIPTION_STATE = 100,
    DP_HEADER_SUPPRESS_IF_MATCH = 101,
    DP_HEADER_TARGET_DIALOG = 102,
    DP_HEADER_TIMESTAMP = 103,
    DP_HEADER_TRIGGER_CONSENT = 104,
    DP_HEADER_USER_AGENT = 105,
    DP_HEADER_USER_TO_USER = 106,
    DP_HEADER_WARNING = 107,
    DP_HEADER_OTHER = 108
};


// Version of this interface. It grows when a function or a structure changes in a way that a program has to be compiled anew for.
#define DP_ABI_VERSION 1

// What a function says. 0 is success.
typedef enum dp_status {
    // It is done.
    DP_STATUS_OK = 0,
    // The stream holds the beginning of a message, or nothing.
    DP_STATUS_PARTIAL = 1,
    // No such field, or no further one.
    DP_STATUS_MISSING = 2,
    // The value does not follow its grammar.
    DP_STATUS_MALFORMED = 3,
    // A number too large for its field.
    DP_STATUS_OUT_OF_RANGE = 4,
    // More than one field or parameter where one is allowed.
    DP_STATUS_REPEATED = 5,
    // Readable, but to be refused; the rejection says with what.
    DP_STATUS_REFUSED = 6,
    // The buffer of the caller is too small.
    DP_STATUS_NO_ROOM = 7,
    // A null pointer, or a handle without a message: a fault of the caller.
    DP_STATUS_ARGUMENT = 8,
    // A fault of this library.
    DP_STATUS_INTERNAL = 9,
    // Content-Length is not a number or does not fit.
    DP_STATUS_CONTENT_LENGTH = 32,
    // Content-Length fields that differ.
    DP_STATUS_CONTENT_LENGTH_CONFLICT = 33,
    // Content-Length goes behind the end of the datagram.
    DP_STATUS_CONTENT_LENGTH_EXCEEDS = 34,
    // A stream message without Content-Length.
    DP_STATUS_CONTENT_LENGTH_MISSING = 35,
    // A control character, a bare CR or a bare LF in the head.
    DP_STATUS_CONTROL_CHARACTER = 36,
    // No octets, or only line ends: a keep-alive.
    DP_STATUS_EMPTY = 37,
    // A header field longer than the limit.
    DP_STATUS_FIELD_TOO_LONG = 38,
    // A header line without a colon or with a name that is no token.
    DP_STATUS_HEADER_LINE = 39,
    // The start line is followed by a line that begins with a blank.
    DP_STATUS_LEADING_FOLD = 40,
    // Longer than the limit.
    DP_STATUS_MESSAGE_TOO_LONG = 41,
    // Neither a request line nor a status line of SIP.
    DP_STATUS_NOT_SIP = 42,
    // A malformed start line.
    DP_STATUS_START_LINE = 43,
    // A status code outside 100 to 699.
    DP_STATUS_STATUS_CODE = 44,
    // More header fields than the limit or than the handle holds.
    DP_STATUS_TOO_MANY_FIELDS = 45,
    // No empty line: the head does not end.
    DP_STATUS_UNTERMINATED = 46,
    // A version other than SIP/2.0.
    DP_STATUS_VERSION = 47,
} dp_status;

// What a URI is.
typedef enum dp_scheme {
    // Any other scheme; only `scheme_name` and `rest` are there.
    DP_SCHEME_OTHER = 0,
    // `sip:`.
    DP_SCHEME_SIP = 1,
    // `sips:`.
    DP_SCHEME_SIPS = 2,
    // `tel:`; only `user`, which is the number as received, and `params` are there.
    DP_SCHEME_TEL = 3,
} dp_scheme;

// What a host is.
typedef enum dp_host_kind {
    // There is none.
    DP_HOST_KIND_ABSENT = 0,
    // A name: `name` holds it as received.
    DP_HOST_KIND_NAME = 1,
    // An IPv4 address: the first 4 octets of `address`.
    DP_HOST_KIND_V4 = 4,
    // An IPv6 address: all 16 octets of `address`.
    DP_HOST_KIND_V6 = 6,
} dp_host_kind;

// A request method; `DP_METHOD_ID_OTHER` for any other token, whose name `dp_method_name` gives.
typedef enum dp_method_id {
    DP_METHOD_ID_OTHER = 0,
    DP_METHOD_ID_ACK = 1,
    DP_METHOD_ID_BYE = 2,
    DP_METHOD_ID_CANCEL = 3,
    DP_METHOD_ID_INFO = 4,
    DP_METHOD_ID_INVITE = 5,
    DP_METHOD_ID_MESSAGE = 6,
    DP_METHOD_ID_NOTIFY = 7,
    DP_METHOD_ID_OPTIONS = 8,
    DP_METHOD_ID_PRACK = 9,
    DP_METHOD_ID_PUBLISH = 10,
    DP_METHOD_ID_REFER = 11,
    DP_METHOD_ID_REGISTER = 12,
    DP_METHOD_ID_SUBSCRIBE = 13,
    DP_METHOD_ID_UPDATE = 14,
} dp_method_id;

// A list of edits, used again and again. Opaque.
typedef struct dp_edits dp_edits;

// Storage for one parsed message, used again and again. Opaque.
typedef struct dp_message dp_message;

// Octets of the caller. `data` is NULL for what is absent; `length` may be 0 for what is there and empty. Not terminated by NUL.
typedef struct dp_slice {
    // The first octet.
    const uint8_t *data;
    // Number of octets.
    size_t length;
} dp_slice;

// How much a message may hold. `dp_limits_default` fills in the defaults.
typedef struct dp_limits {
    // Octets of a whole message; 65,536.
    size_t message;
    // Header fields; 256.
    size_t fields;
    // Octets of one header field with its name and folds; 16,384.
    size_t field;
    // Via elements, looked at by `dp_check`; 64.
    size_t via;
    // Route elements, looked at by `dp_check`; 32.
    size_t route;
    // Contact elements, looked at by `dp_check`; 64.
    size_t contacts;
    // Read a stream message without Content-Length as one without a body; off.
    bool stream_without_length;
} dp_limits;

// A host.
typedef struct dp_host {
    // What it is.
    enum dp_host_kind kind;
    // The address in network order.
    uint8_t address[16];
    // The name; absent for an address.
    struct dp_slice name;
} dp_host;

// A URI. Escapes are left as they are.
typedef struct dp_uri {
    // What it is.
    enum dp_scheme scheme;
    // The port, -1 when there is none.
    int32_t port;
    // The scheme of another URI as received.
    struct dp_slice scheme_name;
    // What follows the colon of another URI.
    struct dp_slice rest;
    // The user, or the number of `tel:`.
    struct dp_slice user;
    // The password.
    struct dp_slice password;
    // The host.
    struct dp_host host;
    // The parameters from the first `;`, for `dp_param`; empty when there are none.
    struct dp_slice params;
    // The headers part without its `?`; empty when there is none.
    struct dp_slice headers;
} dp_uri;

// A Via value.
typedef struct dp_via {
    // `UDP`, `TCP`, `TLS` or another token; compare without case.
    struct dp_slice transport;
    // Host of sent-by.
    struct dp_host host;
    // Port of sent-by, -1 when there is none.
    int32_t port;
    // rport: -1 when there is none, 0 when it has no value, else the port.
    int32_t rport;
    // ttl, -1 when there is none.
    int32_t ttl;
    // The branch parameter.
    struct dp_slice branch;
    // The received parameter.
    struct dp_slice received;
    // The maddr parameter.
    struct dp_slice maddr;
    // Host and port as received.
    struct dp_slice sent_by;
    // All parameters from the first `;`, for `dp_param`.
    struct dp_slice params;
} dp_via;

// An address: From, To, Contact, Route and their kin.
typedef struct dp_address {
    // The display name as received, a quoted one with its quotes.
    struct dp_slice display;
    // The URI as received, without angle brackets; `dp_uri_parse` reads it.
    struct dp_slice uri;
    // The tag parameter.
    struct dp_slice tag;
    // The parameters of the field from the first `;`, for `dp_param`.
    struct dp_slice params;
    // Whether the URI stands in angle brackets.
    bool bracketed;
} dp_address;

// A CSeq value.
typedef struct dp_cseq_value {
    // The sequence number.
    uint32_t number;
    // The method.
    enum dp_method_id method;
    // The method as received.
    struct dp_slice method_name;
} dp_cseq_value;

// What every server reads of a message, see `dp_check`.
typedef struct dp_essentials {
    // The Request-URI; only for a request.
    struct dp_uri uri;
    // The top Via.
    struct dp_via via;
    // From.
    struct dp_address from;
    // To.
    struct dp_address to;
    // Call-ID.
    struct dp_slice call_id;
    // CSeq.
    struct dp_cseq_value cseq;
    // Max-Forwards, 255 for anything above; -1 when there is none.
    int32_t max_forwards;
} dp_essentials;

// Why a message is to be refused.
typedef struct dp_rejection {
    // The status to answer a request with.
    uint32_t status;
    // The header at fault; `DP_HEADER_OTHER` for the start line, the body or the message as a whole.
    uint32_t header;
    // What is wrong, fit for a reason phrase; not terminated by NUL. It lives for ever.
    struct dp_slice reason;
} dp_rejection;

// One header field.
typedef struct dp_field_view {
    // The id of the name, `DP_HEADER_…`; `DP_HEADER_OTHER` for names that have none.
    uint32_t id;
    // Its number in the message, from 1.
    uint32_t number;
    // The name as received.
    struct dp_slice name;
    // The value without white space at its ends; it may hold folds.
    struct dp_slice value;
} dp_field_view;

// The functions, each as declared. New ones come last, so that a program that knows fewer of them can go on.
typedef struct dp_api {
    // As `dp_abi_version`.
    uint32_t abi;
    // Octets of the whole table.
    uint32_t size;
    uint32_t (*abi_version)(void);
    const char *(*version)(void);
    struct dp_message *(*message_new)(size_t fields);
    void (*message_free)(struct dp_message *message);
    enum dp_status (*limits_default)(struct dp_limits *limits);
    enum dp_status (*message_limits)(struct dp_message *message, const struct dp_limits *limits);
    enum dp_status (*parse)(struct dp_message *message, const uint8_t *data, size_t length);
    enum dp_status (*parse_stream)(struct dp_message *message, const uint8_t *data, size_t length, size_t *used);
    enum dp_status (*fault)(const struct dp_message *message);
    enum dp_status (*check)(const struct dp_message *message,
                            struct dp_essentials *essentials,
                            struct dp_rejection *rejection);
    bool (*is_request)(const struct dp_message *message);
    enum dp_method_id (*method)(const struct dp_message *message);
    uint32_t (*status_code)(const struct dp_message *message);
    struct dp_slice (*method_name)(const struct dp_message *message);
    struct dp_slice (*uri_text)(const struct dp_message *message);
    struct dp_slice (*reason)(const struct dp_message *message);
    struct dp_slice (*body)(const struct dp_message *message);
    struct dp_slice (*octets)(const struct dp_message *message);
    size_t (*field_count)(const struct dp_message *message);
    enum dp_status (*field)(const struct dp_message *message, size_t number, struct dp_field_view *field);
    enum dp_status (*field_of)(const struct dp_message *message, uint32_t id, size_t after, struct dp_field_view *field);
    uint32_t (*header_id)(const uint8_t *name, size_t length);
    struct dp_slice (*header_name)(uint32_t id);
    bool (*header_is_list)(uint32_t id);
    const char *(*status_text)(int32_t status);
    enum dp_status (*request_uri)(const struct dp_message *message, struct dp_uri *uri);
    enum dp_status (*uri_parse)(struct dp_slice text, struct dp_uri *uri);
    bool (*uri_equal)(struct dp_slice a, struct dp_slice b);
    enum dp_status (*top_via)(const struct dp_message *message, struct dp_via *via);
    enum dp_status (*via_parse)(struct dp_slice text, struct dp_via *via);
    enum dp_status (*from)(const struct dp_message *message, struct dp_address *address);
    enum dp_status (*to)(const struct dp_message *message, struct dp_address *address);
    enum dp_status (*address_parse)(struct dp_slice text, struct dp_address *address);
    enum dp_status (*call_id)(const struct dp_message *message, struct dp_slice *call_id);
    enum dp_status (*cseq)(const struct dp_message *message, struct dp_cseq_value *cseq);
    enum dp_status (*max_forwards)(const struct dp_message *message, uint32_t *hops);
    enum dp_status (*seconds)(const struct dp_message *message, uint32_t id, uint32_t *seconds);
    enum dp_status (*list_next)(struct dp_slice *rest, struct dp_slice *element);
    enum dp_status (*param_next)(struct dp_slice *rest, struct dp_slice *name, struct dp_slice *value);
    enum dp_status (*param)(struct dp_slice params, const uint8_t *name, size_t length, struct dp_slice *value);
    struct dp_edits *(*edits_new)(void);
    void (*edits_free)(struct dp_edits *edits);
    enum dp_status (*edits_clear)(struct dp_edits *edits);
    enum dp_status (*edits_replace)(struct dp_edits *edits,
                                    const struct dp_message *message,
                                    struct dp_slice place,
                                    const uint8_t *text,
                                    size_t length);
    enum dp_status (*edits_insert_first)(struct dp_edits *edits,
                                         const struct dp_message *message,
                                         const uint8_t *text,
                                         size_t length);
    enum dp_status (*edits_insert_last)(struct dp_edits *edits,
                                        const struct dp_message *message,
                                        const uint8_t *text,
                                        size_t length);
    enum dp_status (*edits_remove_field)(struct dp_edits *edits, const struct dp_message *message, size_t number);
    enum dp_status (*edits_apply)(const struct dp_edits *edits,
                                  const struct dp_message *message,
                                  uint8_t *out,
                                  size_t capacity,
                                  size_t *length);
} dp_api;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Allocates an empty list. It grows to what the largest set of edits takes and then stays.
struct dp_edits *dp_edits_new(void);

// Frees it. NULL is let pass.
void dp_edits_free(struct dp_edits *edits);

// Forgets all edits.
enum dp_status dp_edits_clear(struct dp_edits *edits);

// Puts `text` in the place of the octets of the message that `place` points at: a slice that this library gave. An empty text takes them out.
enum dp_status dp_edits_replace(struct dp_edits *edits,
                                const struct dp_message *message,
                                struct dp_slice place,
                                const uint8_t *text,
                                size_t length);

// Puts whole lines, each with its CRLF, before the first header field: where a Via goes.
enum dp_status dp_edits_insert_first(struct dp_edits *edits,
                                     const struct dp_message *message,
                                     const uint8_t *text,
                                     size_t length);

// Puts whole lines, each with its CRLF, behind the last header field.
enum dp_status dp_edits_insert_last(struct dp_edits *edits,
                                    const struct dp_message *message,
                                    const uint8_t *text,
                                    size_t length);

// Takes a whole header field out, from its name to its CRLF.
enum dp_status dp_edits_remove_field(struct dp_edits *edits, const struct dp_message *message, size_t number);

// Writes the edited message into a buffer of `capacity` octets that does not overlap the message. `length` receives its length, also with
// `DP_STATUS_NO_ROOM`, when nothing is written.
enum dp_status dp_edits_apply(const struct dp_edits *edits,
                              const struct dp_message *message,
                              uint8_t *out,
                              size_t capacity,
                              size_t *length);

// [`ABI_VERSION`] of the library at hand; compare it with `DP_ABI_VERSION` of the header when the program starts.
uint32_t dp_abi_version(void);

// Version of the library, terminated by NUL.
const char *dp_version(void);

// Allocates storage for messages of at most so many fields, 256 when 0. The only memory that parsing takes.
struct dp_message *dp_message_new(size_t fields);

// Frees it. NULL is let pass.
void dp_message_free(struct dp_message *message);

// The limits that a new handle has.
enum dp_status dp_limits_default(struct dp_limits *limits);

// Sets limits for the messages to come.
enum dp_status dp_message_limits(struct dp_message *message, const struct dp_limits *limits);

// Parses one datagram. The octets must stay as they are while the handle or a slice is used. What is wrong but leaves the fields readable is no
// error here; `dp_fault` and `dp_check` tell it.
enum dp_status dp_parse(struct dp_message *message,
                        const uint8_t *data,
                        size_t length);

// Parses the first message of a stream. `used` receives how many octets it takes, line ends before it included; with `DP_STATUS_PARTIAL` it is 0
// and more octets are needed. Any other status: the end of the message is not known, and the connection is to be closed.
enum dp_status dp_parse_stream(struct dp_message *message,
                               const uint8_t *data,
                               size_t length,
                               size_t *used);

// What is wrong with the framing of the message although its fields are readable: `DP_STATUS_OK` when nothing is.
enum dp_status dp_fault(const struct dp_message *message);

// Whether a server may work with the message: `DP_STATUS_OK` and in `essentials` what every server reads of it, or `DP_STATUS_REFUSED` and in
// `rejection` what to answer. Either may be NULL.
enum dp_status dp_check(const struct dp_message *message,
                        struct dp_essentials *essentials,
                        struct dp_rejection *rejection);

// Whether it is a request; false also without a message.
bool dp_is_request(const struct dp_message *message);

// The method of a request; `DP_METHOD_ID_OTHER` for others, responses and no message.
enum dp_method_id dp_method(const struct dp_message *message);

// The status code of a response; 0 for a request and without a message.
uint32_t dp_status_code(const struct dp_message *message);

// The method of a request as received; absent for a response.
struct dp_slice dp_method_name(const struct dp_message *message);

// The Request-URI as received; absent for a response. `dp_request_uri` parses it.
struct dp_slice dp_uri_text(const struct dp_message *message);

// The reason phrase of a response as received; absent for a request.
struct dp_slice dp_reason(const struct dp_message *message);

// The body; empty when there is none, absent without a message.
struct dp_slice dp_body(const struct dp_message *message);

// The octets of the message, from its start line to the end of its body.
struct dp_slice dp_octets(const struct dp_message *message);

// Number of header fields; 0 without a message.
size_t dp_field_count(const struct dp_message *message);

// The field of that number, from 1 to `dp_field_count`; `DP_STATUS_MISSING` for any other.
enum dp_status dp_field(const struct dp_message *message, size_t number, struct dp_field_view *field);

// The first field of that id behind the field with the number `after`; 0 is before the first. `DP_STATUS_MISSING` when there is none.
enum dp_status dp_field_of(const struct dp_message *message,
                           uint32_t id,
                           size_t after,
                           struct dp_field_view *field);

// The id of a header name in any case, long or compact; `DP_HEADER_OTHER` for names that have none.
uint32_t dp_header_id(const uint8_t *name, size_t length);

// The name of a header as usually written; absent for `DP_HEADER_OTHER`. It lives for ever.
struct dp_slice dp_header_name(uint32_t id);

// Whether the values of that header are lists whose elements stand between commas; see `dp_list_next`.
bool dp_header_is_list(uint32_t id);

// Takes the first element off a list; `rest` begins as the value of the field and is absent behind the last element. Quotes and angle brackets are
// respected. `DP_STATUS_MISSING` when nothing is left.
enum dp_status dp_list_next(struct dp_slice *rest,
                            struct dp_slice *element);

// Takes the first parameter off a list of them, such as `params` of an address. `value` is absent when there is no `=`; a quoted one has its quotes.
// `DP_STATUS_MISSING` when nothing is left.
enum dp_status dp_param_next(struct dp_slice *rest,
                             struct dp_slice *name,
                             struct dp_slice *value);

// The value of the first parameter of that name in any case: `DP_STATUS_MISSING` when there is none, an absent value when it has no `=`.
enum dp_status dp_param(struct dp_slice params,
                        const uint8_t *name,
                        size_t length,
                        struct dp_slice *value);

// What a status means, in English, terminated by NUL. Never NULL: also for a number that is no status.
const char *dp_status_text(int32_t status);

// The Request-URI, parsed. `DP_STATUS_MISSING` for a response.
enum dp_status dp_request_uri(const struct dp_message *message, struct dp_uri *uri);

// A URI without white space at its ends and without angle brackets.
enum dp_status dp_uri_parse(struct dp_slice text, struct dp_uri *uri);

// Whether two URIs are equivalent as RFC 3261 §19.1.4 and RFC 3966 §5 define it; false when one cannot be read.
bool dp_uri_equal(struct dp_slice a, struct dp_slice b);

// The top Via.
enum dp_status dp_top_via(const struct dp_message *message, struct dp_via *via);

// One element of a Via field.
enum dp_status dp_via_parse(struct dp_slice text, struct dp_via *via);

// From.
enum dp_status dp_from(const struct dp_message *message, struct dp_address *address);

// To.
enum dp_status dp_to(const struct dp_message *message, struct dp_address *address);

// One address: the value of a field that holds one, or an element of a list.
enum dp_status dp_address_parse(struct dp_slice text, struct dp_address *address);

// Call-ID.
enum dp_status dp_call_id(const struct dp_message *message, struct dp_slice *call_id);

// CSeq.
enum dp_status dp_cseq(const struct dp_message *message, struct dp_cseq_value *cseq);

// Max-Forwards, 255 for anything above. `DP_STATUS_MISSING` when there is none.
enum dp_status dp_max_forwards(const struct dp_message *message, uint32_t *hops);

// A header that begins with seconds: Expires, Min-Expires, Session-Expires, Min-SE, Retry-After; 4,294,967,295 for anything above.
// `DP_STATUS_MISSING` when there is none.
enum dp_status dp_seconds(const struct dp_message *message,
                          uint32_t id,
                          uint32_t *seconds);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DIALPLANE_H */
