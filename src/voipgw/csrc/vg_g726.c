#include "vg_g726.h"

#include <string.h>

#include "vg_g711.h"

#if defined(__SSE2__) && !defined(VG_PLAIN)
#include <emmintrin.h>
#define VG_SSE2 1
#endif

#define CHUNK 160 /* code words worked on at a time, a multiple of 8 */

/* One rate's tables: decision levels (table 1 to 4 of the standard, log2 of the normalised magnitude, Q7), quantiser output
 * likewise, W(I) and F(I); the latter three by code. */
typedef struct {
    int level_count;
    int16_t levels[15];
    int16_t output[32];
    int32_t w[32]; /* Q5 */
    int16_t f[32]; /* Q9 */
} rate_tables;

#define SILENT -2048

static const rate_tables rates[6] = {
    [2] = {1, {261}, {116, 365, 365, 116}, {-704, 14048, 14048, -704}, {0, 0xe00, 0xe00, 0}},
    [3] = {3,
           {8, 218, 331},
           {SILENT, 135, 273, 373, 373, 273, 135, SILENT},
           {-128, 960, 4384, 18624, 18624, 4384, 960, -128},
           {0, 0x200, 0x400, 0xe00, 0xe00, 0x400, 0x200, 0}},
    [4] = {7,
           {-124, 80, 178, 246, 300, 349, 400},
           {SILENT, 4, 135, 213, 273, 323, 373, 425, 425, 373, 323, 273, 213, 135, 4, SILENT},
           {-384, 576, 1312, 2048, 3584, 6336, 11360, 35904, 35904, 11360, 6336, 3584, 2048, 1312, 576, -384},
           {0, 0, 0, 0x200, 0x200, 0x200, 0x600, 0xe00, 0xe00, 0x600, 0x200, 0x200, 0x200, 0, 0, 0}},
    [5] = {15,
           {-122, -16, 68, 139, 198, 250, 298, 339, 378, 413, 445, 475, 502, 528, 553},
           {SILENT, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566,
            566, 539, 514, 488, 459, 429, 395, 358, 318, 274, 224, 169, 104, 28, -66, SILENT},
           {448, 448, 768, 1248, 1280, 1312, 1856, 3200, 4512, 5728, 7008, 8960, 11456, 14080, 16928, 22272,
            22272, 16928, 14080, 11456, 8960, 7008, 5728, 4512, 3200, 1856, 1312, 1280, 1248, 768, 448, 448},
           {0, 0, 0, 0, 0, 0x200, 0x200, 0x200, 0x200, 0x200, 0x400, 0x600, 0x800, 0xa00, 0xc00, 0xc00,
            0xc00, 0xc00, 0xa00, 0x800, 0x600, 0x400, 0x200, 0x200, 0x200, 0x200, 0x200, 0, 0, 0, 0, 0}},
};

static inline int bit_length(uint32_t value)
{
    return 32 - __builtin_clz(value << 1 | 1) - 1;
}

int vg_g726_init(vg_g726 *state, int bits, int aal2)
{
    if (bits < 2 || bits > 5 || aal2 < 0 || aal2 > 1) return VG_EINVAL;
    memset(state, 0, sizeof *state);
    state->yl = 34816;
    state->yu = 544;
    for (int i = 0; i < 6; i++) state->dq[i] = 32;
    state->sr[0] = state->sr[1] = 32;
    state->bits = (uint8_t)bits;
    state->aal2 = (uint8_t)aal2;
    return VG_OK;
}

/* 11-bit floating point (blocks FLOATA and FLOATB); negative: the sign of a zero counts as well. */
static inline int16_t to_float(uint32_t magnitude, int negative)
{
    int exponent = bit_length(magnitude);
    int32_t value = magnitude == 0 ? 32 : (exponent << 6) + (int32_t)(magnitude << 6 >> exponent);
    return (int16_t)(negative ? value - 1024 : value);
}

/* What one sample needs of the past (blocks ACCUM, MIX). */
typedef struct {
    int32_t se, sez; /* signal estimate, and the zero section's part */
    int32_t y;       /* scale, log2, Q9 */
} expectation;

#ifdef VG_SSE2
/* Four products as below. The machine's conversion to binary32 finds a magnitude's length and upper six bits; a mantissa's
 * product, below 2^8, is shifted by multiplying with a power of two. Both are exact. */
static inline __m128i multiply4(__m128i magnitudes, __m128i values, __m128i signs)
{
    __m128i empty = _mm_cmpeq_epi32(magnitudes, _mm_setzero_si128());
    __m128i bits = _mm_castps_si128(_mm_cvtepi32_ps(magnitudes));
    __m128i mantissas = _mm_or_si128(_mm_and_si128(_mm_srli_epi32(bits, 18), _mm_set1_epi32(31)), _mm_set1_epi32(32));
    __m128i lengths = _mm_andnot_si128(empty, _mm_sub_epi32(_mm_srli_epi32(bits, 23), _mm_set1_epi32(126)));
    __m128i exponents = _mm_add_epi32(_mm_and_si128(_mm_srli_epi32(values, 6), _mm_set1_epi32(15)), lengths);
    __m128i products = _mm_madd_epi16(mantissas, _mm_and_si128(values, _mm_set1_epi32(63)));
    products = _mm_srli_epi32(_mm_add_epi32(products, _mm_set1_epi32(48)), 4);
    __m128 powers = _mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(exponents, _mm_set1_epi32(127 - 19)), 23));
    __m128i results = _mm_cvttps_epi32(_mm_mul_ps(_mm_cvtepi32_ps(products), powers));
    results = _mm_and_si128(results, _mm_set1_epi32(0x7fff));
    return _mm_sub_epi32(_mm_xor_si128(results, signs), signs);
}

/* The sections' products summed up: the poles' two, the zeros' six (block FMULT and ACCUM). */
static inline void sections(const vg_g726 *s, int32_t *poles, int32_t *zeros)
{
    __m128i coefficients = _mm_srai_epi16(_mm_loadu_si128((const __m128i *)s->a), 2);
    __m128i values = _mm_loadu_si128((const __m128i *)s->sr), none = _mm_setzero_si128();
    __m128i negative = _mm_srai_epi16(coefficients, 15);
    __m128i magnitudes = _mm_sub_epi16(_mm_xor_si128(coefficients, negative), negative);
    magnitudes = _mm_and_si128(magnitudes, _mm_or_si128(_mm_set1_epi16(0x1fff), _mm_xor_si128(negative, _mm_set1_epi16(-1))));
    __m128i signs = _mm_srai_epi16(_mm_xor_si128(coefficients, values), 15);
    __m128i first = multiply4(_mm_unpacklo_epi16(magnitudes, none), _mm_unpacklo_epi16(values, none),
                              _mm_unpacklo_epi16(signs, signs));
    __m128i second = multiply4(_mm_unpackhi_epi16(magnitudes, none), _mm_unpackhi_epi16(values, none),
                               _mm_unpackhi_epi16(signs, signs));
    second = _mm_add_epi32(second, _mm_unpackhi_epi64(first, none)); /* b[0], b[1] to b[2], b[3] */
    __m128i sums = _mm_unpacklo_epi64(first, second), rest = _mm_unpackhi_epi64(none, second);
    sums = _mm_add_epi32(sums, rest);
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, _MM_SHUFFLE(2, 3, 0, 1)));
    *poles = _mm_cvtsi128_si32(sums);
    *zeros = _mm_cvtsi128_si32(_mm_unpackhi_epi64(sums, sums));
}
#else
/* A coefficient times a signal value in floating point (block FMULT). */
static inline int32_t multiply(int32_t coefficient, int32_t value)
{
    uint32_t magnitude = coefficient > 0 ? (uint32_t)coefficient : (uint32_t)-coefficient & 0x1fff;
    int32_t length = bit_length(magnitude);
    int32_t mantissa = magnitude == 0 ? 32 : (int32_t)(magnitude << 6 >> length);
    int32_t exponent = (value >> 6 & 15) + length;
    int32_t product = (mantissa * (value & 63) + 48) >> 4;
    int32_t result = exponent >= 19 ? product << (exponent - 19) & 0x7fff : product >> (19 - exponent);
    return (coefficient ^ value) < 0 ? -result : result;
}

static inline void sections(const vg_g726 *s, int32_t *poles, int32_t *zeros)
{
    *poles = multiply(s->a[0] >> 2, s->sr[0]) + multiply(s->a[1] >> 2, s->sr[1]);
    *zeros = 0;
    for (int i = 0; i < 6; i++) *zeros += multiply(s->b[i] >> 2, s->dq[i]);
}
#endif

static inline expectation expect(const vg_g726 *s)
{
    int32_t poles, zeros;
    sections(s, &poles, &zeros);
    zeros = (int16_t)zeros;
    int32_t all = (int16_t)(zeros + poles);
    int32_t y = s->yu;
    if (s->ap < 256) {
        int32_t slow = s->yl >> 6, product = (s->yu - slow) * (s->ap >> 2);
        y = slow + (product < 0 ? (product + 63) >> 6 : product >> 6);
    }
    return (expectation){.se = all >> 1, .sez = zeros >> 1, .y = y};
}

/* The code of a difference (blocks LOG, SUBTB, QUAN). */
static inline int32_t quantise(const rate_tables *rate, int bits, int32_t d, int32_t y)
{
    uint32_t magnitude = (uint32_t)(d < 0 ? -d : d);
    int32_t length = bit_length(magnitude >> 1);
    int32_t normal = (length << 7) + (int32_t)(magnitude << 7 >> length & 127) - (y >> 2);
    int32_t at = 0;
    for (int i = 0; i < rate->level_count; i++) at += normal >= rate->levels[i];
    int32_t most = (1 << bits) - 1;
    if (d < 0) return most - at;
    return at == 0 && bits > 2 ? most : at; /* all zeros is no code, but at two bits */
}

/* The quantised difference as sign and magnitude (blocks RECONST, ADDA, ANTILOG): bit 15 is the sign. */
static inline int32_t reconstruct(const rate_tables *rate, int bits, int32_t code, int32_t y)
{
    int32_t log = rate->output[code] + (y >> 2);
    int32_t sign = code >> (bits - 1) << 15;
    if (log < 0) return sign;
    int32_t shifted = (128 + (log & 127)) << 7 >> (14 - (log >> 7 & 15));
    return sign | shifted;
}

/* Block FUNCTW to FILTE and the speed control (FUNCTF to LIMA). */
static inline void adapt_scale(vg_g726 *s, int32_t w, int32_t f, int32_t y, int transition)
{
    int32_t yu = y + ((w - y) >> 5);
    s->yu = (int16_t)(yu < 544 ? 544 : yu > 5120 ? 5120 : yu);
    s->yl += s->yu + (-s->yl >> 6);
    s->dms = (int16_t)(s->dms + ((f - s->dms) >> 5));
    s->dml = (int16_t)(s->dml + (((f << 2) - s->dml) >> 7));
    int32_t apart = (s->dms << 2) - s->dml;
    if (transition)
        s->ap = 256;
    else if (y < 1536 || s->td || (apart < 0 ? -apart : apart) >= s->dml >> 3)
        s->ap = (int16_t)(s->ap + ((512 - s->ap) >> 4));
    else
        s->ap = (int16_t)(s->ap + (-s->ap >> 4));
}

/* Blocks UPA1, UPA2, LIMC, LIMD: the two pole coefficients that follow; sum is the partially reconstructed signal. */
static inline void adapt_poles(const vg_g726 *s, int32_t sign, int32_t sum, int32_t a[2])
{
    int32_t second = s->a[1] - (s->a[1] >> 7), first = s->a[0] - (s->a[0] >> 8);
    if (sum != 0) {
        int32_t differ = sign ^ s->pk[0], grow = differ ? s->a[0] : -s->a[0];
        second += grow < -8191 ? -256 : grow > 8191 ? 255 : grow >> 5;
        second += (sign ^ s->pk[1]) ? -128 : 128;
        first += differ ? -192 : 192;
    }
    second = second < -12288 ? -12288 : second > 12288 ? 12288 : second;
    int32_t most = 15360 - second;
    a[0] = first > most ? most : first < -most ? -most : first;
    a[1] = second;
}

/* Block UPB, the pole coefficients that follow, and the delay lines of dq (given as sign and magnitude) and sr. */
#ifdef VG_SSE2
static inline void move_on(vg_g726 *s, const int32_t a[2], int32_t dq, int transition, int16_t new_dq, int16_t new_sr)
{
    __m128i b = _mm_loadu_si128((const __m128i *)s->a), past = _mm_loadu_si128((const __m128i *)s->sr);
    __m128i differ = _mm_xor_si128(_mm_srai_epi16(past, 15), _mm_set1_epi16((int16_t)-(dq >> 15)));
    __m128i step = _mm_set1_epi16((dq & 0x7fff) == 0 ? 0 : 128);
    step = _mm_sub_epi16(_mm_xor_si128(step, differ), differ);
    b = _mm_add_epi16(_mm_sub_epi16(b, _mm_sra_epi16(b, _mm_cvtsi32_si128(s->bits == 5 ? 9 : 8))), step);
    b = _mm_andnot_si128(_mm_set1_epi16((int16_t)-transition), b);
    b = _mm_insert_epi16(_mm_insert_epi16(b, a[0], 0), a[1], 1);
    past = _mm_insert_epi16(_mm_insert_epi16(_mm_slli_si128(past, 2), new_sr, 0), new_dq, 2);
    _mm_storeu_si128((__m128i *)s->a, b);
    _mm_storeu_si128((__m128i *)s->sr, past);
}
#else
static inline void move_on(vg_g726 *s, const int32_t a[2], int32_t dq, int transition, int16_t new_dq, int16_t new_sr)
{
    int32_t magnitude = dq & 0x7fff, sign = dq >> 15, leak = s->bits == 5 ? 9 : 8;
    for (int i = 0; i < 6; i++) {
        int32_t step = magnitude == 0 ? 0 : sign == (s->dq[i] < 0) ? 128 : -128;
        s->b[i] = (int16_t)(transition ? 0 : s->b[i] - (s->b[i] >> leak) + step);
    }
    s->a[0] = (int16_t)a[0];
    s->a[1] = (int16_t)a[1];
    memmove(s->dq + 1, s->dq, 5 * sizeof s->dq[0]);
    s->dq[0] = new_dq;
    s->sr[1] = s->sr[0];
    s->sr[0] = new_sr;
}
#endif

/* Everything that a code changes; returns the reconstructed signal (block ADDB). */
static inline int32_t update(vg_g726 *s, const rate_tables *rate, int32_t code, const expectation *e)
{
    int32_t dq = reconstruct(rate, s->bits, code, e->y), magnitude = dq & 0x7fff;
    int32_t signed_dq = dq >> 15 ? -magnitude : magnitude;
    int32_t sr = (int16_t)(e->se + signed_dq), sum = (int16_t)(e->sez + signed_dq), sign = sum < 0;
    int32_t whole = s->yl >> 15, threshold = whole > 9 ? 31 << 10 : (32 + (s->yl >> 10 & 31)) << whole;
    int transition = s->td && magnitude > (threshold + (threshold >> 1)) >> 1;
    int32_t a[2] = {0, 0};
    if (!transition) adapt_poles(s, sign, sum, a);
    s->td = a[1] < -11776; /* block TONE */
    adapt_scale(s, rate->w[code], rate->f[code], e->y, transition);
    move_on(s, a, dq, transition, to_float((uint32_t)magnitude, dq >> 15),
            to_float((uint32_t)(sr < 0 ? -sr : sr) & 0x7fff, sr < 0));
    s->pk[1] = s->pk[0];
    s->pk[0] = (int16_t)sign;
    return sr;
}

void vg_g726_code(vg_g726 *state, const int16_t *pcm, size_t n, uint8_t *codes)
{
    const rate_tables *rate = &rates[state->bits];
    for (size_t i = 0; i < n; i++) {
        expectation e = expect(state);
        int32_t code = quantise(rate, state->bits, (pcm[i] >> 2) - e.se, e.y);
        codes[i] = (uint8_t)code;
        update(state, rate, code, &e);
    }
}

void vg_g726_decode_codes(vg_g726 *state, const uint8_t *codes, size_t n, int16_t *pcm)
{
    const rate_tables *rate = &rates[state->bits];
    int32_t mask = (1 << state->bits) - 1;
    for (size_t i = 0; i < n; i++) {
        expectation e = expect(state);
        int32_t sr = update(state, rate, codes[i] & mask, &e);
        pcm[i] = (int16_t)(sr > 8191 ? INT16_MAX : sr < -8192 ? INT16_MIN : sr * 4);
    }
}

int vg_g726_code_law(vg_g726 *state, int law, const uint8_t *octets, size_t n, uint8_t *codes)
{
    if (law != VG_LAW_ULAW && law != VG_LAW_ALAW) return VG_EINVAL;
    int16_t pcm[CHUNK];
    while (n > 0) {
        size_t part = n < CHUNK ? n : CHUNK;
        vg_g711_decode(law, octets, part, pcm);
        vg_g726_code(state, pcm, part, codes);
        octets += part;
        codes += part;
        n -= part;
    }
    return VG_OK;
}

/* A G.711 octet's place in the order of its law's values, and back: mu-law has two zeros, of which the steps use one. */
static inline uint8_t step(int law, uint8_t octet, int up)
{
    int code = law == VG_LAW_ALAW ? octet ^ 0x55 : octet ^ 0x7f, positive = code & 0x80, magnitude = code & 0x7f;
    if ((positive != 0) == up) {
        if (magnitude < 127) magnitude++;
    } else if (magnitude > 0) {
        magnitude--;
    } else {
        positive ^= 0x80;
        magnitude = law == VG_LAW_ALAW ? 0 : 1;
    }
    return (uint8_t)((positive | magnitude) ^ (law == VG_LAW_ALAW ? 0x55 : 0x7f));
}

/* Block COMPRESS: the reconstructed signal as a G.711 octet. The magnitude has 15 bits, so that -32768 is the negative zero. */
static inline uint8_t compress(int law, int32_t sr)
{
    int32_t most = sr > 8191 ? 8191 : sr < -8192 ? -8192 : sr;
    int16_t sample = (int16_t)(most * 4);
    if (law == VG_LAW_ALAW) sample &= ~7;
    if (law == VG_LAW_ULAW && most < 0) sample = (int16_t)(most == -8192 ? INT16_MIN : sample - 1);
    if (sr == INT16_MIN) sample = -1;
    uint8_t octet;
    vg_g711_encode(law, &sample, 1, &octet);
    return octet;
}

/* Synchronous coding adjustment (block SYNC): the octet that a further encoder would code as this one did. */
static inline uint8_t synchronise(const vg_g726 *s, const rate_tables *rate, int law, int32_t sr, int32_t code,
                                  const expectation *e)
{
    uint8_t octet = compress(law, sr);
    int16_t linear;
    vg_g711_decode(law, &octet, 1, &linear);
    int32_t sign = 1 << (s->bits - 1), again = quantise(rate, s->bits, (linear >> 2) - e->se, e->y);
    if (again == code) return octet;
    return step(law, octet, (again ^ sign) < (code ^ sign));
}

int vg_g726_decode_law(vg_g726 *state, int law, const uint8_t *codes, size_t n, uint8_t *octets)
{
    if (law != VG_LAW_ULAW && law != VG_LAW_ALAW) return VG_EINVAL;
    const rate_tables *rate = &rates[state->bits];
    int32_t mask = (1 << state->bits) - 1;
    for (size_t i = 0; i < n; i++) {
        expectation e = expect(state);
        int32_t code = codes[i] & mask, sr = update(state, rate, code, &e);
        octets[i] = synchronise(state, rate, law, sr, code, &e);
    }
    return VG_OK;
}

size_t vg_g726_encode(vg_g726 *state, const int16_t *pcm, size_t n, uint8_t *octets)
{
    uint8_t codes[CHUNK];
    uint32_t wait = state->wait;
    unsigned held = state->held, bits = state->bits;
    size_t made = 0;
    while (n > 0) {
        size_t part = n < CHUNK ? n : CHUNK;
        vg_g726_code(state, pcm, part, codes);
        for (size_t i = 0; i < part; i++) {
            wait = state->aal2 ? wait << bits | codes[i] : wait | (uint32_t)codes[i] << held;
            held += bits;
            if (held < 8) continue;
            held -= 8;
            octets[made++] = (uint8_t)(state->aal2 ? wait >> held : wait);
            wait = state->aal2 ? wait & ((1u << held) - 1) : wait >> 8;
        }
        pcm += part;
        n -= part;
    }
    state->wait = (uint8_t)wait;
    state->held = (uint8_t)held;
    return made;
}

size_t vg_g726_decode(vg_g726 *state, const uint8_t *octets, size_t n, int16_t *pcm)
{
    uint8_t codes[CHUNK];
    uint32_t wait = 0, mask = (1u << state->bits) - 1;
    unsigned held = 0, bits = state->bits;
    size_t total = 8 * n / bits, made = 0;
    while (made < total) {
        size_t part = total - made < CHUNK ? total - made : CHUNK;
        for (size_t i = 0; i < part; i++) {
            if (held < bits) {
                wait = state->aal2 ? wait << 8 | *octets++ : wait | (uint32_t)*octets++ << held;
                held += 8;
            }
            held -= bits;
            codes[i] = (uint8_t)((state->aal2 ? wait >> held : wait) & mask);
            wait = state->aal2 ? wait & ((1u << held) - 1) : wait >> bits;
        }
        vg_g726_decode_codes(state, codes, part, pcm + made);
        made += part;
    }
    return total;
}
