/* DTMF: generator and receiver (ITU-T Q.23, Q.24; ETSI ES 201 235-3; Telcordia GR-506), at 8000 Hz.
 *
 * Receiver: eight Hann-windowed bins of 24 ms every 5 ms as int16 dot products (scalar and SIMD builds give the same bits);
 * a tone's edges are where its bins cross half amplitude, its frequency is the phase step between windows, twist is read
 * from powers corrected for that frequency, and a digit is vetoed when a second harmonic or anything else between 560 and
 * 3440 Hz sounds beside the two tones. What lies below 500 Hz (dial tone, hum) may be 10 dB louder than the digit.
 *
 *   profile      accepts        rejects   twist high/low  level per tone       duration          gap that ends a digit
 *   Q24          +-1.5 %        +-3.5 %   -8 .. +4 dB     0 .. -40 dBm0        40 ms; not 23 ms  40 ms; not 20 ms
 *   ETSI         +-1.5 %        +-3.5 %   -6 .. +6 dB     0 .. -40 dBm0        40 ms; not 23 ms  40 ms; not 20 ms
 *   NTT          +-1.8 %        +-3.0 %   -5 .. +5 dB     -3 .. -36 dBm0       40 ms; not 24 ms  30 ms; not 10 ms
 *   BELLCORE     +-1.5 %        +-3.5 %   -8 .. +4 dB     0 .. -36 dBm0        40 ms; not 23 ms  40 ms; not 10 ms
 *
 * A digit begins about 40 ms after its first sample (when it has lasted long enough) and ends 35 ms after its last one
 * (in silence; up to 47 ms in noise). Left out: sample rates other than 8000 Hz, removal of digits from the audio.
 * All samples are linear 16-bit with 0 dBm0 where G.711 has it: a full-scale sine is +3.14 dBm0. */
#ifndef VG_DTMF_H
#define VG_DTMF_H

#include "vg_common.h"

/* cffi: begin */
#define VG_DTMF_Q24 0
#define VG_DTMF_ETSI 1
#define VG_DTMF_NTT 2
#define VG_DTMF_BELLCORE 3

#define VG_DTMF_BEGIN 1  /* a digit is certain and still sounds (or has just ended) */
#define VG_DTMF_END 2    /* it is over */

typedef struct {
    uint8_t kind;               /* VG_DTMF_BEGIN or VG_DTMF_END */
    char symbol;                /* one of 0123456789*#ABCD */
    uint16_t channel;           /* row of the bank; 0 of a single detector */
    uint32_t duration_samples;  /* END: from edge to edge; BEGIN: so far */
    uint64_t start_sample;      /* counted from init */
} vg_dtmf_event;

/* One hop of analysis. */
typedef struct {
    float re[8], im[8];         /* bins, in units of the dot product */
    float power[8];             /* their powers */
    float energy;               /* of the hop's own 40 samples, mean square, in units of the sample */
    float veto_peak, veto_sum;  /* grid bins outside the two tones: largest and total power; < 0: not computed */
    int8_t low, high;           /* strongest bin of each group when this looks like a digit, else -1 */
} vg_dtmf_hop;

/* A receiver. Owned by the caller, of no use to anyone else; copying it copies the receiver. */
typedef struct {
    int16_t samples[512];       /* halved; the window is the 192 from `at`, oldest first */
    int32_t at;
    int32_t fill;               /* how many samples of the next hop have come */
    int32_t hop_energy;         /* sum of (sample / 16)^2 of that hop so far */
    uint64_t hops;              /* hops analysed */
    vg_dtmf_hop ring[32];
    /* profile, in working units */
    float level_min, twist_normal, twist_reverse, tan_limit[8];
    float gap_samples, accept_samples;
    /* the candidate: hops of one symbol that may become a digit */
    int8_t run_low, run_high;
    int32_t run_length;         /* hops since its first, 0: none */
    int32_t run_missing;        /* hops since the last that looked like it */
    uint64_t run_barred;        /* hops before this one belong to a digit already reported */
    /* the digit that sounds */
    int8_t low, high;           /* -1: none */
    int8_t falling;             /* it fell below half amplitude, at `end` */
    float reference_low, reference_high;
    double start, end;          /* sample times of its edges */
} vg_dtmf;

/* A receiver at rest. VG_EINVAL: no such profile. */
int vg_dtmf_init(vg_dtmf *state, int profile);
/* Hear n samples (any n); at most `max` events go to `events`, their number to *count. VG_EFULL: there was no room for all
 * (two for every 240 samples, plus two, always suffice) and the rest are lost; the state stays good. */
int vg_dtmf_process(vg_dtmf *state, const int16_t *pcm, size_t n, vg_dtmf_event *events, size_t max, size_t *count);
/* `channels` receivers in one call; channel i hears the n samples at pcm + i * stride. */
int vg_dtmf_process_bank(vg_dtmf *states, size_t channels, const int16_t *pcm, size_t stride, size_t n,
                         vg_dtmf_event *events, size_t max, size_t *count);
/* The symbol that sounds now, 0 when none does. */
int vg_dtmf_sounding(const vg_dtmf *state);

/* Both tones of one digit. */
typedef struct {
    uint32_t step[2];           /* phase per sample, in 2^-32 turns */
    uint32_t phase[2];
    int32_t amplitude[2];       /* peak, in 2^-15 sample units */
    uint32_t at, length;        /* samples */
} vg_dtmf_tone;

/* A digit of `length` samples, each tone at its own level, both from phase zero.
 * VG_EINVAL: no such symbol, a tone above +3.14 dBm0 or not a number, or a rate below 4000 Hz. */
int vg_dtmf_tone_init(vg_dtmf_tone *tone, char symbol, float low_dbm0, float high_dbm0, uint32_t length, uint32_t rate_hz);
/* The next n samples (zero after the end). */
int vg_dtmf_tone_make(vg_dtmf_tone *tone, int16_t *pcm, size_t n);
/* cffi: end */

#endif
