/* sofia-sip. msg_extract makes typed values of every header that it knows, so that "index", "typical" and "every" differ by a few
 * look-ups. */
#include "harness.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>

void work(const char *bytes, size_t length, enum level level) {
    msg_t *message = msg_make(sip_default_mclass(), 0, bytes, (ssize_t)length);
    require(message != NULL, "no memory");
    sip_t *sip = sip_object(message);
    require(sip != NULL && sip->sip_request != NULL && sip->sip_error == NULL, "sofia-sip refuses the message");
    if (level >= TYPICAL) {
        require(sip->sip_via && sip->sip_from && sip->sip_to && sip->sip_call_id && sip->sip_cseq, "a field is missing");
        keep(sip->sip_request->rq_url->url_host);
        keep(sip->sip_via->v_branch);
        keep(sip->sip_from->a_tag);
        keep(sip->sip_to->a_url->url_host);
        keep(sip->sip_call_id->i_id);
        keep(&sip->sip_cseq->cs_seq);
        keep(sip->sip_max_forwards);
    }
    if (level >= EVERY) {
        for (msg_header_t *header = (msg_header_t *)sip->sip_request; header; header = header->sh_succ)
            keep(header->sh_data);
    }
    msg_destroy(message);
}
