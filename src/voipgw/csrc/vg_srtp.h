/* SRTP and SRTCP: the octets of a packet protected and back (RFC 3711, 6188, 7714).
 *
 * Ciphers, SHA-1 and the comparison of tags are libcrypto's; key derivation with a derivation rate of zero, packet index,
 * replay window and formats are here. A vg_srtp is one master key: the streams of its SSRCs are told apart by SSRC and
 * direction, each with a rollover counter and a replay window of its own. A packet is authenticated before anything moves:
 * one that fails leaves no trace. What was protected once is not protected again, since two packets of one index would share
 * a key stream. No allocation but in vg_srtp_new; one thread at a time. Keys are wiped when it is freed. Left out: MKI, key
 * derivation rates, F8, unencrypted SRTCP, encrypted header extensions (RFC 6904, 9335). */
#ifndef VG_SRTP_H
#define VG_SRTP_H

#include "vg_common.h"

/* cffi: begin */
#define VG_SRTP_AES_CM_128_HMAC_SHA1_80 0
#define VG_SRTP_AES_CM_128_HMAC_SHA1_32 1
#define VG_SRTP_AES_256_CM_HMAC_SHA1_80 2
#define VG_SRTP_AES_256_CM_HMAC_SHA1_32 3
#define VG_SRTP_AEAD_AES_128_GCM 4
#define VG_SRTP_AEAD_AES_256_GCM 5
#define VG_SRTP_PROFILES 6

#define VG_SRTP_TRAILER_OCTETS 20 /* what protecting adds at most: a tag, and the index word of SRTCP */
#define VG_SRTP_WINDOW 128        /* packets behind the newest that may still come, once each */

/* Session keys: RTP's, then RTCP's (RFC 3711 section 4.3). */
typedef struct {
    uint8_t cipher[2][32];
    uint8_t auth[2][20];
    uint8_t salt[2][14];
} vg_srtp_keys;

typedef struct vg_srtp vg_srtp;

/* Octets of a profile's master key and master salt. VG_EINVAL: no such profile. */
int vg_srtp_lengths(int profile, size_t *key, size_t *salt);
/* Session keys of a master key and salt of the profile's lengths (RFC 3711 section 4.3.1, 6188 section 3, 7714 section 11). */
int vg_srtp_derive(int profile, const uint8_t *key, const uint8_t *salt, vg_srtp_keys *out);
/* Room for so many SSRCs, 1 to 65536, sent and received together; NULL when a value is wrong or memory short. */
vg_srtp *vg_srtp_new(int profile, const vg_srtp_keys *keys, size_t streams);
void vg_srtp_free(vg_srtp *srtp);
/* Makes srtp go on where old stands, after another master key: rollover counters are not reset (RFC 3711 section 3.3.1).
 * What is received may also begin anew with zero. VG_EFULL: old has more streams than there is room for. */
int vg_srtp_inherit(vg_srtp *srtp, const vg_srtp *old);

/* Each changes length octets at packet in place and gives the new length. room counts the octets at packet.
 * VG_ETRUNCATED and VG_EMALFORMED: no such packet. VG_EFULL: no room, or no room for another SSRC. VG_ELIMIT: the key has
 * been used for as many packets as it may be. VG_EREPLAY: an index that has been, or is too old. VG_EAUTH: the tag is wrong;
 * the octets are then as they came with AES-CM, and zero after the header with AEAD. */
int vg_srtp_protect(vg_srtp *srtp, uint8_t *packet, size_t length, size_t room, size_t *out);
int vg_srtp_unprotect(vg_srtp *srtp, uint8_t *packet, size_t length, size_t *out);
int vg_srtp_protect_rtcp(vg_srtp *srtp, uint8_t *packet, size_t length, size_t room, size_t *out);
int vg_srtp_unprotect_rtcp(vg_srtp *srtp, uint8_t *packet, size_t length, size_t *out);

/* The newest index that was protected (sent 1) or unprotected (0) of an SSRC; of RTCP where rtcp is 1. VG_EEMPTY: none. */
int vg_srtp_index(const vg_srtp *srtp, uint32_t ssrc, int sent, int rtcp, uint64_t *index);
/* Sets that index, as if it had just been protected or unprotected. For what joins a stream late, and for tests. */
int vg_srtp_set_index(vg_srtp *srtp, uint32_t ssrc, int sent, int rtcp, uint64_t index);
/* cffi: end */

#endif
