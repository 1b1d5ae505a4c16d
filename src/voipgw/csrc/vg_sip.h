/* SIP messages (RFC 3261 sections 7, 18.3, 20 and 25): one pass over the octets of a message gives an index of it.
 *
 * vg_sip_scan looks at a whole message (a datagram, or what vg_sip_frame cut from a stream) and says where its start
 * line, its header fields and its body are, and what a transaction layer asks first: method or status, request URI,
 * Call-ID, tags, the top Via's branch and sent-by, CSeq. It refuses what RFC 3261 calls malformed in the start line, in
 * the line structure, in Content-Length, and in the values of Via, From, To, Call-ID, CSeq, Max-Forwards, Contact, Route
 * and Record-Route (in a request: Date as well); the values of all other fields are carried as they are. Lines end in
 * CRLF; a CR or an LF that stands alone in the header section is refused, since two readers could disagree about it.
 * More tolerant than the grammar: octets above 127 in display names, '_' in host names, '#' in the user part, any visible
 * character but ; , " < > \ in parameter values, CRLF before the start line, a status line without the last space.
 *
 * Pure functions: no state, no allocation. All offsets are octets from the first octet of the message. */
#ifndef VG_SIP_H
#define VG_SIP_H

#include "vg_common.h"

/* cffi: begin */
#define VG_SIP_MAX_HEADERS 49152   /* octets of start line and header fields with the empty line */
#define VG_SIP_MAX_MESSAGE 1048576 /* octets of a message with its body */
#define VG_SIP_MAX_LINE 16384      /* octets of one header field, folded lines together */
#define VG_SIP_MAX_NAME 200        /* octets of a header field's name */
#define VG_SIP_MAX_FIELDS 250      /* header fields of a message */

#define VG_SIP_ESTART -32          /* neither a request line nor a status line */
#define VG_SIP_EVERSION -33        /* another SIP version than 2.0 */
#define VG_SIP_ESTATUS -34         /* the status code is not 100 to 699 */
#define VG_SIP_EURI -35            /* the request URI */
#define VG_SIP_EEOL -36            /* CR or LF alone */
#define VG_SIP_ENAME -37           /* a header field's name or its colon */
#define VG_SIP_EEND -38            /* no empty line ends the header section */
#define VG_SIP_ELENGTH -39         /* Content-Length is not a number, or stands twice */
#define VG_SIP_EBODY -40           /* fewer octets than Content-Length says */
#define VG_SIP_EVALUE -41          /* a field's value breaks its grammar */
#define VG_SIP_EMISSING -42        /* a field that every message has is absent */
#define VG_SIP_EREPEATED -43       /* a field that may stand once stands twice */
#define VG_SIP_EMETHOD -44         /* the CSeq method is not the request's */
#define VG_SIP_EEMPTY -45          /* nothing but CRLF: a keep-alive */
#define VG_SIP_ELIMIT_HEADERS -46
#define VG_SIP_ELIMIT_MESSAGE -47
#define VG_SIP_ELIMIT_LINE -48
#define VG_SIP_ELIMIT_NAME -49
#define VG_SIP_ELIMIT_FIELDS -50

#define VG_SIP_REQUEST 0
#define VG_SIP_RESPONSE 1

/* Header fields that the scanner itself reads; vg_sip_header_name tells the others. 0: not known. */
#define VG_SIP_VIA 1
#define VG_SIP_FROM 2
#define VG_SIP_TO 3
#define VG_SIP_CALL_ID 4
#define VG_SIP_CSEQ 5
#define VG_SIP_MAX_FORWARDS 6
#define VG_SIP_CONTACT 7
#define VG_SIP_ROUTE 8
#define VG_SIP_RECORD_ROUTE 9
#define VG_SIP_CONTENT_LENGTH 10
#define VG_SIP_CONTENT_TYPE 11
#define VG_SIP_DATE 12

/* From at up to end; both 0 when there is no such thing. */
typedef struct {
    uint16_t at;
    uint16_t end;
} vg_sip_span;

/* What vg_sip_scan found. */
typedef struct {
    uint8_t kind;             /* VG_SIP_REQUEST or VG_SIP_RESPONSE */
    uint8_t method;           /* of the request, in a response of CSeq, as vg_sip_method_name counts; 0: another */
    uint8_t fields;           /* header fields */
    uint8_t fault_field;      /* which field was refused, where the status is about one */
    uint8_t trimmed;          /* 1 when octets before start_at or from end on belong to no message */
    uint8_t unused;
    uint16_t status;          /* of a response, else 0 */
    uint16_t fields_at;       /* the first field's line */
    int32_t max_forwards;     /* 0 to 255; -1 without the field */
    uint32_t cseq;            /* CSeq number */
    uint32_t start_at;        /* first octet after leading CRLF; every other offset counts from there */
    uint32_t body_at;
    uint32_t end;             /* of the body */
    uint32_t fault_at;        /* where a refused message broke; the only member written on failure, with fault_field */
    vg_sip_span method_text;  /* of the request line, in a response of CSeq */
    vg_sip_span target;       /* request URI; in a response the reason phrase */
    vg_sip_span call_id;
    vg_sip_span from_tag;
    vg_sip_span to_tag;
    vg_sip_span branch;       /* of the top Via */
    vg_sip_span sent_by;      /* of the top Via: host and port as written */
    vg_sip_span from;         /* the whole value of From, of To */
    vg_sip_span to;
    uint8_t tail[1752];       /* header ids, one octet a field; for each line, value, value's end (uint16_t); the empty line */
    char text[2048];          /* what is asked first, each with LF behind: target of a request, Call-ID, From tag, To tag,
                               * branch, sent-by in lower case without blanks, a method that has no number; NUL at the
                               * end; absent ones are empty; only NUL when there is no room for all */
} vg_sip_index;

/* Index the message in length octets. Returns how many octets of *out are in use (from its first), or a status. */
int vg_sip_scan(const uint8_t *octets, size_t length, vg_sip_index *out);

/* The same with only these checks of header fields (line structure and start line are always checked). Without
 * VG_SIP_CHECK_VALUES the span of what is malformed may be absent. */
#define VG_SIP_CHECK_PRESENT 1     /* Via, From, To, Call-ID and CSeq are there */
#define VG_SIP_CHECK_VALUES 2      /* the values named above are well formed, none stands too often */
int vg_sip_scan_as(const uint8_t *octets, size_t length, int checks, vg_sip_index *out);

/* Where the message in a stream ends: header_length octets are its start line and fields with the empty line. Returns
 * VG_OK and the body's length; VG_SIP_EMISSING without Content-Length (RFC 3261 section 18.3), or another status. */
int vg_sip_frame(const uint8_t *octets, size_t header_length, uint32_t *body_length);

/* Copy the lines of some fields of an indexed message to out, for its answer (RFC 3261 section 8.2.6.2): those of the first
 * of ids as they came, then those of the second, and so on. index holds what vg_sip_scan said was in use. With tag_length
 * not 0, ";tag=" and the tag go behind the value of To. Returns how many octets; VG_EFULL when capacity does not hold them,
 * VG_EINVAL when index is not one of octets. */
int vg_sip_copy(const uint8_t *octets, size_t length, const uint8_t *index, size_t index_length, const uint8_t *ids,
                size_t id_count, const uint8_t *tag, size_t tag_length, uint8_t *out, size_t capacity);

/* The id of a header field's name, long or compact, in any case; 0 for one that is not known. */
int vg_sip_header_id(const uint8_t *name, size_t length);
/* The long name of an id, NULL past the last; its compact form or 0; whether commas separate values in it. */
const char *vg_sip_header_name(int id);
int vg_sip_header_compact(int id);
int vg_sip_header_is_list(int id);
/* The method counted 1, 2, 3 ...; NULL past the last. */
const char *vg_sip_method_name(int method);
/* cffi: end */

#endif
