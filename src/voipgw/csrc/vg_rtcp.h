/* RTCP compound packets: sender and receiver reports, source description, goodbye (RFC 3550 section 6).
 *
 * What a session of two parties needs: it writes SR or RR with at most one report block, SDES with CNAME, and BYE; it reads
 * SR, RR and BYE and steps over the rest. NTP times are 64 bits, the upper 32 seconds since 1900. Left out: XR (RFC 3611),
 * APP, reports about more than one source. */
#ifndef VG_RTCP_H
#define VG_RTCP_H

#include "vg_rtp.h"

/* cffi: begin */
#define VG_RTCP_SR 200
#define VG_RTCP_RR 201
#define VG_RTCP_SDES 202
#define VG_RTCP_BYE 203
#define VG_CNAME_OCTETS 24
#define VG_RTCP_MAX_OCTETS 128 /* enough for any packet that vg_rtcp_write makes */

typedef struct {
    uint32_t ssrc;             /* whom it is about */
    uint8_t fraction;          /* 1/256 */
    int32_t lost;              /* 24 bits on the wire, clamped */
    uint32_t highest;          /* extended highest sequence number */
    uint32_t jitter;           /* timestamp units */
    uint32_t last_sr;          /* middle 32 bits of the NTP time of the last SR */
    uint32_t delay_since_sr;   /* 1/65536 s */
} vg_rtcp_block;

/* A compound packet as written or as read. */
typedef struct {
    uint32_t ssrc;          /* who says it */
    uint8_t is_sender;      /* SR, else RR */
    uint8_t has_block;      /* block is valid; when read, the one about the ssrc asked for */
    uint8_t bye;
    uint64_t ntp;           /* of the SR */
    uint32_t timestamp;     /* RTP time of the same moment */
    uint32_t packets;       /* sender's counts */
    uint32_t octets;
    vg_rtcp_block block;
} vg_rtcp_report;

/* Octets written to out, which has room for VG_RTCP_MAX_OCTETS; cname has 1 to VG_CNAME_OCTETS octets. */
size_t vg_rtcp_write(uint8_t *out, const vg_rtcp_report *report, const uint8_t *cname, size_t cname_length);
/* Reads a compound packet: blocks about ``about`` only. VG_EMALFORMED when lengths, version or the first type are wrong
 * (RFC 3550 A.2; reduced-size packets of RFC 5506, which begin with another type, are taken as well). */
int vg_rtcp_parse(const uint8_t *packet, size_t length, uint32_t about, vg_rtcp_report *out);
/* Round trip in microseconds from a block that was received at NTP time ntp; -1 when it says nothing (section 6.4.1). */
int64_t vg_rtcp_round_trip_us(const vg_rtcp_block *block, uint64_t ntp);
/* NTP time of microseconds since 1900. */
uint64_t vg_rtcp_ntp(int64_t us_since_1900);
/* cffi: end */

#endif
