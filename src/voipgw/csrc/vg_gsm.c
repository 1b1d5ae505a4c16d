#include "vg_gsm.h"

#include <string.h>

#define LAGS 120 /* the longest pitch lag */
#define SUB 40   /* samples of a sub-frame */
#define PULSES 13

/* Quantiser of the log area ratios (table 4.1) and its inverse (table 4.2). */
static const int16_t lar_a[8] = {20480, 20480, 20480, 20480, 13964, 15360, 8534, 9036};
static const int16_t lar_b[8] = {0, 0, 2048, -2560, 94, -1792, -341, -1144};
static const int16_t lar_least[8] = {-32, -32, -16, -16, -8, -8, -4, -4};
static const int16_t lar_inverse[8] = {13107, 13107, 13107, 13107, 19223, 17476, 31454, 29708};
static const uint8_t lar_bits[8] = {6, 6, 5, 5, 4, 4, 3, 3};

static const int16_t gain_levels[3] = {6554, 16384, 26214};            /* table 4.3a */
static const int16_t gains[4] = {3277, 11469, 21299, 32767};           /* table 4.3b */
static const int16_t weights[11] = {-134, -374, 0, 2054, 5741, 8192, 5741, 2054, 0, -374, -134}; /* table 4.4 */
static const int16_t normal_factors[8] = {29128, 26215, 23832, 21846, 20165, 18725, 17476, 16384}; /* table 4.5 */
static const int16_t factors[8] = {18431, 20479, 22527, 24575, 26623, 28671, 30719, 32767};        /* table 4.6 */

/* What a sub-frame is coded in. */
typedef struct {
    int lag, gain, grid, peak;
    uint8_t pulses[PULSES];
} sub_code;

static inline int32_t saturate(int32_t value)
{
    return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value;
}

static inline int32_t magnitude(int32_t value)
{
    return value == INT16_MIN ? INT16_MAX : value < 0 ? -value : value;
}

static inline int32_t multiply(int32_t a, int32_t b)
{
    return saturate(a * b >> 15);
}

static inline int32_t multiply_round(int32_t a, int32_t b)
{
    return saturate((a * b + 16384) >> 15);
}

/* Left shifts that make a positive number's bit 30 its highest. */
static inline int norm(int32_t value)
{
    return __builtin_clz((uint32_t)value) - 1;
}

/* Section 5.2.1 to 5.2.3: 13 bits, without offset, with preemphasis. */
static void preprocess(vg_gsm_encoder *state, const int16_t *pcm, int16_t *s)
{
    for (int k = 0; k < VG_GSM_SAMPLES; k++) {
        int32_t so = (pcm[k] >> 3) * 4;
        int64_t rise = (int64_t)(so - state->z1) * 32768;
        state->z1 = (int16_t)so;
        int32_t upper = state->z2 >> 15, lower = state->z2 - upper * 32768;
        int64_t z2 = rise + multiply_round(lower, 32735) + (int64_t)upper * 32735;
        state->z2 = (int32_t)(z2 > INT32_MAX ? INT32_MAX : z2 < INT32_MIN ? INT32_MIN : z2);
        int64_t rounded = (int64_t)state->z2 + 16384;
        int32_t sof = saturate((int32_t)((rounded > INT32_MAX ? INT32_MAX : rounded) >> 15));
        s[k] = (int16_t)saturate(sof + multiply_round(state->emphasis, -28180));
        state->emphasis = (int16_t)sof;
    }
}

/* Section 5.2.4; s is scaled and back, which loses its lowest bits when it is loud. */
static void autocorrelate(int16_t *s, int32_t *acf)
{
    int32_t most = 0;
    for (int k = 0; k < VG_GSM_SAMPLES; k++) most = magnitude(s[k]) > most ? magnitude(s[k]) : most;
    int scale = most == 0 ? 0 : 4 - norm(most << 16);
    if (scale > 0)
        for (int k = 0; k < VG_GSM_SAMPLES; k++) s[k] = (int16_t)multiply_round(s[k], 16384 >> (scale - 1));
    for (int lag = 0; lag <= 8; lag++) {
        int32_t sum = 0;
        for (int k = lag; k < VG_GSM_SAMPLES; k++) sum += s[k] * s[k - lag];
        acf[lag] = sum * 2;
    }
    if (scale > 0)
        for (int k = 0; k < VG_GSM_SAMPLES; k++) s[k] = (int16_t)(s[k] * (1 << scale));
}

static int32_t divide(int32_t numerator, int32_t denominator)
{
    int32_t quotient = 0;
    for (int k = 0; k < 15; k++) {
        quotient *= 2;
        numerator *= 2;
        if (numerator >= denominator) {
            numerator -= denominator;
            quotient++;
        }
    }
    return quotient;
}

/* Section 5.2.5: reflection coefficients by the Schur recursion. */
static void reflect(const int32_t *acf, int32_t *r)
{
    int32_t k[9], p[9];
    memset(r, 0, 8 * sizeof *r);
    if (acf[0] == 0) return;
    int shift = norm(acf[0]);
    for (int i = 0; i <= 8; i++) p[i] = k[i] = (int32_t)((uint32_t)acf[i] << shift) >> 16;
    for (int n = 0; n < 8; n++) {
        int32_t size = magnitude(p[1]);
        if (p[0] < size) return;
        r[n] = divide(size, p[0]);
        if (p[1] > 0) r[n] = -r[n];
        if (n == 7) return;
        p[0] = saturate(p[0] + multiply_round(p[1], r[n]));
        for (int m = 1; m <= 7 - n; m++) {
            int32_t next = p[m + 1];
            p[m] = saturate(next + multiply_round(k[m], r[n]));
            k[m] = saturate(k[m] + multiply_round(next, r[n]));
        }
    }
}

/* Section 5.2.6 and 5.2.7: to log area ratios, quantised. */
static void quantise_lars(const int32_t *r, uint8_t *codes)
{
    for (int i = 0; i < 8; i++) {
        int32_t size = magnitude(r[i]);
        size = size < 22118 ? size >> 1 : size < 31130 ? size - 11059 : (size - 26112) * 4;
        int32_t lar = multiply(lar_a[i], r[i] < 0 ? -size : size);
        lar = saturate(saturate(lar + lar_b[i]) + 256) >> 9;
        int32_t least = lar_least[i], most = -least - 1;
        codes[i] = (uint8_t)((lar > most ? most : lar < least ? least : lar) - least);
    }
}

/* Section 5.2.8. */
static void decode_lars(const uint8_t *codes, int16_t *lars)
{
    for (int i = 0; i < 8; i++) {
        int32_t lar = saturate((codes[i] + lar_least[i]) * 1024 - lar_b[i] * 2);
        lars[i] = (int16_t)saturate(2 * multiply_round(lar_inverse[i], lar));
    }
}

/* Section 5.2.9: reflection coefficients of one of the four parts of a frame, from the ratios of the last and this one. */
static void interpolate(const int16_t *before, const int16_t *now, int part, int32_t *r)
{
    for (int i = 0; i < 8; i++) {
        int32_t a = before[i], b = now[i], lar;
        switch (part) {
        case 0: lar = saturate((a >> 2) + (b >> 2) + (a >> 1)); break;
        case 1: lar = saturate((a >> 1) + (b >> 1)); break;
        case 2: lar = saturate((a >> 2) + (b >> 2) + (b >> 1)); break;
        default: lar = b; break;
        }
        int32_t size = magnitude(lar);
        size = size < 11059 ? size * 2 : size < 20070 ? size + 11059 : saturate((size >> 2) + 26112);
        r[i] = lar < 0 ? -size : size;
    }
}

static const int part_samples[4] = {13, 14, 13, 120};

/* Section 5.2.10: the short-term residual in the place of s. */
static void analyse(vg_gsm_encoder *state, const int16_t *lars, int16_t *s)
{
    for (int part = 0; part < 4; part++) {
        int32_t r[8];
        interpolate(state->larpp, lars, part, r);
        for (int k = 0; k < part_samples[part]; k++, s++) {
            int32_t d = *s, u = d;
            for (int i = 0; i < 8; i++) {
                int32_t old = state->u[i];
                state->u[i] = (int16_t)u;
                u = saturate(old + multiply_round(r[i], d));
                d = saturate(d + multiply_round(r[i], old));
            }
            *s = (int16_t)d;
        }
    }
    memcpy(state->larpp, lars, sizeof state->larpp);
}

/* Section 5.2.11: lag and gain with which past, whose end is past + LAGS, foretells d best. */
static void search_lag(const int16_t *d, const int16_t *past, sub_code *code)
{
    int32_t most = 0, best = 0;
    for (int k = 0; k < SUB; k++) most = magnitude(d[k]) > most ? magnitude(d[k]) : most;
    int room = most == 0 ? 0 : norm(most << 16), scale = room > 6 ? 0 : 6 - room;
    int16_t w[SUB];
    for (int k = 0; k < SUB; k++) w[k] = (int16_t)(d[k] >> scale);
    code->lag = SUB;
    for (int lag = SUB; lag <= LAGS; lag++) {
        int32_t sum = 0;
        for (int k = 0; k < SUB; k++) sum += w[k] * past[LAGS - lag + k];
        if (sum <= best) continue;
        best = sum;
        code->lag = lag;
    }
    best = best * 2 >> (6 - scale);
    int32_t power = 0;
    for (int k = 0; k < SUB; k++) {
        int32_t x = past[LAGS - code->lag + k] >> 3;
        power += x * x;
    }
    power *= 2;
    code->gain = 0;
    if (best <= 0) return;
    code->gain = 3;
    if (best >= power) return;
    int shift = norm(power);
    int32_t r = (int32_t)((uint32_t)best << shift) >> 16, s = (int32_t)((uint32_t)power << shift) >> 16;
    code->gain = 0;
    while (code->gain < 3 && r > multiply(s, gain_levels[code->gain])) code->gain++;
}

/* Section 5.2.13 and 5.2.14: the weighted residual, and the one of its four grids that has the most energy. */
static void select_grid(const int16_t *e, int16_t *pulses, sub_code *code)
{
    int16_t padded[SUB + 10] = {0}, x[SUB];
    memcpy(padded + 5, e, SUB * sizeof *e);
    for (int k = 0; k < SUB; k++) {
        int32_t sum = 4096;
        for (int i = 0; i < 11; i++) sum += padded[k + i] * weights[i];
        x[k] = (int16_t)saturate(sum >> 13);
    }
    int32_t best = -1;
    for (int grid = 0; grid < 4; grid++) {
        int32_t energy = 0;
        for (int i = 0; i < PULSES; i++) energy += (x[grid + 3 * i] >> 2) * (x[grid + 3 * i] >> 2);
        if (energy <= best) continue;
        best = energy;
        code->grid = grid;
    }
    for (int i = 0; i < PULSES; i++) pulses[i] = x[code->grid + 3 * i];
}

/* Exponent and mantissa of a block's coded maximum (section 5.2.15). */
static void split_peak(int peak, int *exponent, int *mantissa)
{
    int e = peak > 15 ? (peak >> 3) - 1 : 0, m = peak - e * 8;
    if (m == 0) {
        e = -4;
        m = 7;
    } else {
        while (m <= 7) {
            m = m * 2 + 1;
            e--;
        }
        m -= 8;
    }
    *exponent = e;
    *mantissa = m;
}

static void quantise_pulses(const int16_t *pulses, sub_code *code)
{
    int32_t most = 0;
    for (int i = 0; i < PULSES; i++) most = magnitude(pulses[i]) > most ? magnitude(pulses[i]) : most;
    int steps = 0, mantissa, exponent;
    while (steps < 6 && most >> 9 >> steps > 0) steps++;
    code->peak = (most >> (steps + 5)) + steps * 8;
    split_peak(code->peak, &exponent, &mantissa);
    for (int i = 0; i < PULSES; i++) {
        int32_t scaled = (int16_t)(pulses[i] * (1 << (6 - exponent)));
        code->pulses[i] = (uint8_t)((multiply(scaled, normal_factors[mantissa]) >> 12) + 4);
    }
}

/* Sections 5.2.16 and 5.2.17: the pulses again, on their grid. */
static void decode_pulses(const sub_code *code, int32_t *e)
{
    int mantissa, exponent;
    split_peak(code->peak, &exponent, &mantissa);
    int shift = 6 - exponent;
    int32_t half = shift > 0 ? 1 << (shift - 1) : 0;
    memset(e, 0, SUB * sizeof *e);
    for (int i = 0; i < PULSES; i++) {
        int32_t pulse = (code->pulses[i] * 2 - 7) * 4096;
        e[code->grid + 3 * i] = saturate(multiply_round(factors[mantissa], pulse) + half) >> shift;
    }
}

/* One sub-frame of the residual to its code; past takes its reconstruction in. */
static void encode_sub(int16_t *past, const int16_t *d, sub_code *code)
{
    int32_t foretold[SUB], pulses[SUB];
    int16_t e[SUB], chosen[PULSES];
    search_lag(d, past, code);
    for (int k = 0; k < SUB; k++) {
        foretold[k] = multiply_round(gains[code->gain], past[LAGS - code->lag + k]);
        e[k] = (int16_t)saturate(d[k] - foretold[k]);
    }
    select_grid(e, chosen, code);
    quantise_pulses(chosen, code);
    decode_pulses(code, pulses);
    memmove(past, past + SUB, (LAGS - SUB) * sizeof *past);
    for (int k = 0; k < SUB; k++) past[LAGS - SUB + k] = (int16_t)saturate(pulses[k] + foretold[k]);
}

/* Bits, most significant first. */
typedef struct {
    uint8_t *octets;
    const uint8_t *source;
    uint32_t wait;
    int held;
} bit_stream;

static inline void put(bit_stream *stream, uint32_t value, int bits)
{
    stream->wait = stream->wait << bits | value;
    stream->held += bits;
    while (stream->held >= 8) {
        stream->held -= 8;
        *stream->octets++ = (uint8_t)(stream->wait >> stream->held);
    }
}

static inline int get(bit_stream *stream, int bits)
{
    while (stream->held < bits) {
        stream->wait = stream->wait << 8 | *stream->source++;
        stream->held += 8;
    }
    stream->held -= bits;
    return (int)(stream->wait >> stream->held & ((1u << bits) - 1));
}

void vg_gsm_encoder_init(vg_gsm_encoder *state)
{
    memset(state, 0, sizeof *state);
}

void vg_gsm_decoder_init(vg_gsm_decoder *state)
{
    memset(state, 0, sizeof *state);
    state->lag = SUB;
}

void vg_gsm_encode(vg_gsm_encoder *state, const int16_t *pcm, uint8_t *octets)
{
    int16_t s[VG_GSM_SAMPLES], lars[8];
    int32_t acf[9], r[8];
    uint8_t codes[8];
    bit_stream stream = {.octets = octets};
    preprocess(state, pcm, s);
    autocorrelate(s, acf);
    reflect(acf, r);
    quantise_lars(r, codes);
    decode_lars(codes, lars);
    analyse(state, lars, s);
    put(&stream, 0xd, 4);
    for (int i = 0; i < 8; i++) put(&stream, codes[i], lar_bits[i]);
    for (int part = 0; part < 4; part++) {
        sub_code code;
        encode_sub(state->past, s + SUB * part, &code);
        put(&stream, (uint32_t)code.lag, 7);
        put(&stream, (uint32_t)code.gain, 2);
        put(&stream, (uint32_t)code.grid, 2);
        put(&stream, (uint32_t)code.peak, 6);
        for (int i = 0; i < PULSES; i++) put(&stream, code.pulses[i], 3);
    }
}

/* Section 5.3.2: the residual of one sub-frame from its code; a lag out of range is the last one's. */
static void decode_sub(vg_gsm_decoder *state, const sub_code *code, int16_t *residual)
{
    int32_t pulses[SUB];
    decode_pulses(code, pulses);
    if (code->lag >= SUB && code->lag <= LAGS) state->lag = (int16_t)code->lag;
    for (int k = 0; k < SUB; k++)
        residual[k] = (int16_t)saturate(pulses[k] + multiply_round(gains[code->gain], state->past[LAGS - state->lag + k]));
    memmove(state->past, state->past + SUB, (LAGS - SUB) * sizeof *state->past);
    memcpy(state->past + LAGS - SUB, residual, SUB * sizeof *residual);
}

/* Sections 5.3.4 and 5.3.5: short-term synthesis, deemphasis, 13 bits. */
static void synthesise(vg_gsm_decoder *state, const int16_t *lars, const int16_t *residual, int16_t *pcm)
{
    for (int part = 0; part < 4; part++) {
        int32_t r[8];
        interpolate(state->larpp, lars, part, r);
        for (int k = 0; k < part_samples[part]; k++) {
            int32_t s = *residual++;
            for (int i = 7; i >= 0; i--) {
                s = saturate(s - multiply_round(r[i], state->v[i]));
                state->v[i + 1] = (int16_t)saturate(state->v[i] + multiply_round(r[i], s));
            }
            state->v[0] = (int16_t)s;
            int32_t plain = saturate(s + multiply_round(state->deemphasis, 28180));
            state->deemphasis = (int16_t)plain;
            *pcm++ = (int16_t)(saturate(2 * plain) & ~7);
        }
    }
    memcpy(state->larpp, lars, sizeof state->larpp);
}

int vg_gsm_decode(vg_gsm_decoder *state, const uint8_t *octets, int16_t *pcm)
{
    int16_t residual[VG_GSM_SAMPLES], lars[8];
    uint8_t codes[8];
    bit_stream stream = {.source = octets};
    if (get(&stream, 4) != 0xd) return VG_EMALFORMED;
    for (int i = 0; i < 8; i++) codes[i] = (uint8_t)get(&stream, lar_bits[i]);
    decode_lars(codes, lars);
    for (int part = 0; part < 4; part++) {
        sub_code code = {.lag = get(&stream, 7)};
        code.gain = get(&stream, 2);
        code.grid = get(&stream, 2);
        code.peak = get(&stream, 6);
        for (int i = 0; i < PULSES; i++) code.pulses[i] = (uint8_t)get(&stream, 3);
        decode_sub(state, &code, residual + SUB * part);
    }
    synthesise(state, lars, residual, pcm);
    return VG_OK;
}
