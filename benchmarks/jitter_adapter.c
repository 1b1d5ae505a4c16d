/* vg_jitter behind the four functions that a judge of jitter buffers calls (frames of 160 samples; the octets carry which
 * packet they came from). Build with -shared -fPIC beside vg_jitter.c and vg_g711.c; -DADAPTIVE=0 for the fixed depth. */
#include <stdlib.h>
#include <string.h>

#include "vg_jitter.h"

#ifndef ADAPTIVE
#define ADAPTIVE 1
#endif
#define NAMES 251

typedef struct {
    vg_jitter jitter;
    uint16_t sequence[NAMES];
} adapter;

void *jb_new(void)
{
    adapter *a = calloc(1, sizeof *a);
    vg_jitter_init(&a->jitter, 0, 480, ADAPTIVE);
    return a;
}

void jb_free(void *state)
{
    free(state);
}

void jb_put(void *state, uint16_t sequence, uint32_t timestamp, int64_t now_us)
{
    adapter *a = state;
    uint8_t octets[160];
    (void)now_us;
    memset(octets, sequence % NAMES, sizeof octets);
    a->sequence[sequence % NAMES] = sequence;
    vg_jitter_put(&a->jitter, timestamp, octets, sizeof octets, 0);
}

/* The packet that most of the frame came from; -1: concealed, -2: nothing has been played yet. */
int jb_get(void *state, int64_t now_us)
{
    adapter *a = state;
    uint8_t octets[160];
    int counts[256] = {0}, most = 0;
    (void)now_us;
    size_t real = vg_jitter_get(&a->jitter, octets, sizeof octets);
    if (real < 80) return a->jitter.playing ? -1 : -2;
    for (int i = 0; i < 160; i++)
        if (++counts[octets[i]] > counts[most]) most = octets[i];
    return most < NAMES ? a->sequence[most] : -1;
}
