/* G.722: 7 kHz audio in 64 kbit/s by sub-band ADPCM (ITU-T G.722), 64, 56 and 48 kbit/s.
 *
 * Samples are 16-bit linear at 16,000 Hz; two of them, 125 us, make one octet: the higher sub-band's two bits, then the lower
 * one's six. At 56 and 48 kbit/s (modes 2 and 3 of the standard) the last one or two bits of each octet are not this codec's:
 * the encoder leaves them 0, the decoder does not look at them; an octet is always 125 us, as RFC 3551 section 4.5.2 has it.
 * The arithmetic is the standard's, bit for bit, with its saturation. Encoder and decoder each have their own state, of
 * one stream. Left out: the auxiliary data channel, concealment (Appendices III and IV). */
#ifndef VG_G722_H
#define VG_G722_H

#include "vg_common.h"

/* cffi: begin */
#define VG_G722_64K 1 /* the standard's modes */
#define VG_G722_56K 2
#define VG_G722_48K 3

/* One sub-band's predictor and scale, alike in encoder and decoder. */
typedef struct {
    int16_t d[8];   /* quantised differences, newest first; the last two places stay 0 */
    int16_t b[8];   /* zero coefficients, of d[0] to d[5]; likewise */
    int16_t r[2];   /* reconstructed signal, newest first */
    int16_t p[2];   /* signs of the partially reconstructed signal: 0 or -1, newest first */
    int16_t a[2];   /* pole coefficients */
    int16_t sz;     /* prediction of the zero section */
    int16_t s;      /* prediction */
    int16_t nb;     /* logarithm of the scale */
    int16_t det;    /* scale */
} vg_g722_band;

typedef struct {
    vg_g722_band low, high;
    int16_t history[22]; /* of the quadrature mirror filter, oldest first */
    int16_t odd;         /* encoder: a sample that waits for its other half */
    uint8_t has_odd;
    uint8_t mode;
} vg_g722;

/* VG_EINVAL for another mode than VG_G722_... */
int vg_g722_init(vg_g722 *state, int mode);
/* n samples to octets, one for two; what is left over waits for the next call. Returns the octets, at most (n + 1) / 2. */
size_t vg_g722_encode(vg_g722 *state, const int16_t *pcm, size_t n, uint8_t *octets);
/* n octets to 2 n samples. */
void vg_g722_decode(vg_g722 *state, const uint8_t *octets, size_t n, int16_t *pcm);
/* cffi: end */

#endif
