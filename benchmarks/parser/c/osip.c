/* libosip2. osip_message_parse makes typed values of Via, From, To, Call-ID, CSeq, Contact, Route and the Request-URI at once, so
 * that "index" and "typical" differ by a few look-ups. Other headers stay text, and every field is read as such. */
#include "harness.h"

#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>

void work(const char *bytes, size_t length, enum level level) {
    static int initialized;
    if (!initialized) {
        parser_init();
        initialized = 1;
    }
    osip_message_t *message;
    require(osip_message_init(&message) == 0, "no memory");
    require(osip_message_parse(message, bytes, length) == 0, "libosip2 refuses the message");
    if (level >= TYPICAL) {
        keep(osip_message_get_uri(message)->host);
        osip_via_t *via;
        require(osip_message_get_via(message, 0, &via) >= 0, "no Via");
        osip_generic_param_t *branch = NULL, *tag = NULL;
        osip_via_param_get_byname(via, "branch", &branch);
        keep(branch);
        osip_from_get_tag(osip_message_get_from(message), &tag);
        keep(tag);
        keep(osip_message_get_to(message)->url);
        keep(osip_message_get_call_id(message)->number);
        keep(osip_message_get_cseq(message)->method);
        osip_header_t *forwards = NULL;
        osip_message_header_get_byname(message, "max-forwards", 0, &forwards);
        long hops = forwards ? strtol(forwards->hvalue, NULL, 10) : 0;
        keep(&hops);
    }
    if (level >= EVERY) {
        osip_header_t *header;
        for (int i = 0; osip_message_get_header(message, i, &header) >= 0; i++)
            keep(header->hvalue);
        osip_contact_t *contact;
        for (int i = 0; osip_message_get_contact(message, i, &contact) >= 0; i++)
            keep(contact->url);
        osip_via_t *via;
        for (int i = 0; osip_message_get_via(message, i, &via) >= 0; i++)
            keep(via->host);
        osip_record_route_t *route;
        for (int i = 0; osip_message_get_record_route(message, i, &route) >= 0; i++)
            keep(route->url);
        keep(osip_message_get_content_length(message));
    }
    osip_message_free(message);
}
