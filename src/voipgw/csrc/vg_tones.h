/* Cadenced tones: up to four sines at a time, for a time, with silences between (ITU-T E.180), and sums of samples.
 *
 * Phases run on from segment to segment where the frequency stays, and a tone that begins after silence or ends before it
 * is ramped over 2.5 ms inside its own time, so that nothing clicks. Levels are dBm0 of each sine (full scale +3.14).
 * Left out: amplitude modulation (given as its two side lines by the table of countries). */
#ifndef VG_TONES_H
#define VG_TONES_H

#include "vg_common.h"

/* cffi: begin */
#define VG_TONES_SEGMENTS 32

/* A part of a cadence. */
typedef struct {
    float hz[4];            /* 0: no more sines; none at all: silence */
    float level_dbm0;       /* of each sine */
    uint32_t duration_ms;   /* 0: without end */
} vg_tone_segment;

/* The same, in working units. */
typedef struct {
    uint32_t step[4];       /* phase per sample in 2^-32 turns */
    int32_t amplitude;      /* peak in 2^-15 sample units; 0: silence */
    uint32_t samples;       /* 0: without end */
    uint8_t count;          /* sines */
    uint8_t ramp_up, ramp_down;
} vg_tones_part;

/* A generator. Owned by the caller. */
typedef struct {
    vg_tones_part parts[32];
    uint32_t phase[4];
    uint32_t count, current, at;
    int32_t repeat, done;
} vg_tones;

/* Begin a cadence of 1 to VG_TONES_SEGMENTS segments, over and over or once. VG_ELIMIT: too many segments; VG_EINVAL:
 * none, a frequency not between 0 and half the rate, a level above +3.14 dBm0 or not a number, or a rate of 0. */
int vg_tones_init(vg_tones *state, const vg_tone_segment *segments, size_t count, int repeat, uint32_t rate_hz);
/* The next n samples; zeros after the end. */
int vg_tones_make(vg_tones *state, int16_t *pcm, size_t n);
/* 1 once a cadence that does not repeat has been played to its end. */
int vg_tones_done(const vg_tones *state);

/* into[i] += from[i], held at the limits of 16 bits. */
int vg_mix_add(int16_t *into, const int16_t *from, size_t n);
/* cffi: end */

#endif
