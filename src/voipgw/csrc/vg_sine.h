/* A sine by table, the same bits on every machine: what every tone of voipgw is made of. Internal to the C layer. */
#ifndef VG_SINE_H
#define VG_SINE_H

#include <math.h>

#include "vg_common.h"
#include "vg_sine_tables.h"

#define VG_FULL_SCALE_DBM0 3.14f  /* of a full-scale sine (G.711 A-law) */

/* Sine of a phase in 2^-32 turns, in 2^-30. */
static inline int32_t vg_sine(uint32_t phase)
{
    uint32_t quarter = phase >> 30, rest = phase << 2;
    if (quarter & 1) rest = ~rest;
    uint32_t at = rest >> 23, part = (rest >> 8) & 0x7fff;          /* 9 bits of table, 15 between */
    int32_t one = VG_QUARTER_SINE[at], two = VG_QUARTER_SINE[at + 1];
    int32_t value = one + (int32_t)(((int64_t)(two - one) * part) >> 15);
    return quarter & 2 ? -value : value;
}

/* Phase per sample of a frequency, in 2^-32 turns. */
static inline uint32_t vg_phase_step(double frequency_hz, double rate_hz)
{
    return (uint32_t)(int64_t)floor(frequency_hz / rate_hz * 4294967296.0 + 0.5);
}

/* Peak of a sine at a level, in sample units. */
static inline double vg_dbm0_peak(double level_dbm0)
{
    return 32767.0 * pow(10.0, (level_dbm0 - 3.14) / 20.0);
}

/* Rounded to 16 bits and held there; `sum` in 2^-45 sample units. */
static inline int16_t vg_sine_sample(int64_t sum)
{
    int64_t value = (sum + ((int64_t)1 << 44)) >> 45;
    return (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
}

#endif
