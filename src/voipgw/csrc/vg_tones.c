#include "vg_tones.h"

#include <string.h>

#include "vg_sine.h"

static int set_part(vg_tones_part *part, const vg_tone_segment *segment, uint32_t rate_hz)
{
    memset(part, 0, sizeof *part);
    for (int k = 0; k < 4; k++) {
        float hz = segment->hz[k];
        if (!(hz >= 0.0f) || hz * 2.0f >= (float)rate_hz) return VG_EINVAL;
        if (hz == 0.0f) break;
        part->step[part->count++] = vg_phase_step((double)hz, rate_hz);
    }
    if (part->count > 0) {
        if (!(segment->level_dbm0 <= VG_FULL_SCALE_DBM0)) return VG_EINVAL;
        part->amplitude = (int32_t)(vg_dbm0_peak((double)segment->level_dbm0) * 32768.0 + 0.5);
        if (part->amplitude == 0) part->count = 0;
    }
    uint64_t samples = ((uint64_t)segment->duration_ms * rate_hz + 500) / 1000;
    if (samples > UINT32_MAX) return VG_EINVAL;
    part->samples = segment->duration_ms == 0 ? 0 : samples == 0 ? 1 : (uint32_t)samples;
    return VG_OK;
}

int vg_tones_init(vg_tones *state, const vg_tone_segment *segments, size_t count, int repeat, uint32_t rate_hz)
{
    if (count > VG_TONES_SEGMENTS) return VG_ELIMIT;
    if (count == 0 || rate_hz == 0) return VG_EINVAL;
    vg_tones made = { .count = (uint32_t)count, .repeat = repeat != 0 };
    for (size_t i = 0; i < count; i++) {
        int status = set_part(&made.parts[i], &segments[i], rate_hz);
        if (status != VG_OK) return status;
    }
    uint32_t ramp = rate_hz / 400 > 255 ? 255 : rate_hz / 400;
    for (size_t i = 0; i < count; i++) {
        vg_tones_part *part = &made.parts[i];
        if (part->samples != 0 && part->samples < 2 * ramp) continue;
        int begins = (i == 0 && !repeat) || made.parts[i == 0 ? count - 1 : i - 1].count == 0;
        int ends = (i + 1 == count && !repeat) || made.parts[(i + 1) % count].count == 0;
        part->ramp_up = (uint8_t)(begins ? ramp : 0);
        part->ramp_down = (uint8_t)(ends && part->samples != 0 ? ramp : 0);
    }
    *state = made;
    return VG_OK;
}

static int64_t sines(vg_tones *state, const vg_tones_part *part)
{
    int64_t sum = 0;
    for (uint32_t k = 0; k < part->count; k++) {
        sum += vg_sine(state->phase[k]);
        state->phase[k] += part->step[k];
    }
    return sum * part->amplitude;
}

/* Up to n samples of the current part. */
static size_t make_part(vg_tones *state, int16_t *pcm, size_t n)
{
    const vg_tones_part *part = &state->parts[state->current];
    if (part->samples != 0 && n > part->samples - state->at) n = part->samples - state->at;
    if (part->count == 0) {
        memset(pcm, 0, n * sizeof *pcm);
    } else {
        for (size_t i = 0; i < n; i++) {
            uint32_t at = state->at + (uint32_t)i;
            int64_t sum = sines(state, part);
            if (at < part->ramp_up) sum = sum / (part->ramp_up + 1) * (at + 1);
            if (part->ramp_down && at >= part->samples - part->ramp_down)
                sum = sum / (part->ramp_down + 1) * (part->samples - at);
            pcm[i] = vg_sine_sample(sum);
        }
    }
    if (part->samples != 0)
        state->at += (uint32_t)n;
    else if (state->at < part->ramp_up)
        state->at = n < part->ramp_up - state->at ? state->at + (uint32_t)n : part->ramp_up;
    return n;
}

int vg_tones_make(vg_tones *state, int16_t *pcm, size_t n)
{
    while (n > 0 && !state->done) {
        const vg_tones_part *part = &state->parts[state->current];
        size_t made = make_part(state, pcm, n);
        pcm += made;
        n -= made;
        if (part->samples == 0 || state->at < part->samples) continue;
        state->at = 0;
        if (++state->current < state->count) continue;
        state->current = 0;
        state->done = !state->repeat;
    }
    if (n > 0) memset(pcm, 0, n * sizeof *pcm);
    return VG_OK;
}

int vg_tones_done(const vg_tones *state) { return state->done; }

int vg_mix_add(int16_t *into, const int16_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sum = (int32_t)into[i] + from[i];
        into[i] = (int16_t)(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
    }
    return VG_OK;
}
