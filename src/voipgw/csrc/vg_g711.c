#include "vg_g711.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(VG_PLAIN)
#include <immintrin.h>
#define VG_X86 1
#endif

/* Both laws are floating-point formats of three bits of exponent and four of mantissa, so that the machine's own conversion
 * to binary32 does the segment search: its exponent and the upper four bits of its mantissa are the code. */
static inline __attribute__((always_inline)) int32_t float_code(int32_t magnitude)
{
    float value = (float)magnitude;     /* exact: below 2^14 */
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 19;                  /* (127 + exponent) << 4 | mantissa */
}

static inline __attribute__((always_inline)) uint8_t encode_alaw(int32_t sample)
{
    int32_t sign = sample >> 31, magnitude = (sample ^ sign) >> 4;          /* 12 bits, one's complement */
    int32_t code = float_code(magnitude) - (130 << 4);                      /* segment 1 begins at 16 = 2^4 */
    int32_t below = (magnitude - 16) >> 31;                                 /* all ones where it is its own code */
    code = (magnitude & below) | (code & ~below);
    return (uint8_t)(code ^ 0xd5 ^ (sign & 0x80));
}

static inline __attribute__((always_inline)) uint8_t encode_ulaw(int32_t sample)
{
    int32_t sign = sample >> 31, magnitude = ((sample ^ sign) >> 2) + 33;   /* 14 bits, biased */
    magnitude = magnitude > 0x1fff ? 0x1fff : magnitude;
    int32_t code = float_code(magnitude) - (132 << 4);                      /* segment 0 begins at 32 = 2^5 */
    return (uint8_t)(code ^ 0xff ^ (sign & 0x80));
}

static inline int16_t decode_alaw(uint8_t octet)
{
    int code = octet ^ 0x55, segment = code >> 4 & 7, mantissa = code & 15;
    int magnitude = segment == 0 ? (mantissa << 4) + 8 : ((mantissa << 4) + 0x108) << (segment - 1);
    return (int16_t)(code & 0x80 ? magnitude : -magnitude);
}

static inline int16_t decode_ulaw(uint8_t octet)
{
    int code = ~octet & 0xff, segment = code >> 4 & 7;
    int magnitude = ((((code & 15) << 3) + 0x84) << segment) - 0x84;
    return (int16_t)(code & 0x80 ? -magnitude : magnitude);
}

static inline __attribute__((always_inline)) void encode(int law, const int16_t *pcm, size_t n, uint8_t *octets)
{
    if (law == VG_LAW_ALAW)
        for (size_t i = 0; i < n; i++) octets[i] = encode_alaw(pcm[i]);
    else
        for (size_t i = 0; i < n; i++) octets[i] = encode_ulaw(pcm[i]);
}

static void encode_plain(int law, const int16_t *pcm, size_t n, uint8_t *octets) { encode(law, pcm, n, octets); }

static void decode_plain(int law, const uint8_t *octets, size_t n, int16_t *pcm)
{
    if (law == VG_LAW_ALAW)
        for (size_t i = 0; i < n; i++) pcm[i] = decode_alaw(octets[i]);
    else
        for (size_t i = 0; i < n; i++) pcm[i] = decode_ulaw(octets[i]);
}

#ifdef VG_X86
/* Sixteen samples at a time, as encode() does it: signs and magnitudes in 16 bits, the conversions in 32. */
__attribute__((target("avx2"))) static void encode_avx2(int law, const int16_t *pcm, size_t n, uint8_t *octets)
{
    const int alaw = law == VG_LAW_ALAW;
    const __m256i bias = _mm256_set1_epi16(alaw ? 0 : 33), most = _mm256_set1_epi16(0x1fff);
    const __m256i origin = _mm256_set1_epi16(alaw ? 130 << 4 : 132 << 4), invert = _mm256_set1_epi16(alaw ? 0xd5 : 0xff);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i sample = _mm256_loadu_si256((const __m256i *)(pcm + i)), sign = _mm256_srai_epi16(sample, 15);
        __m256i magnitude = _mm256_srl_epi16(_mm256_xor_si256(sample, sign), _mm_cvtsi32_si128(alaw ? 4 : 2));
        magnitude = _mm256_min_epi16(_mm256_add_epi16(magnitude, bias), most);
        __m256i low = _mm256_unpacklo_epi16(magnitude, _mm256_setzero_si256());
        __m256i high = _mm256_unpackhi_epi16(magnitude, _mm256_setzero_si256());
        low = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(low)), 19);
        high = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(high)), 19);
        __m256i code = _mm256_sub_epi16(_mm256_packus_epi32(low, high), origin);
        if (alaw) code = _mm256_blendv_epi8(code, magnitude, _mm256_cmpgt_epi16(_mm256_set1_epi16(16), magnitude));
        code = _mm256_xor_si256(_mm256_xor_si256(code, invert), _mm256_and_si256(sign, _mm256_set1_epi16(0x80)));
        code = _mm256_permute4x64_epi64(_mm256_packus_epi16(code, code), 0xd8);
        _mm_storeu_si128((__m128i *)(octets + i), _mm256_castsi256_si128(code));
    }
    encode_plain(law, pcm + i, n - i, octets + i);
}

/* Sixteen octets at a time: the power of two of each segment comes from a table of bytes, and one product shifts. */
__attribute__((target("avx2"))) static void decode_avx2(int law, const uint8_t *octets, size_t n, int16_t *pcm)
{
    const int alaw = law == VG_LAW_ALAW;
    const __m128i invert = _mm_set1_epi8((char)(alaw ? 0xd5 : 0xff));       /* after it a negative sample has its top bit set */
    const __m128i powers = alaw ? _mm_setr_epi8(1, 1, 2, 4, 8, 16, 32, 64, 0, 0, 0, 0, 0, 0, 0, 0)
                                : _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i base = _mm256_set1_epi16(alaw ? 8 : 0x84), hidden = _mm256_set1_epi16(0x100);
    const __m256i after = _mm256_set1_epi16(alaw ? 0 : 0x84);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i code = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(octets + i)), invert);
        __m128i segment = _mm_and_si128(_mm_srli_epi16(code, 4), _mm_set1_epi8(7));
        __m256i power = _mm256_cvtepu8_epi16(_mm_shuffle_epi8(powers, segment));
        __m256i mantissa = _mm256_cvtepu8_epi16(_mm_and_si128(code, _mm_set1_epi8(15)));
        __m256i sign = _mm256_cvtepi8_epi16(_mm_cmpgt_epi8(_mm_setzero_si128(), code));
        __m256i value = _mm256_add_epi16(_mm256_slli_epi16(mantissa, alaw ? 4 : 3), base);
        if (alaw) {
            __m256i above = _mm256_cvtepi8_epi16(_mm_cmpgt_epi8(segment, _mm_setzero_si128()));
            value = _mm256_add_epi16(value, _mm256_and_si256(above, hidden));
        }
        value = _mm256_sub_epi16(_mm256_mullo_epi16(value, power), after);
        value = _mm256_sub_epi16(_mm256_xor_si256(value, sign), sign);
        _mm256_storeu_si256((__m256i *)(pcm + i), value);
    }
    decode_plain(law, octets + i, n - i, pcm + i);
}
#endif

int vg_g711_encode(int law, const int16_t *pcm, size_t n, uint8_t *octets)
{
    if (law != VG_LAW_ALAW && law != VG_LAW_ULAW) return VG_EINVAL;
#ifdef VG_X86
    if (__builtin_cpu_supports("avx2")) {
        encode_avx2(law, pcm, n, octets);
        return VG_OK;
    }
#endif
    encode_plain(law, pcm, n, octets);
    return VG_OK;
}

int vg_g711_decode(int law, const uint8_t *octets, size_t n, int16_t *pcm)
{
    if (law != VG_LAW_ALAW && law != VG_LAW_ULAW) return VG_EINVAL;
#ifdef VG_X86
    if (__builtin_cpu_supports("avx2")) {
        decode_avx2(law, octets, n, pcm);
        return VG_OK;
    }
#endif
    decode_plain(law, octets, n, pcm);
    return VG_OK;
}

int vg_g711_convert(int law, const uint8_t *in, size_t n, uint8_t *out)
{
    if (law == VG_LAW_ALAW)
        for (size_t i = 0; i < n; i++) out[i] = encode_ulaw(decode_alaw(in[i]));
    else if (law == VG_LAW_ULAW)
        for (size_t i = 0; i < n; i++) out[i] = encode_alaw(decode_ulaw(in[i]));
    else
        return VG_EINVAL;
    return VG_OK;
}
