#include "vg_g722.h"

#include <string.h>

#if defined(__SSE2__) && !defined(VG_PLAIN)
#include <emmintrin.h>
#define VG_SSE2 1
#endif

#define CHUNK 160 /* octets worked on at a time */

/* Half of the quadrature mirror filter (table 11); the other half mirrors it. Even taps, then odd ones, so that both polyphase
 * branches are dot products: the odd branch's taps are the even ones backwards. */
#ifndef VG_SSE2
static const int16_t even_taps[12] = {3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11};
static const int16_t odd_taps[12] = {-11, 53, -156, 362, -805, 3876, 951, -210, 32, 12, -11, 3};
#endif

/* Decision levels of the lower band's quantiser, magnitude over scale, Q12 (table 14). */
static const int16_t levels[29] = {35,  72,  110, 150, 190,  233,  276,  323,  370,  422,  473,  530,  587,  650,  714,
                                   786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919};

/* Output of the inverse quantisers by code, Q15 (tables 15, 16, 19). */
static const int16_t inverse6[64] = {
    -136,   -136,   -136,   -136,   -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360,  -8576,  -7856,  -7192,  -6576,  -6000,  -5456,  -4944,  -4464,  -4008,  -3576,  -3168,  -2776,
    -2400,  -2032,  -1688,  -1360,  -1040,  -728,   24808,  21904,  19008,  16704,  14984,  13512,  12280,
    11192,  10232,  9360,   8576,   7856,   7192,   6576,   6000,   5456,   4944,   4464,   4008,   3576,
    3168,   2776,   2400,   2032,   1688,   1360,   1040,   728,    432,    136,    -432,   -136};
static const int16_t inverse5[32] = {-280,  -280,  -23352, -17560, -14120, -11664, -9752, -8184, -6864, -5712, -4696,
                                     -3784, -2960, -2208,  -1520,  -880,   23352,  17560, 14120, 11664, 9752,  8184,
                                     6864,  5712,  4696,   3784,   2960,   2208,   1520,  880,   280,   -280};
static const int16_t inverse4[16] = {0,     -20456, -12896, -8968, -6288, -4240, -2584, -1200,
                                     20456, 12896,  8968,   6288,  4240,  2584,  1200,  0};
static const int16_t inverse2[4] = {-7408, -1616, 7408, 1616};

/* What a code adds to the logarithm of the scale, by the lower band's four bits and the higher one's two (tables 17, 20). */
static const int16_t low_weights[16] = {-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60};
static const int16_t high_weights[4] = {798, -214, 798, -214};

/* 2^(11 + i / 32) (table 18). */
static const int16_t powers[32] = {2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
                                   2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008};

static inline int32_t saturate(int32_t value)
{
    return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value;
}

static inline int32_t limit(int32_t value, int32_t bound)
{
    return value > bound ? bound : value < -bound ? -bound : value;
}

int vg_g722_init(vg_g722 *state, int mode)
{
    if (mode < VG_G722_64K || mode > VG_G722_48K) return VG_EINVAL;
    memset(state, 0, sizeof *state);
    state->mode = (uint8_t)mode;
    state->low.det = 32;
    state->high.det = 8;
    return VG_OK;
}

/* The scale that follows a code: blocks LOGSCL and SCALEL of the lower band, LOGSCH and SCALEH of the higher. */
static inline void adapt_scale(vg_g722_band *band, int32_t weight, int32_t most, int32_t shift)
{
    int32_t nb = (band->nb * 127 >> 7) + weight;
    nb = nb < 0 ? 0 : nb > most ? most : nb;
    band->nb = (int16_t)nb;
    band->det = (int16_t)((powers[nb >> 6 & 31] << (nb >> 11)) >> shift << 2);
}

/* Pole coefficients from the signs of the partially reconstructed signal (blocks UPPOL2, UPPOL1). */
static inline void adapt_poles(vg_g722_band *band, int32_t sign)
{
    int32_t step = limit(band->a[0] * 4, INT16_MAX);
    if (band->a[0] * 4 < -INT16_MAX) step = INT16_MIN;
    int32_t same = sign == band->p[0];
    int32_t second = same ? -step : step;
    second = saturate(second) >> 7;
    second += (sign == band->p[1] ? 128 : -128) + (band->a[1] * 32512 >> 15);
    second = limit(second, 12288);
    int32_t first = saturate((same ? 192 : -192) + (band->a[0] * 32640 >> 15));
    band->a[0] = (int16_t)limit(first, 15360 - second);
    band->a[1] = (int16_t)second;
    band->p[1] = band->p[0];
    band->p[0] = (int16_t)sign;
}

#ifdef VG_SSE2
/* As below, eight places at a time. What each place does is what the standard's arithmetic does: b * 32640 >> 15 is b less
 * b * 256 >> 16 rounded up, and a product >> 15 is put together from its two halves. */
static inline int32_t adapt_zeros(vg_g722_band *band, int32_t d)
{
    const __m128i used = _mm_setr_epi16(-1, -1, -1, -1, -1, -1, 0, 0);
    __m128i past = _mm_loadu_si128((const __m128i *)band->d), b = _mm_loadu_si128((const __m128i *)band->b);
    __m128i differ = _mm_srai_epi16(_mm_xor_si128(past, _mm_set1_epi16((int16_t)d)), 15);
    __m128i grow = _mm_sub_epi16(_mm_xor_si128(_mm_set1_epi16(d == 0 ? 0 : 128), differ), differ);
    b = _mm_adds_epi16(_mm_add_epi16(b, _mm_mulhi_epi16(b, _mm_set1_epi16(-256))), grow);
    b = _mm_and_si128(b, used);
    past = _mm_and_si128(_mm_insert_epi16(_mm_slli_si128(past, 2), d, 0), used);
    _mm_storeu_si128((__m128i *)band->b, b);
    _mm_storeu_si128((__m128i *)band->d, past);
    __m128i twice = _mm_adds_epi16(past, past);
    __m128i high = _mm_mulhi_epi16(b, twice), low = _mm_mullo_epi16(b, twice);
    __m128i terms = _mm_or_si128(_mm_slli_epi16(high, 1), _mm_srli_epi16(low, 15));
    /* The sum saturates place by place from the oldest to the newest. */
    __m128i sum = _mm_srli_si128(terms, 10);
    sum = _mm_adds_epi16(sum, _mm_srli_si128(terms, 8));
    sum = _mm_adds_epi16(sum, _mm_srli_si128(terms, 6));
    sum = _mm_adds_epi16(sum, _mm_srli_si128(terms, 4));
    sum = _mm_adds_epi16(sum, _mm_srli_si128(terms, 2));
    sum = _mm_adds_epi16(sum, terms);
    return (int16_t)_mm_extract_epi16(sum, 0);
}
#else
/* Zero coefficients (block UPZERO), the new difference enters, and the zero section's prediction (FILTEZ). */
static inline int32_t adapt_zeros(vg_g722_band *band, int32_t d)
{
    int32_t gain = d == 0 ? 0 : 128, sign = d >> 15, terms[8];
    for (int i = 0; i < 8; i++) {
        int32_t grow = ((band->d[i] >> 15) ^ sign) ? -gain : gain;
        band->b[i] = (int16_t)saturate(grow + (band->b[i] * 32640 >> 15));
    }
    band->b[6] = band->b[7] = 0;
    memmove(band->d + 1, band->d, 5 * sizeof band->d[0]);
    band->d[0] = (int16_t)d;
    for (int i = 0; i < 8; i++) terms[i] = band->b[i] * saturate(2 * band->d[i]) >> 15;
    int32_t sum = terms[5];
    for (int i = 4; i >= 0; i--) sum = saturate(sum + terms[i]);
    return sum;
}

#endif

/* Block 4: what the next sample is expected to be, after the quantised difference d of this one. */
static inline void predict(vg_g722_band *band, int32_t d)
{
    int32_t reconstructed = saturate(band->s + d), sign = saturate(band->sz + d) >> 15;
    adapt_poles(band, sign);
    band->r[1] = band->r[0];
    band->r[0] = (int16_t)reconstructed;
    int32_t zeros = adapt_zeros(band, d);
    int32_t poles = (band->a[0] * saturate(2 * band->r[0]) >> 15) + (band->a[1] * saturate(2 * band->r[1]) >> 15);
    band->sz = (int16_t)zeros;
    band->s = (int16_t)saturate(saturate(poles) + zeros);
}

/* How many of the levels a magnitude reaches: a binary search, since they grow (block QUANTL). */
static inline int32_t level_of(int32_t magnitude, int32_t det)
{
    int32_t at = 0;
    at += magnitude >= levels[at + 15] * det >> 12 ? 16 : 0;
    at += magnitude >= levels[at + 7] * det >> 12 ? 8 : 0;
    if (at + 3 < 29) at += magnitude >= levels[at + 3] * det >> 12 ? 4 : 0;
    if (at + 1 < 29) at += magnitude >= levels[at + 1] * det >> 12 ? 2 : 0;
    if (at < 29) at += magnitude >= levels[at] * det >> 12 ? 1 : 0;
    return at;
}

static inline int32_t encode_low(vg_g722_band *band, int32_t x)
{
    int32_t e = saturate(x - band->s), sign = e >> 31;
    int32_t at = level_of(e ^ sign, band->det);
    /* Codes count down from the far levels: 31 for a negative difference, 61 for a positive one; the two smallest negative
     * levels have the codes that are left, 63 and 62 (table 21). */
    int32_t code = sign ? (at < 2 ? 63 - at : 33 - at) : 61 - at;
    predict(band, band->det * inverse4[code >> 2] >> 15);
    adapt_scale(band, low_weights[code >> 2], 18432, 8);
    return code;
}

static inline int32_t encode_high(vg_g722_band *band, int32_t x)
{
    int32_t e = saturate(x - band->s), sign = e >> 31;
    int32_t outer = (e ^ sign) >= (564 * band->det >> 12);
    int32_t code = (sign ? 1 : 3) - outer;
    predict(band, band->det * inverse2[code] >> 15);
    adapt_scale(band, high_weights[code], 22528, 10);
    return code;
}

#ifdef VG_SSE2
static inline int32_t total(__m128i sums)
{
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32(sums, _MM_SHUFFLE(2, 3, 0, 1))));
}

/* Sum and difference of the branches come as one dot product each; both are exact. */
static inline void branches(const int16_t *x, int32_t *sum, int32_t *difference)
{
    static const int16_t plus[24] = {3, -11, -11, 53, 12, -156, 32, 362, -210, -805, 951, 3876,
                                     3876, 951, -805, -210, 362, 32, -156, 12, 53, -11, -11, 3};
    static const int16_t minus[24] = {-3, -11, 11, 53, -12, -156, -32, 362, 210, -805, -951, 3876,
                                      -3876, 951, 805, -210, -362, 32, 156, 12, -53, -11, 11, 3};
    __m128i p = _mm_setzero_si128(), m = p;
    for (int i = 0; i < 24; i += 8) {
        __m128i part = _mm_loadu_si128((const __m128i *)(x + i));
        p = _mm_add_epi32(p, _mm_madd_epi16(part, _mm_loadu_si128((const __m128i *)(plus + i))));
        m = _mm_add_epi32(m, _mm_madd_epi16(part, _mm_loadu_si128((const __m128i *)(minus + i))));
    }
    *sum = total(p);
    *difference = total(m);
}
#else
/* The two branches of the filter over the newest 24 samples: their sum, and the odd one less the even one. */
static inline void branches(const int16_t *x, int32_t *sum, int32_t *difference)
{
    int32_t even = 0, odd = 0;
    for (int i = 0; i < 12; i++) {
        even += x[2 * i] * even_taps[i];
        odd += x[2 * i + 1] * odd_taps[i];
    }
    *sum = even + odd;
    *difference = odd - even;
}
#endif

/* count octets from 2 count samples that stand after the filter's 22 in x. */
static void encode_chunk(vg_g722 *state, const int16_t *x, size_t count, uint8_t *octets)
{
    static const uint8_t mask[4] = {0, 0xff, 0xfe, 0xfc};
    for (size_t i = 0; i < count; i++) {
        int32_t sum, difference;
        branches(x + 2 * i, &sum, &difference);
        int32_t low = encode_low(&state->low, saturate(sum >> 14));
        int32_t high = encode_high(&state->high, saturate(difference >> 14));
        octets[i] = (uint8_t)((high << 6 | low) & mask[state->mode]);
    }
}

size_t vg_g722_encode(vg_g722 *state, const int16_t *pcm, size_t n, uint8_t *octets)
{
    int16_t x[22 + 2 * CHUNK];
    size_t made = 0;
    while (n + state->has_odd >= 2) {
        size_t ready = state->has_odd, take = n < 2 * CHUNK - ready ? n : 2 * CHUNK - ready;
        take -= (take + ready) & 1;
        memcpy(x, state->history, sizeof state->history);
        x[22] = state->odd;
        memcpy(x + 22 + ready, pcm, take * sizeof *pcm);
        state->has_odd = 0;
        size_t count = (take + ready) / 2;
        encode_chunk(state, x, count, octets + made);
        memcpy(state->history, x + 2 * count, sizeof state->history);
        made += count;
        pcm += take;
        n -= take;
    }
    if (n > 0) {
        state->odd = *pcm;
        state->has_odd = 1;
    }
    return made;
}

static inline int32_t decode_low(vg_g722_band *band, int32_t code, int mode)
{
    int32_t fine = mode == VG_G722_64K ? inverse6[code] : mode == VG_G722_56K ? inverse5[code >> 1] : inverse4[code >> 2];
    int32_t r = band->s + (band->det * fine >> 15);
    predict(band, band->det * inverse4[code >> 2] >> 15);
    adapt_scale(band, low_weights[code >> 2], 18432, 8);
    return r > 16383 ? 16383 : r < -16384 ? -16384 : r;
}

static inline int32_t decode_high(vg_g722_band *band, int32_t code)
{
    int32_t d = band->det * inverse2[code] >> 15, r = band->s + d;
    predict(band, d);
    adapt_scale(band, high_weights[code], 22528, 10);
    return r > 16383 ? 16383 : r < -16384 ? -16384 : r;
}

void vg_g722_decode(vg_g722 *state, const uint8_t *octets, size_t n, int16_t *pcm)
{
    int16_t x[22 + 2 * CHUNK];
    while (n > 0) {
        size_t count = n < CHUNK ? n : CHUNK;
        memcpy(x, state->history, sizeof state->history);
        for (size_t i = 0; i < count; i++) {
            int32_t low = decode_low(&state->low, octets[i] & 63, state->mode), high = decode_high(&state->high, octets[i] >> 6);
            x[22 + 2 * i] = (int16_t)(low + high);
            x[23 + 2 * i] = (int16_t)(low - high);
        }
        for (size_t i = 0; i < count; i++) {
            int32_t sum, difference;
            branches(x + 2 * i, &sum, &difference);
            pcm[2 * i] = (int16_t)saturate((sum + difference) >> 12); /* the odd branch, Q11; sums are even numbers */
            pcm[2 * i + 1] = (int16_t)saturate((sum - difference) >> 12);
        }
        memcpy(state->history, x + 2 * count, sizeof state->history);
        octets += count;
        pcm += 2 * count;
        n -= count;
    }
}
