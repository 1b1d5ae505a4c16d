#include "vg_jitter.h"

#include <string.h>

#include "vg_g711.h"

#define CAPACITY ((int32_t)VG_JITTER_SAMPLES)
#define WINDOW 16000       /* 2 s */
#define FAR 480            /* 60 ms */
#define FADE 480           /* 60 ms */
#define IDLE 1600          /* 200 ms without a stored sample: the sender is silent, nothing is being lost */
#define NO_MARGIN INT32_MAX

static const uint8_t silence[2] = {0xff, 0xd5};

static void open_window(vg_jitter *j)
{
    j->least_margin = NO_MARGIN;
    j->most_margin = -NO_MARGIN;
    j->window_left = WINDOW;
    j->window_packets = 0;
    j->window_late = 0;
}

int vg_jitter_init(vg_jitter *j, int law, uint32_t depth_samples, int adaptive)
{
    if ((law != VG_LAW_ULAW && law != VG_LAW_ALAW) || depth_samples > 4000) return VG_EINVAL;
    memset(j, 0, sizeof *j);
    j->law = (uint8_t)law;
    j->depth = depth_samples;
    j->adaptive = (uint8_t)(adaptive != 0);
    memset(j->history, silence[law], sizeof j->history);
    j->missing = IDLE;
    open_window(j);
    return VG_OK;
}

static uint32_t wrap(uint32_t index)
{
    return index >= (uint32_t)CAPACITY ? index - (uint32_t)CAPACITY : index;
}

static void anchor(vg_jitter *j, uint32_t timestamp)
{
    if (j->anchored) j->counters.resets++;
    memset(j->present, 0, sizeof j->present);
    j->offset = j->head + j->depth - timestamp;
    j->end = j->head + j->depth;
    j->anchored = 1;
    j->playing = 0;
    j->jumps = 0;
    open_window(j);
}

static void store(vg_jitter *j, uint32_t margin, const uint8_t *octets, size_t n)
{
    uint32_t at = wrap(j->head_index + margin);
    for (size_t i = 0; i < n; i++) {
        j->octets[at] = octets[i];
        j->present[at >> 6] |= (uint64_t)1 << (at & 63);
        at = wrap(at + 1);
    }
}

/* Where a packet stands that cannot be stored: a jump of the sender's timestamps (twice in a row moves the reading point),
 * or a reader that has stalled for longer than there is room. */
static int outside(vg_jitter *j, uint32_t timestamp, uint32_t local, int32_t margin)
{
    int32_t beyond = (int32_t)(local - j->end);
    int stalled = margin > 0 && beyond >= 0 && beyond < WINDOW && j->end - j->head > (uint32_t)CAPACITY / 2;
    if (!stalled && ++j->jumps >= 2) {
        anchor(j, timestamp);
        return VG_OK;
    }
    return VG_ELIMIT;
}

int vg_jitter_put(vg_jitter *j, uint32_t timestamp, const uint8_t *octets, size_t n, int fresh)
{
    if (n == 0) return VG_OK;
    if (n > (size_t)CAPACITY - j->depth) return VG_ELIMIT;
    if (!j->anchored || fresh) anchor(j, timestamp);
    uint32_t local = timestamp + j->offset;
    int32_t margin = (int32_t)(local - j->head);
    int dry = (int32_t)(j->end - j->head) <= 0 && j->missing > j->depth;
    if (margin < 0 && dry && margin > -CAPACITY) { /* a talkspurt after a silence in which the sender's clock stood still */
        anchor(j, timestamp);
        margin = (int32_t)j->depth;
    } else if (margin <= -CAPACITY || margin + (int32_t)n > CAPACITY) {
        if (outside(j, timestamp, local, margin) != VG_OK) {
            j->counters.dropped += n;
            return VG_ELIMIT;
        }
        margin = (int32_t)j->depth;
    }
    j->jumps = 0;
    j->window_packets++;
    if (margin < j->least_margin) j->least_margin = margin;
    if (margin > j->most_margin) j->most_margin = margin;
    if (margin < 0) {
        j->window_late++;
        if (margin + (int32_t)n <= 0) {
            j->counters.late++;
            return VG_OK;
        }
        octets -= margin;
        n -= (size_t)-margin;
        margin = 0;
    }
    store(j, (uint32_t)margin, octets, n);
    uint32_t end = j->head + (uint32_t)margin + (uint32_t)n;
    if ((int32_t)(end - j->end) > 0) j->end = end;
    return VG_OK;
}

static uint8_t conceal(vg_jitter *j)
{
    if (j->missing >= FADE) return silence[j->law];
    int16_t sample;
    uint8_t octet;
    uint8_t past = j->history[(j->history_at + j->missing) % VG_JITTER_HISTORY];
    vg_g711_decode(j->law, &past, 1, &sample);
    sample = (int16_t)(sample * (int32_t)(FADE - j->missing) / FADE);
    vg_g711_encode(j->law, &sample, 1, &octet);
    return octet;
}

static void take_out(vg_jitter *j, int32_t samples)
{
    for (int32_t i = 0; i < samples; i++) {
        j->present[j->head_index >> 6] &= ~((uint64_t)1 << (j->head_index & 63));
        j->head_index = wrap(j->head_index + 1);
    }
    j->head += (uint32_t)samples;
    j->counters.dropped += (uint64_t)samples;
}

/* Takes delay out or puts it in, as the window that is over says. */
static void judge_window(vg_jitter *j)
{
    int32_t least = j->least_margin, keep = (int32_t)j->depth, far = FAR, spare = 80;
    uint32_t parts = 20;
    if (j->adaptive) {
        keep = (j->most_margin - least) / 2;
        keep = keep < 8 ? 8 : keep > 160 ? 160 : keep;
        far = keep < 80 ? keep : 80;
        spare = 0;
        parts = 30;
    }
    if (j->window_packets >= 20 && least - keep > far) {
        take_out(j, least - keep);
    } else if (j->window_packets >= 20 && j->window_late * parts > j->window_packets) {
        uint32_t more = (uint32_t)(spare - least);
        if (more > (uint32_t)FAR) more = FAR;
        j->offset += more;
        j->counters.inserted += more;
    }
    open_window(j);
}

size_t vg_jitter_get(vg_jitter *j, uint8_t *out, size_t n)
{
    size_t real = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = j->head_index;
        uint64_t bit = (uint64_t)1 << (at & 63);
        if (j->present[at >> 6] & bit) {
            j->present[at >> 6] &= ~bit;
            out[i] = j->octets[at];
            j->history[j->history_at] = out[i];
            j->history_at = j->history_at + 1 == VG_JITTER_HISTORY ? 0 : j->history_at + 1;
            j->missing = 0;
            j->playing = 1;
            real++;
        } else {
            out[i] = conceal(j);
            if (j->playing && j->missing < IDLE) j->counters.concealed++;
            if (j->missing < UINT32_MAX) j->missing++;
        }
        j->head_index = wrap(at + 1);
        j->head++;
    }
    j->window_left -= (int32_t)n;
    if (j->window_left <= 0) judge_window(j);
    return real;
}

uint32_t vg_jitter_level(const vg_jitter *j)
{
    int32_t level = (int32_t)(j->end - j->head);
    return j->anchored && level > 0 ? (uint32_t)level : 0;
}
