/* The grammar of SIP header field values (RFC 3261 section 25.1) as acceptors over spans; shared by vg_sip.c only.
 *
 * A cursor stands in one value. In it CR and LF occur only as parts of a folding, so both count as white space. Every
 * acceptor moves the cursor behind what it accepted and returns 1, or returns 0 and leaves it where the value broke. */
#ifndef VG_SIP_SYNTAX_H
#define VG_SIP_SYNTAX_H

#include "vg_sip.h"

typedef struct {
    const uint8_t *octets;
    size_t at;
    size_t end;
} vg_sip_cursor;

enum {
    VG_SIP_C_TOKEN = 1,       /* token */
    VG_SIP_C_USER = 2,        /* user of a SIP URI, without the escape */
    VG_SIP_C_PARAM = 4,       /* uri-parameter */
    VG_SIP_C_HEADER = 8,      /* header of a SIP URI */
    VG_SIP_C_HOST = 16,       /* hostname, IPv4address */
    VG_SIP_C_HEX = 32,
    VG_SIP_C_VALUE = 64,      /* unquoted parameter value */
    VG_SIP_C_OPAQUE = 128     /* any character of a URI, without the escape */
};
extern const uint8_t vg_sip_class[256];

static inline int vg_sip_is(uint8_t octet, int classes) { return (vg_sip_class[octet] & classes) != 0; }
static inline int vg_sip_is_digit(uint8_t octet) { return octet >= '0' && octet <= '9'; }
static inline int vg_sip_is_lws(uint8_t octet)
{
    return octet <= ' ' && (octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n');
}
static inline void vg_sip_skip_lws(vg_sip_cursor *c)
{
    while (c->at < c->end && vg_sip_is_lws(c->octets[c->at])) c->at++;
}

/* A URI that fills the span: sip, sips and tel by their grammar, any other scheme by its characters. */
int vg_sip_uri(const uint8_t *octets, size_t length, int headers_allowed);
/* Via values, one or more; branch and sent_by are those of the first. */
int vg_sip_via(vg_sip_cursor *c, vg_sip_span *branch, vg_sip_span *sent_by);
/* From or To: one address with parameters; tag is its tag parameter's value. */
int vg_sip_address(vg_sip_cursor *c, vg_sip_span *tag);
/* Route and Record-Route: addresses in angle brackets, one or more. Contact: addresses, one or more, or '*'. */
int vg_sip_route(vg_sip_cursor *c);
int vg_sip_contact(vg_sip_cursor *c);
/* CSeq; the number fits 32 bits. */
int vg_sip_cseq(vg_sip_cursor *c, uint32_t *number, vg_sip_span *method);
int vg_sip_call_id(vg_sip_cursor *c);
/* The digits that fill the value, at most limit. */
int vg_sip_number(vg_sip_cursor *c, uint64_t limit, uint64_t *number);
/* Date: RFC 1123 form, in GMT. */
int vg_sip_date(vg_sip_cursor *c);

#endif
