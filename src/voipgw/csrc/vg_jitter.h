/* A jitter buffer for G.711, of fixed or adaptive depth, clocked by whoever takes samples out of it.
 *
 * Octets of one law, stored by RTP timestamp, played a set depth after the first one arrived. A reader that stalls and
 * catches up with several frames at once loses nothing as long as VG_JITTER_SAMPLES less the depth came meanwhile. A lost
 * stretch is concealed by repeating the last 20 ms with a fade of 60 ms.
 *
 * The depth is judged over windows of 2 s. Fixed: it follows the clocks only when they are far apart; delay is taken out when
 * every packet was early by more than 60 ms over the depth, put in when more than 5 % came too late. Adaptive: delay that no
 * packet needed is taken out but for half of the spread of the arrivals, 1 to 20 ms; it is put in when more than 3 % came too
 * late. Either way samples are dropped or made up at once, and counted. Left out: time scaling, waiting for a silence. */
#ifndef VG_JITTER_H
#define VG_JITTER_H

#include "vg_common.h"

#define VG_JITTER_SAMPLES 5120 /* 640 ms at 8000 Hz */
#define VG_JITTER_HISTORY 160

/* cffi: begin */
typedef struct {
    uint64_t late;      /* packets that came after their time */
    uint64_t concealed; /* samples made up while a stream was running */
    uint64_t dropped;   /* samples taken out to follow the sender's clock, or for which there was no room */
    uint64_t inserted;  /* samples put in for the same reason */
    uint64_t resets;    /* jumps of the timestamp that moved the reading point */
} vg_jitter_counters;
/* cffi: end */

typedef struct {
    uint32_t head;           /* local time of the next sample to be played */
    uint32_t head_index;     /* where it is kept */
    uint32_t end;            /* local time after the newest sample stored */
    uint32_t offset;         /* local time less RTP timestamp */
    uint32_t depth;          /* samples */
    uint8_t law;             /* VG_LAW_... of the octets kept */
    uint8_t anchored;        /* offset is valid */
    uint8_t playing;         /* a stored sample has been played since the anchor */
    uint8_t adaptive;
    uint8_t jumps;           /* packets in a row outside what can be stored */
    uint32_t missing;        /* samples since the last stored one was played */
    uint32_t history_at;
    int32_t least_margin;    /* of the window: samples by which the latest packet was early */
    int32_t most_margin;
    int32_t window_left;     /* samples until the window is judged */
    uint32_t window_packets;
    uint32_t window_late;
    vg_jitter_counters counters;
    uint64_t present[VG_JITTER_SAMPLES / 64];
    uint8_t octets[VG_JITTER_SAMPLES];
    uint8_t history[VG_JITTER_HISTORY];
} vg_jitter;

/* depth: at the beginning, or for good. VG_EINVAL for another law or a depth over 500 ms (4000 samples). */
int vg_jitter_init(vg_jitter *jitter, int law, uint32_t depth_samples, int adaptive);
/* Stores n octets of timestamp; fresh: first packet of another source, anchors anew. VG_ELIMIT when it cannot be kept. */
int vg_jitter_put(vg_jitter *jitter, uint32_t timestamp, const uint8_t *octets, size_t n, int fresh);
/* Takes n octets out; returns how many of them were stored ones. */
size_t vg_jitter_get(vg_jitter *jitter, uint8_t *out, size_t n);
/* Samples stored ahead of the reading point. */
uint32_t vg_jitter_level(const vg_jitter *jitter);

#endif
