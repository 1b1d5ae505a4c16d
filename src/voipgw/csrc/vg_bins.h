/* Dot products of a folded window with rows of coefficients: the front end of the DTMF receiver. Internal to the C layer.
 *
 * Sums are of int16 products in 32 bits that cannot overflow (tools/tone_tables.py sees to it), so that every order of
 * summing, and so every build, gives the same bits. */
#ifndef VG_BINS_H
#define VG_BINS_H

#include "vg_common.h"
#include "vg_tone_tables.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(VG_PLAIN)
#include <immintrin.h>
#define VG_BINS_AVX2 1
#endif

/* Sums and differences of a window about its centre. */
typedef int16_t vg_folded[2][VG_BIN_HALF];
typedef int16_t vg_row[2][VG_BIN_HALF];

static inline int32_t vg_bin_dot(const int16_t *a, const int16_t *b)
{
    int32_t sum = 0;
    for (int i = 0; i < VG_BIN_HALF; i++) sum += (int32_t)a[i] * b[i];
    return sum;
}

static inline void vg_bins_plain(const vg_folded folded, const vg_row *rows, int bins, int32_t *re, int32_t *im)
{
    for (int k = 0; k < bins; k++) {
        re[k] = vg_bin_dot(folded[0], rows[k][0]);
        im[k] = vg_bin_dot(folded[1], rows[k][1]);
    }
}

#ifdef VG_BINS_AVX2
/* One half of the window with the same half of four rows. */
__attribute__((target("avx2"))) static inline __m128i vg_bins_four(const int16_t *half, const vg_row *rows, int which)
{
    __m256i sum[4];
    for (int k = 0; k < 4; k++) sum[k] = _mm256_setzero_si256();
    for (int i = 0; i < VG_BIN_HALF; i += 16) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(half + i));
        for (int k = 0; k < 4; k++) {
            __m256i row = _mm256_loadu_si256((const __m256i *)(rows[k][which] + i));
            sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(x, row));
        }
    }
    __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

__attribute__((target("avx2"))) static inline void vg_bins_avx2(const vg_folded folded, const vg_row *rows, int bins,
                                                                 int32_t *re, int32_t *im)
{
    int k = 0;
    for (; k + 4 <= bins; k += 4) {
        _mm_storeu_si128((__m128i *)(re + k), vg_bins_four(folded[0], rows + k, 0));
        _mm_storeu_si128((__m128i *)(im + k), vg_bins_four(folded[1], rows + k, 1));
    }
    vg_bins_plain(folded, rows + k, bins - k, re + k, im + k);
}
#endif

static inline void vg_fold_plain(const int16_t samples[2 * VG_BIN_HALF], vg_folded folded)
{
    for (int i = 0; i < VG_BIN_HALF; i++) {
        int16_t after = samples[VG_BIN_HALF + i], before = samples[VG_BIN_HALF - 1 - i];
        folded[0][i] = (int16_t)(after + before);
        folded[1][i] = (int16_t)(after - before);
    }
}

#ifdef VG_BINS_AVX2
__attribute__((target("avx2"))) static inline void vg_fold_avx2(const int16_t samples[2 * VG_BIN_HALF], vg_folded folded)
{
    const __m256i reverse = _mm256_setr_epi8(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1,
                                             14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1);
    for (int i = 0; i < VG_BIN_HALF; i += 16) {
        __m256i after = _mm256_loadu_si256((const __m256i *)(samples + VG_BIN_HALF + i));
        __m256i before = _mm256_loadu_si256((const __m256i *)(samples + VG_BIN_HALF - 16 - i));
        before = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(before, reverse), 0x4e);
        _mm256_storeu_si256((__m256i *)(folded[0] + i), _mm256_add_epi16(after, before));
        _mm256_storeu_si256((__m256i *)(folded[1] + i), _mm256_sub_epi16(after, before));
    }
}
#endif

/* Fold a window of halved samples (so that no sum overflows) about its centre. */
static inline void vg_fold(const int16_t samples[2 * VG_BIN_HALF], vg_folded folded)
{
#ifdef VG_BINS_AVX2
    if (__builtin_cpu_supports("avx2")) {
        vg_fold_avx2(samples, folded);
        return;
    }
#endif
    vg_fold_plain(samples, folded);
}

/* Real and negated imaginary part of `bins` bins. */
static inline void vg_bins(const vg_folded folded, const vg_row *rows, int bins, int32_t *re, int32_t *im)
{
#ifdef VG_BINS_AVX2
    if (__builtin_cpu_supports("avx2")) {
        vg_bins_avx2(folded, rows, bins, re, im);
        return;
    }
#endif
    vg_bins_plain(folded, rows, bins, re, im);
}

#endif
