/* G.726: 8 kHz audio in 40, 32, 24 and 16 kbit/s by adaptive differential PCM (ITU-T G.726).
 *
 * A sample becomes a code word of 5, 4, 3 or 2 bits. Samples are 16-bit linear of which the upper 14 are used (the standard's
 * uniform PCM interface), or G.711 octets: then the standard's expansion, compression and synchronous tandem adjustment apply,
 * so that G.711 to G.726 to G.711 any number of times changes the sound only once. All arithmetic is the standard's, bit for
 * bit. Code words are packed into octets from the least significant bit ("G726-32" of RFC 3551 section 4.5.4) or from the
 * most significant one ("AAL2-G726-32", ITU-T I.366.2 annex E). Encoder and decoder each have their own state, of one
 * stream. Left out: the standard's reset line and stand-by, other than by vg_g726_init. */
#ifndef VG_G726_H
#define VG_G726_H

#include "vg_common.h"

/* cffi: begin */
typedef struct {
    int32_t yl;     /* slow scale factor, 19 bits */
    int16_t yu;     /* fast scale factor */
    int16_t dms;    /* short-term and long-term mean of F(I) */
    int16_t dml;
    int16_t ap;     /* speed control */
    int16_t td;     /* a tone is being coded */
    int16_t pk[2];  /* signs of the partially reconstructed signal: 0 or 1, newest first */
    int16_t a[2];   /* pole coefficients, */
    int16_t b[6];   /*   and after them the zero coefficients */
    int16_t sr[2];  /* reconstructed signal and, after it, quantised differences, newest first: the standard's 11-bit */
    int16_t dq[6];  /*   floating point, sign as of two's complement, 4 bits of exponent, 6 of mantissa */
    uint8_t bits;   /* of a code word: 2 to 5 */
    uint8_t aal2;   /* packed from the most significant bit */
    uint8_t held;   /* encoder: bits that wait for the rest of their octet */
    uint8_t wait;
} vg_g726;

/* bits 2 to 5; aal2: 0 or 1. VG_EINVAL for others. */
int vg_g726_init(vg_g726 *state, int bits, int aal2);

/* One code word a sample, unpacked, one in each octet. */
void vg_g726_code(vg_g726 *state, const int16_t *pcm, size_t n, uint8_t *codes);
void vg_g726_decode_codes(vg_g726 *state, const uint8_t *codes, size_t n, int16_t *pcm);
/* The same from and to G.711 octets; law is VG_LAW_ULAW or VG_LAW_ALAW, VG_EINVAL for another. */
int vg_g726_code_law(vg_g726 *state, int law, const uint8_t *octets, size_t n, uint8_t *codes);
int vg_g726_decode_law(vg_g726 *state, int law, const uint8_t *codes, size_t n, uint8_t *octets);

/* n samples to packed octets; bits that do not fill an octet wait for the next call (a frame of a multiple of 8 samples
 * leaves none). Returns the octets, at most (n * bits + 7) / 8. */
size_t vg_g726_encode(vg_g726 *state, const int16_t *pcm, size_t n, uint8_t *octets);
/* n octets to 8 n / bits samples, what is left of an octet is padding. Returns the samples. */
size_t vg_g726_decode(vg_g726 *state, const uint8_t *octets, size_t n, int16_t *pcm);
/* cffi: end */

#endif
