/* RTP as octets and arithmetic (RFC 3550 sections 5.1, 6.4, appendix A.1, A.3 and A.8; RFC 4733 section 2.3).
 *
 * Parsing of one packet, the reception statistics of one source, the header of a packet to be sent. No state beyond the
 * structs, no time but what is passed in. Left out: CSRC lists and header extensions are skipped, never made. Sequence
 * numbers are extended to 32 bits by a count of cycles. RTCP is vg_rtcp. */
#ifndef VG_RTP_H
#define VG_RTP_H

#include "vg_common.h"

/* cffi: begin */
#define VG_RTP_HEADER_OCTETS 12

typedef struct {
    uint8_t payload_type; /* 0 to 127 */
    uint8_t marker;       /* 0 or 1 */
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    vg_span payload;      /* without header extension and padding */
} vg_rtp_header;

/* One source as its receiver counts it. */
typedef struct {
    uint32_t ssrc;
    uint32_t cycles;         /* wraps of the sequence number, times 65536 */
    uint32_t base_sequence;  /* first sequence number since the last reset */
    uint32_t bad_sequence;   /* what the packet after a wild jump must carry to be believed; 65537: none */
    uint16_t max_sequence;   /* highest seen */
    uint8_t started;         /* a packet has been counted */
    uint8_t has_transit;     /* transit is valid */
    uint32_t transit;        /* relative transit time of the last packet, timestamp units */
    uint32_t jitter_q4;      /* interarrival jitter, timestamp units times 16 */
    uint32_t expected_prior; /* at the last report */
    uint32_t received_prior;
    uint32_t received;       /* packets since the last reset, duplicates too */
    uint32_t lost_before;    /* packets lost of sources and sequences before the last reset */
} vg_rtp_source;

/* The four octets of a telephone-event payload. */
typedef struct {
    uint8_t event;     /* 0-9 digits, 10 star, 11 hash, 12-15 A-D, 16 flash */
    uint8_t end;       /* 0 or 1 */
    uint8_t volume;    /* dBm0 without its sign */
    uint16_t duration; /* timestamp units */
} vg_rtp_event;

/* VG_ETRUNCATED, or VG_EMALFORMED for another version or padding that does not fit. */
int vg_rtp_parse(const uint8_t *packet, size_t length, vg_rtp_header *out);
/* Writes the 12 octets of a header without extension. */
void vg_rtp_write_header(uint8_t *out, int payload_type, int marker, uint16_t sequence, uint32_t timestamp, uint32_t ssrc);

void vg_rtp_source_reset(vg_rtp_source *source, uint32_t ssrc, uint16_t sequence);
/* Counts a packet. VG_OK, or VG_ELIMIT when the sequence number jumped wildly (RFC 3550 A.1): do not use this packet. */
int vg_rtp_source_update(vg_rtp_source *source, uint16_t sequence);
/* Jitter (A.8): arrival and timestamp in timestamp units. */
void vg_rtp_source_jitter(vg_rtp_source *source, uint32_t arrival, uint32_t timestamp);
uint32_t vg_rtp_source_expected(const vg_rtp_source *source);
/* Cumulative loss over all resets; duplicates make it smaller (A.3), it may be negative. */
int32_t vg_rtp_source_lost(const vg_rtp_source *source);
/* Fraction lost since the last call, in 1/256 (A.3); moves the prior counts on. */
uint8_t vg_rtp_source_fraction(vg_rtp_source *source);

int vg_rtp_event_parse(const uint8_t *payload, size_t length, vg_rtp_event *out);
void vg_rtp_event_write(uint8_t *out, const vg_rtp_event *event);
/* The symbol of an event code 0 to 15, 0 for another; and back, -1 for no such symbol. */
int vg_rtp_event_symbol(int event);
int vg_rtp_event_code(int symbol);
/* cffi: end */

static inline uint16_t vg_be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t vg_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void vg_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void vg_put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

#endif
