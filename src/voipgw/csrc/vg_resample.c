#include "vg_resample.h"

#include <string.h>

#define TAPS 32
#define PAST (TAPS - 1)
#define CHUNK 160

static const int16_t taps[TAPS] = {
    -12,   20,    -36,  59,  -91, 135,  -193, 270, -370, 503, -681, 930, -1306, 1951, -3394, 10407,
    10407, -3394, 1951, -1306, 930, -681, 503, -370, 270, -193, 135, -91, 59, -36, 20, -12};

static inline int32_t filter(const int16_t *x)
{
    int32_t sum = 0;
    for (int i = 0; i < TAPS; i++) sum += x[i] * taps[i];
    return sum; /* below 2^31: the taps' magnitudes add up to 40,716 */
}

static inline int16_t saturate(int32_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

void vg_upsample(vg_upsampler *state, const int16_t *in, size_t n, int16_t *out)
{
    int16_t x[PAST + CHUNK];
    while (n > 0) {
        size_t part = n < CHUNK ? n : CHUNK;
        memcpy(x, state->past, sizeof state->past);
        memcpy(x + PAST, in, part * sizeof *in);
        for (size_t i = 0; i < part; i++) {
            out[2 * i] = saturate((filter(x + i) + (1 << 13)) >> 14);
            out[2 * i + 1] = x[i + TAPS / 2];
        }
        memcpy(state->past, x + part, sizeof state->past);
        in += part;
        out += 2 * part;
        n -= part;
    }
}

size_t vg_downsample(vg_downsampler *state, const int16_t *in, size_t n, int16_t *out)
{
    int16_t even[PAST + CHUNK], odd[PAST + CHUNK];
    size_t made = 0;
    while (n + state->has_left >= 2) {
        size_t left = state->has_left, pairs = (n + left) / 2 < CHUNK ? (n + left) / 2 : CHUNK;
        memcpy(even, state->even, sizeof state->even);
        memcpy(odd, state->odd, sizeof state->odd);
        for (size_t i = 0; i < pairs; i++) {
            even[PAST + i] = left ? (i == 0 ? state->left : in[2 * i - 1]) : in[2 * i];
            odd[PAST + i] = left ? in[2 * i] : in[2 * i + 1];
        }
        for (size_t i = 0; i < pairs; i++)
            out[made + i] = saturate((filter(odd + i) + even[i + TAPS / 2] * (1 << 14) + (1 << 14)) >> 15);
        memcpy(state->even, even + pairs, sizeof state->even);
        memcpy(state->odd, odd + pairs, sizeof state->odd);
        made += pairs;
        in += 2 * pairs - left;
        n -= 2 * pairs - left;
        state->has_left = 0;
    }
    if (n > 0) {
        state->left = *in;
        state->has_left = 1;
    }
    return made;
}
