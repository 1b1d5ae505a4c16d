/* Call-progress tones heard by frequencies and cadence (ITU-T E.180), at 8000 Hz.
 *
 * A plan holds what may sound: sets of one to four frequencies, and patterns (cadences) over the sets. For each set the plan
 * keeps an orthonormal basis, as int16 rows, of all that its tones, each up to 12 Hz (above 900 Hz: 25 Hz) off, can be within 50 ms. A hop of 12.5 ms
 * is on when its energy lies above -43 dBm0, 6 dB above the noise floor (taken to be -41.5 dBm0 at most) and within 10 dB of the loudest of late (which fades by 3 dB a second), and belongs to every set that explains
 * 80 % of the energy of the 50 ms around it (but not to a set when one of its own subsets explains as much). Runs of like
 * hops are compared with the patterns, durations within 15 % or 40 ms. Left out: tones under speech, modulation depth. */
#ifndef VG_PROGRESS_H
#define VG_PROGRESS_H

#include "vg_common.h"

/* cffi: begin */
#define VG_PROGRESS_SETS 16
#define VG_PROGRESS_ROWS 128
#define VG_PROGRESS_PATTERNS 16
#define VG_PROGRESS_PARTS 24
#define VG_PROGRESS_SILENCE 255

/* A cadence. It is certain after `needed` runs of it, the newest with sound, or, when it is steady, after `steady_ms` of its
 * one set. Where `pause_ms` is not 0, silence must have lasted so long after these runs, and half as long before them. */
typedef struct {
    uint8_t set[24];            /* of each part, VG_PROGRESS_SILENCE for a pause */
    uint16_t duration_ms[24];   /* of each part */
    uint8_t parts;              /* 0: steady */
    uint8_t needed;             /* runs, at most 12 */
    uint8_t first_only;         /* 1: the runs must begin with part 0 */
    uint8_t steady_set;
    uint16_t pause_ms;
    uint16_t steady_ms;
    uint16_t rearm_ms;          /* silence after which it would be reported anew */
    uint16_t hides;             /* patterns that are a part of it, and not reported while it is current */
} vg_progress_pattern;

/* What may sound. Made once, read by any number of detectors. */
typedef struct {
    int16_t rows[128][400];
    uint8_t first_row[16], row_count[16];
    uint16_t within[16];        /* for each set, which sets are subsets of it */
    uint16_t beating;           /* sets with neighbours so near that their sum has nulls */
    float hz[16][4];
    uint8_t sets, patterns, rows_used;
    vg_progress_pattern pattern[16];
} vg_progress_plan;

/* A run of like hops. */
typedef struct {
    uint64_t first_hop;
    uint32_t hops;
    uint16_t mask;              /* sets; 0: silence, or sound of no set */
    uint8_t silent;
} vg_progress_run;

/* A detector. Owned by the caller. */
typedef struct {
    int16_t samples[400];
    int32_t fill;
    uint64_t hops;
    double energy[4];           /* sums of squares of the last four hops, newest last */
    double loudest, floor;
    uint32_t vote[16];          /* hops of run[0] that were of each set */
    vg_progress_run run[12];    /* newest first; run[0] still grows */
    uint32_t unknown, strange;  /* hops of no set, of other sets, at the end of run[0] */
    uint32_t pushed, compared;  /* runs begun; the value at which patterns were last compared */
    int32_t current;            /* pattern last reported and not yet re-armed, -1: none */
} vg_progress;

typedef struct {
    uint64_t start_sample;
    int32_t pattern;
} vg_progress_event;

int vg_progress_plan_init(vg_progress_plan *plan);
/* Add a set of 1 to 4 frequencies; its number goes to *set. VG_EINVAL: none, or one not between 50 and 3900 Hz;
 * VG_EFULL: no room. */
int vg_progress_plan_add_set(vg_progress_plan *plan, const float *hz, size_t count, uint8_t *set);
/* Add a pattern. VG_EINVAL: a set that is not there, or counts out of range; VG_EFULL: no room. */
int vg_progress_plan_add_pattern(vg_progress_plan *plan, const vg_progress_pattern *pattern);
int vg_progress_init(vg_progress *state);
/* Hear n samples (any n); at most `max` events to `events`, their number to *count. VG_EFULL: there were more (one for
 * every 100 samples, plus one, always suffices). */
int vg_progress_process(vg_progress *state, const vg_progress_plan *plan, const int16_t *pcm, size_t n,
                        vg_progress_event *events, size_t max, size_t *count);
/* cffi: end */

#endif
