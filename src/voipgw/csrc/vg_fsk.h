/* FSK at 1200 bit/s for caller ID: Bell 202 (mark 1200 Hz, space 2200 Hz; Telcordia GR-30) and V.23 mode 2 forward channel
 * (mark 1300 Hz, space 2100 Hz; ITU-T V.23, ETSI EN 300 659-2), in asynchronous characters of 8 bits, at 8000 Hz.
 *
 * The receiver correlates with both tones over one bit, finds the timing of each character that gives the largest eye, and
 * decides each bit from the five around it with the phase held continuous, which is what FSK sends. It hears levels from
 * 0 down to -45 dBm0, tones 2 % off, a difference of 6 dB between them, and characters with any pause between. It gives
 * octets; which of them are a message is for the layer above (checksum). Left out: other speeds, parity, a transmit filter. */
#ifndef VG_FSK_H
#define VG_FSK_H

#include "vg_common.h"

/* cffi: begin */
#define VG_FSK_BELL202 0
#define VG_FSK_V23 1

/* Samples that `bits` bits take, the last one whole. */
size_t vg_fsk_samples(size_t bits);
/* The sound of bits (0: space, else mark), phase continuous; n is vg_fsk_samples(bits). VG_EINVAL: no such mode, a level
 * above +3.14 dBm0 or not a number, or another n. */
int vg_fsk_modulate(int mode, float level_dbm0, const uint8_t *bits, size_t count, int16_t *pcm, size_t n);

/* A character. */
typedef struct {
    uint64_t start_sample;      /* of its start bit, counted from init */
    uint8_t octet;
} vg_fsk_octet;

/* A receiver. Owned by the caller. */
typedef struct {
    uint32_t step[2], phase[2]; /* of mark and space, in 2^-32 turns */
    double sum[2][2][256];      /* running sums of the samples times cosine and sine of mark and space */
    double square[256];         /* running sum of squares */
    double filter_in, filter_out;
    double turn[2][2];          /* cosine and sine of what the phase of mark and space turns by in one bit */
    double least;               /* mean square below which nothing is heard */
    double search;              /* sample time from which the next start bit is looked for */
    double expected;            /* start of the next character if it follows at once; < 0: unknown */
    uint64_t samples;
} vg_fsk_rx;

/* A receiver at rest. VG_EINVAL: no such mode. */
int vg_fsk_rx_init(vg_fsk_rx *rx, int mode);
/* Hear n samples (any n); at most `max` characters go to `out`, their number to *count. VG_EFULL: there were more, and they
 * are lost (one for every 60 samples, plus two, always suffice). */
int vg_fsk_rx_process(vg_fsk_rx *rx, const int16_t *pcm, size_t n, vg_fsk_octet *out, size_t max, size_t *count);
/* cffi: end */

#endif
