#include "vg_dtmf.h"

#include <math.h>
#include <string.h>

#include "vg_bins.h"
#include "vg_sine.h"

#define HALF VG_BIN_HALF
#define HOP VG_BIN_HOP
#define RING 32
#define GAIN ((float)(VG_BIN_PEAK * HALF) / 4.0f)   /* magnitude of a bin for a tone of peak 1: halved, half a window each way */
#define LATEST (80.0f * 8.0f)                       /* samples of tone after which no digit begins */
#define BRIDGED 5                                   /* hops that may be missing inside a run */

static const float TONES_HZ[8] = { 697, 770, 852, 941, 1209, 1336, 1477, 1633 };
static const char SYMBOLS[4][5] = { "123A", "456B", "789C", "*0#D" };

typedef struct {
    float normal_db, reverse_db;    /* how much weaker the high, the low tone may be */
    float level_dbm0;               /* of the weaker tone */
    float deviation;                /* where the frequency limit stands, between accept and reject */
    float gap_ms, accept_ms;        /* likewise for pause and duration */
} profile_values;

static const profile_values PROFILES[4] = {
    { 8.7f, 4.7f, -42.0f, 0.0185f, 30.0f, 33.0f },
    { 6.7f, 6.7f, -42.0f, 0.0185f, 30.0f, 33.0f },
    { 5.7f, 5.7f, -38.0f, 0.0212f, 21.0f, 33.0f },
    { 8.7f, 4.7f, -38.0f, 0.0185f, 26.0f, 33.0f },
};

static float power_ratio(float db) { return powf(10.0f, db / 10.0f); }

int vg_dtmf_init(vg_dtmf *state, int profile)
{
    if (profile < VG_DTMF_Q24 || profile > VG_DTMF_BELLCORE) return VG_EINVAL;
    const profile_values *values = &PROFILES[profile];
    memset(state, 0, sizeof *state);
    state->level_min = (float)vg_dbm0_peak(values->level_dbm0) * GAIN;
    state->twist_normal = power_ratio(values->normal_db);
    state->twist_reverse = power_ratio(values->reverse_db);
    for (int i = 0; i < 8; i++)
        state->tan_limit[i] = tanf(6.2831853f * TONES_HZ[i] * values->deviation * HOP / 8000.0f);
    state->gap_samples = values->gap_ms * 8.0f;
    state->accept_samples = values->accept_ms * 8.0f;
    state->low = state->high = state->run_low = state->run_high = -1;
    return VG_OK;
}

int vg_dtmf_sounding(const vg_dtmf *state)
{
    return state->low < 0 ? 0 : SYMBOLS[state->low][state->high - 4];
}

/* ---- one hop ---- */

static int strongest(const float *power, int from)
{
    int best = from;
    for (int i = from + 1; i < from + 4; i++)
        if (power[i] > power[best]) best = i;
    return best;
}

/* Whether every other bin of its group lies 6 dB below. */
static int stands_out(const float *power, int from, int best)
{
    for (int i = from; i < from + 4; i++)
        if (i != best && power[i] * 4.0f > power[best]) return 0;
    return 1;
}

/* Grid bins from 110 Hz below to 110 Hz above each tone, first and last. */
static const uint8_t NEAR[8][2] = { { 1, 3 }, { 2, 5 }, { 3, 6 }, { 5, 7 }, { 9, 12 }, { 11, 14 }, { 13, 16 }, { 16, 18 } };

/* What sounds beside the two tones between 560 and 3440 Hz. */
static void look_beside(vg_dtmf_hop *hop, const vg_folded folded)
{
    int32_t re[VG_GRID_BINS + 1], im[VG_GRID_BINS + 1];
    float power[VG_GRID_BINS + 1], peak[4] = { 0 }, sum[4] = { 0 };
    vg_bins(folded, VG_GRID, VG_GRID_BINS, re, im);
    re[VG_GRID_BINS] = im[VG_GRID_BINS] = 0;
    for (int k = 0; k <= VG_GRID_BINS; k++) power[k] = (float)re[k] * (float)re[k] + (float)im[k] * (float)im[k];
    for (int k = NEAR[hop->low][0]; k <= NEAR[hop->low][1]; k++) power[k] = 0;
    for (int k = NEAR[hop->high][0]; k <= NEAR[hop->high][1]; k++) power[k] = 0;
    for (int k = 0; k <= VG_GRID_BINS; k += 4)
        for (int i = 0; i < 4; i++) {
            sum[i] += power[k + i];
            peak[i] = power[k + i] > peak[i] ? power[k + i] : peak[i];
        }
    for (int i = 1; i < 4; i++) {
        sum[0] += sum[i];
        if (peak[i] > peak[0]) peak[0] = peak[i];
    }
    hop->veto_peak = peak[0];
    hop->veto_sum = sum[0];
}

static vg_dtmf_hop *hop_at(vg_dtmf *state, uint64_t index) { return &state->ring[index % RING]; }

static void analyse(vg_dtmf *state)
{
    vg_folded folded;
    int32_t re[8], im[8];
    vg_dtmf_hop *hop = hop_at(state, state->hops);
    vg_fold(state->samples + state->at, folded);
    vg_bins(folded, VG_DTMF_BINS, 8, re, im);
    for (int i = 0; i < 8; i++) {
        hop->re[i] = (float)re[i];
        hop->im[i] = -(float)im[i];
        hop->power[i] = hop->re[i] * hop->re[i] + hop->im[i] * hop->im[i];
    }
    hop->energy = (float)state->hop_energy * (256.0f / HOP);
    hop->veto_peak = hop->veto_sum = -1.0f;
    hop->low = hop->high = -1;
    int low = strongest(hop->power, 0), high = strongest(hop->power, 4);
    float low_power = hop->power[low], high_power = hop->power[high], least = 0.16f * state->level_min * state->level_min;
    if (low_power < least || high_power < least) return;
    if (low_power > 3.0f * state->twist_normal * high_power || high_power > 3.0f * state->twist_reverse * low_power) return;
    if (!stands_out(hop->power, 0, low) || !stands_out(hop->power, 4, high)) return;
    hop->low = (int8_t)low;
    hop->high = (int8_t)high;
    const vg_dtmf_hop *before = hop_at(state, state->hops + RING - 1);
    if (before->low != low || before->high != high) return;         /* the window is not full of them yet */
    if (state->low != low || state->high != high || state->falling) look_beside(hop, folded);
}

/* ---- judging a run of hops ---- */

typedef struct {
    float low, high;        /* steady magnitudes */
    double start, end;      /* sample times of the edges */
    float lasted;           /* samples of tone, gaps inside not counted */
    int open;               /* it still sounds */
} span;

static float level_of(const vg_dtmf_hop *hop, int low, int high, float low_mag, float high_mag)
{
    float a = hop->power[low] / (low_mag * low_mag), b = hop->power[high] / (high_mag * high_mag);
    return sqrtf(a < b ? a : b);
}

/* Sample time of the middle of a hop's window. */
static double middle_of(uint64_t index) { return (double)(index + 1) * HOP - HALF; }

static double crossing(uint64_t index, float before, float after)
{
    return middle_of(index) - HOP * (double)((after - 0.5f) / (after - before));
}

/* Where the tones of the run begin and end, bridging gaps shorter than the profile's. 0: nothing left. */
static int measure(vg_dtmf *state, span *out)
{
    uint64_t now = state->hops, first = now + 1 - (uint64_t)state->run_length;
    int low = state->run_low, high = state->run_high, pieces = 0;
    out->low = out->high = 0;
    for (uint64_t k = first; k <= now; k++) {
        const vg_dtmf_hop *hop = hop_at(state, k);
        if (hop->power[low] > out->low) out->low = hop->power[low];
        if (hop->power[high] > out->high) out->high = hop->power[high];
    }
    out->low = sqrtf(out->low);
    out->high = sqrtf(out->high);
    uint64_t oldest = first > state->run_barred + 4 ? first - 4 : state->run_barred;
    float before = 0;
    double rise = 0, fall = -1e9;
    out->open = 0;
    out->lasted = 0;
    for (uint64_t k = oldest; k <= now; k++) {
        float level = level_of(hop_at(state, k), low, high, out->low, out->high);
        if (!out->open && level >= 0.5f) {
            rise = k == oldest ? middle_of(k) : crossing(k, before, level);
            if (pieces == 0 || rise - fall > state->gap_samples) {
                out->start = rise;
                out->lasted = 0;
                pieces = 0;
            }
            pieces++;
            out->open = 1;
        } else if (out->open && level < 0.5f) {
            fall = middle_of(k) - HOP * (double)((0.5f - level) / (before - level));
            out->lasted += (float)(fall - rise);
            out->open = 0;
        }
        before = level;
    }
    out->end = out->open ? middle_of(now) : fall;
    if (out->open) out->lasted += (float)(out->end - rise);
    return pieces;
}

static float arctangent(float x)
{
    float a = fabsf(x), inverse = a > 1.0f ? 1.0f / a : a;
    float value = inverse / (1.0f + 0.28f * inverse * inverse);
    if (a > 1.0f) value = 1.5707963f - value;
    return x < 0 ? -value : value;
}

/* Loss of a Hann bin for a tone that lies beside it, as a power ratio, from the phase step's tangent. */
static float bin_loss(float tangent)
{
    float bins = arctangent(tangent) / 6.2831853f * (2.0f * HALF / HOP), square = bins * bins;
    float loss = 1.0f - 0.645f * square + 0.167f * square * square;
    return loss * loss;
}

typedef struct {
    double re, im;
    int steps, wild;
} turn;

/* Adds the phase step of bin `bin` from one hop to the next. */
static void add_step(turn *sum, const vg_dtmf_hop *one, const vg_dtmf_hop *two, int bin, float tan_limit)
{
    float re = two->re[bin] * one->re[bin] + two->im[bin] * one->im[bin];
    float im = two->im[bin] * one->re[bin] - two->re[bin] * one->im[bin];
    float c = VG_DTMF_TURN[bin][0], s = VG_DTMF_TURN[bin][1];
    float x = re * c + im * s, y = im * c - re * s;
    if (x <= 0 || fabsf(y) > 1.6f * tan_limit * x + 0.15f * x) sum->wild++;
    sum->re += x;
    sum->im += y;
    sum->steps++;
}

/* Whether what was measured is a digit by frequency, level, twist and what sounds beside it. */
static int is_digit(vg_dtmf *state, const span *tones)
{
    uint64_t now = state->hops, first = now + 1 - (uint64_t)state->run_length;
    int low = state->run_low, high = state->run_high, looked = 0;
    float beside_peak = 0, beside_sum = 0;
    turn low_turn = { 0 }, high_turn = { 0 };
    float pair = 0.5f * (tones->low * tones->low + tones->high * tones->high), before = 0;
    if (tones->low < state->level_min || tones->high < state->level_min) return 0;
    for (uint64_t k = first; k <= now; k++) {
        vg_dtmf_hop *hop = hop_at(state, k);
        float level = level_of(hop, low, high, tones->low, tones->high);
        if (level >= 0.75f) {
            if (before >= 0.75f) {
                add_step(&low_turn, hop_at(state, k - 1), hop, low, state->tan_limit[low]);
                add_step(&high_turn, hop_at(state, k - 1), hop, high, state->tan_limit[high]);
            }
            if (hop->veto_peak >= 0) {
                looked++;
                beside_peak += hop->veto_peak;
                beside_sum += hop->veto_sum;
            }
        }
        before = level;
    }
    if (low_turn.steps < 2 || low_turn.wild + high_turn.wild > 0) return 0;
    if (low_turn.re <= 0 || fabs(low_turn.im) > state->tan_limit[low] * low_turn.re) return 0;
    if (high_turn.re <= 0 || fabs(high_turn.im) > state->tan_limit[high] * high_turn.re) return 0;
    if (looked < 2) return 0;
    beside_peak /= pair * (float)looked;
    beside_sum /= pair * (float)looked;
    if (beside_peak > 0.035f || beside_peak > 0.0065f + 0.14f * beside_sum) return 0;    /* noise is spread, a voice is not */
    float low_power = tones->low * tones->low / bin_loss((float)(low_turn.im / low_turn.re));
    float high_power = tones->high * tones->high / bin_loss((float)(high_turn.im / high_turn.re));
    return low_power <= state->twist_normal * high_power && high_power <= state->twist_reverse * low_power;
}

/* ---- from hops to digits ---- */

typedef struct {
    vg_dtmf_event *events;
    size_t max, count;
    uint16_t channel;
    int lost;
} sink;

static void report(sink *out, int kind, int low, int high, double start, double end)
{
    if (out->count == out->max) {
        out->lost = 1;
        return;
    }
    vg_dtmf_event *event = &out->events[out->count++];
    event->kind = (uint8_t)kind;
    event->symbol = SYMBOLS[low][high - 4];
    event->channel = out->channel;
    event->start_sample = (uint64_t)(start < 0 ? 0 : start + 0.5);
    event->duration_samples = (uint32_t)(end - start + 0.5);
}

static void finish(vg_dtmf *state, sink *out)
{
    report(out, VG_DTMF_END, state->low, state->high, state->start, state->end);
    state->low = state->high = -1;
    state->falling = 0;
}

/* Follow the digit that sounds: its fall, a gap that is bridged, its end. */
static void follow(vg_dtmf *state, sink *out)
{
    const vg_dtmf_hop *hop = hop_at(state, state->hops);
    float level = level_of(hop, state->low, state->high, state->reference_low, state->reference_high);
    if (level >= 0.5f) {
        state->falling = 0;
        return;
    }
    if (!state->falling) {
        float before = level_of(hop_at(state, state->hops - 1), state->low, state->high, state->reference_low, state->reference_high);
        state->falling = 1;
        state->end = before > level ? middle_of(state->hops) - HOP * (double)((0.5f - level) / (before - level))
                                    : middle_of(state->hops);
    }
    double quiet_until = middle_of(state->hops);
    float scale = 0.5f / (GAIN * GAIN), limit = 0.08f * scale
                  * (state->reference_low * state->reference_low + state->reference_high * state->reference_high);
    double end_of_hop = (double)(state->hops + 1) * HOP;
    int quiet = 1;
    for (uint64_t k = state->hops; (double)k * HOP > state->end && k + RING > state->hops + 1; k--)
        quiet &= hop_at(state, k)->energy < limit;
    if (quiet) quiet_until = end_of_hop;
    if (quiet_until - state->end >= state->gap_samples) {
        finish(state, out);
        state->run_barred = (uint64_t)((state->hops + 1) - 1);
        state->run_length = 0;
    }
}

/* Extend, begin or drop the run of hops that look alike. */
static void gather(vg_dtmf *state)
{
    const vg_dtmf_hop *hop = hop_at(state, state->hops);
    if (state->run_length > 0) {
        if (state->run_length < RING - 6) state->run_length++;
        if (hop->low == state->run_low && hop->high == state->run_high) {
            state->run_missing = 0;
            return;
        }
        state->run_missing++;
        if (hop->low < 0 && state->run_missing <= BRIDGED) return;
        state->run_length = 0;
    }
    if (hop->low < 0) return;
    state->run_low = hop->low;
    state->run_high = hop->high;
    state->run_length = 1;
    state->run_missing = 0;
}

static void decide(vg_dtmf *state, sink *out)
{
    span tones;
    gather(state);
    if (state->low >= 0) follow(state, out);
    if (state->run_length < 4 || (state->low == state->run_low && state->high == state->run_high)) return;
    int pieces = measure(state, &tones);
    if (pieces == 0) return;
    float needed = state->accept_samples + (pieces > 1 ? 56.0f : 0.0f);
    if (tones.open && tones.lasted > LATEST) return;        /* it was no digit for so long: it will not become one */
    if (tones.open) {
        const vg_dtmf_hop *hop = hop_at(state, state->hops);
        if (level_of(hop, state->run_low, state->run_high, tones.low, tones.high) < 0.9f) return;
        needed -= 46.0f;    /* at nine tenths, half a window less than a quarter of it is known to be filled */
    }
    if (tones.lasted < needed || !is_digit(state, &tones)) return;
    if (state->low >= 0) {
        if (!state->falling) state->end = tones.start;
        finish(state, out);
    }
    state->low = state->run_low;
    state->high = state->run_high;
    state->reference_low = tones.low;
    state->reference_high = tones.high;
    state->start = tones.start;
    state->falling = !tones.open;
    state->end = tones.end;
    report(out, VG_DTMF_BEGIN, state->low, state->high, tones.start, tones.end);
}

/* Room for the next hop's samples behind the window. */
static int16_t *next_hop(vg_dtmf *state)
{
    const int32_t size = (int32_t)(sizeof state->samples / sizeof *state->samples);
    state->at += HOP;
    if (state->at + 2 * HALF > size) {
        memmove(state->samples, state->samples + state->at, (2 * HALF - HOP) * sizeof *state->samples);
        state->at = 0;
    }
    return state->samples + state->at + 2 * HALF - HOP;
}

static int hear(vg_dtmf *state, const int16_t *pcm, size_t n, sink *out)
{
    while (n > 0) {
        size_t take = (size_t)(HOP - state->fill);
        if (take > n) take = n;
        int16_t *to = state->fill == 0 ? next_hop(state) : state->samples + state->at + 2 * HALF - HOP + state->fill;
        int32_t energy = 0;
        for (size_t i = 0; i < take; i++) {
            int16_t small = (int16_t)(pcm[i] >> 4);
            to[i] = (int16_t)(pcm[i] >> 1);
            energy += (int32_t)small * small;
        }
        state->hop_energy += energy;
        state->fill += (int32_t)take;
        pcm += take;
        n -= take;
        if (state->fill == HOP) {
            analyse(state);
            decide(state, out);
            state->hops++;
            state->fill = 0;
            state->hop_energy = 0;
        }
    }
    return out->lost ? VG_EFULL : VG_OK;
}

int vg_dtmf_process(vg_dtmf *state, const int16_t *pcm, size_t n, vg_dtmf_event *events, size_t max, size_t *count)
{
    sink out = { .events = events, .max = max };
    int status = hear(state, pcm, n, &out);
    *count = out.count;
    return status;
}

int vg_dtmf_process_bank(vg_dtmf *states, size_t channels, const int16_t *pcm, size_t stride, size_t n,
                         vg_dtmf_event *events, size_t max, size_t *count)
{
    sink out = { .events = events, .max = max };
    for (size_t i = 0; i < channels; i++) {
        out.channel = (uint16_t)i;
        hear(&states[i], pcm + i * stride, n, &out);
    }
    *count = out.count;
    return out.lost ? VG_EFULL : VG_OK;
}

/* ---- generator ---- */

int vg_dtmf_tone_init(vg_dtmf_tone *tone, char symbol, float low_dbm0, float high_dbm0, uint32_t length, uint32_t rate_hz)
{
    float levels[2] = { low_dbm0, high_dbm0 };
    if (rate_hz < 4000 || !(low_dbm0 <= VG_FULL_SCALE_DBM0) || !(high_dbm0 <= VG_FULL_SCALE_DBM0)) return VG_EINVAL;
    for (int row = 0; row < 4; row++)
        for (int column = 0; column < 4; column++) {
            if (SYMBOLS[row][column] != symbol) continue;
            memset(tone, 0, sizeof *tone);
            tone->step[0] = vg_phase_step((double)TONES_HZ[row], rate_hz);
            tone->step[1] = vg_phase_step((double)TONES_HZ[4 + column], rate_hz);
            for (int i = 0; i < 2; i++) tone->amplitude[i] = (int32_t)(vg_dbm0_peak((double)levels[i]) * 32768.0 + 0.5);
            tone->length = length;
            return VG_OK;
        }
    return VG_EINVAL;
}

int vg_dtmf_tone_make(vg_dtmf_tone *tone, int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (tone->at >= tone->length) {
            pcm[i] = 0;
            continue;
        }
        int64_t sum = 0;
        for (int k = 0; k < 2; k++) {
            sum += (int64_t)tone->amplitude[k] * vg_sine(tone->phase[k]);
            tone->phase[k] += tone->step[k];
        }
        pcm[i] = vg_sine_sample(sum);
        tone->at++;
    }
    return VG_OK;
}
