/* Samples from 8000 to 16,000 Hz and back.
 *
 * One half-band filter of 63 taps at 16,000 Hz, linear phase, in two polyphase branches (one is a delay): flat within 0.02 dB
 * to 3500 Hz, what lies above 4500 Hz is 60 dB down, 6 dB down at 4000 Hz; each way delays by 31 samples of the higher rate,
 * 1.94 ms. Designed by Parks-McClellan (scipy.signal.remez), coefficients in Q14, products summed exactly, the result rounded
 * and saturated. Left out: other rates. */
#ifndef VG_RESAMPLE_H
#define VG_RESAMPLE_H

#include "vg_common.h"

/* cffi: begin */
/* All 0 is a stream at its beginning. */
typedef struct {
    int16_t past[31];  /* the newest samples, oldest first */
} vg_upsampler;

typedef struct {
    int16_t even[31];  /* the newest samples of either phase, oldest first */
    int16_t odd[31];
    int16_t left;      /* a sample that waits for its other half */
    uint8_t has_left;
} vg_downsampler;

/* n samples at 8000 Hz to 2 n at 16,000 Hz. */
void vg_upsample(vg_upsampler *state, const int16_t *in, size_t n, int16_t *out);
/* n samples at 16,000 Hz to one for two; what is left over waits for the next call. Returns how many, at most (n + 1) / 2. */
size_t vg_downsample(vg_downsampler *state, const int16_t *in, size_t n, int16_t *out);
/* cffi: end */

#endif
