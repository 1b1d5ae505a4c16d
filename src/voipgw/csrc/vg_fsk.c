#include "vg_fsk.h"

#include <string.h>

#include "vg_sine.h"

#define BIT (8000.0 / 1200.0)           /* samples */
#define RING 256
#define MARK 0
#define SPACE 1
#define SHARE 0.15                      /* of a clean tone, for a start bit out of nothing */
#define SHARE_EXPECTED 0.03             /* for one where the last character ended */
#define CHARACTER 10                    /* start, eight of data, stop */

static const double TONES_HZ[2][2] = { { 1200, 2200 }, { 1300, 2100 } };

size_t vg_fsk_samples(size_t bits) { return (bits * 20 + 2) / 3; }

int vg_fsk_modulate(int mode, float level_dbm0, const uint8_t *bits, size_t count, int16_t *pcm, size_t n)
{
    if (mode < VG_FSK_BELL202 || mode > VG_FSK_V23 || !(level_dbm0 <= VG_FULL_SCALE_DBM0)) return VG_EINVAL;
    if (n != vg_fsk_samples(count)) return VG_EINVAL;
    uint32_t step[2] = { vg_phase_step(TONES_HZ[mode][SPACE], 8000), vg_phase_step(TONES_HZ[mode][MARK], 8000) };
    int64_t amplitude = (int64_t)(vg_dbm0_peak((double)level_dbm0) * 32768.0 + 0.5);
    uint32_t phase = 0;
    for (size_t i = 0; i < n; i++) {
        pcm[i] = vg_sine_sample(amplitude * vg_sine(phase));
        size_t bit = i * 3 / 20, next = (i + 1) * 3 / 20;
        if (next >= count) next = count - 1;
        uint32_t now = step[bits[bit] != 0], then = step[bits[next] != 0];
        if (bit == next || now == then) {
            phase += now;
        } else {
            double part = (double)((i + 1) * 3 % 20) / 3.0;         /* samples since the boundary, below 1 */
            phase += (uint32_t)((double)now * (1.0 - part) + (double)then * part);
        }
    }
    return VG_OK;
}

int vg_fsk_rx_init(vg_fsk_rx *rx, int mode)
{
    if (mode < VG_FSK_BELL202 || mode > VG_FSK_V23) return VG_EINVAL;
    memset(rx, 0, sizeof *rx);
    for (int tone = 0; tone < 2; tone++) {
        double turn = 2.0 * 3.14159265358979323846 * TONES_HZ[mode][tone] * BIT / 8000.0;
        rx->step[tone] = vg_phase_step(TONES_HZ[mode][tone], 8000);
        rx->turn[tone][0] = cos(turn);
        rx->turn[tone][1] = sin(turn);
    }
    double peak = vg_dbm0_peak(-46.0);
    rx->least = peak * peak / 2.0;
    rx->expected = -1.0;
    return VG_OK;
}

/* ---- correlations ---- */

/* A running sum at a sample time, between samples by interpolation. */
static double at(const double *ring, double time)
{
    uint64_t whole = (uint64_t)time;
    double part = time - (double)whole, one = ring[whole % RING];
    return one + part * (ring[(whole + 1) % RING] - one);
}

typedef struct {
    double re, im;
} complex_value;

static complex_value correlate(const vg_fsk_rx *rx, int tone, double from)
{
    return (complex_value){ at(rx->sum[tone][0], from + BIT) - at(rx->sum[tone][0], from),
                            at(rx->sum[tone][1], from + BIT) - at(rx->sum[tone][1], from) };
}

static double power(complex_value z) { return z.re * z.re + z.im * z.im; }

/* How much more mark than space there is in the bit that begins at a sample time. */
static double eye(const vg_fsk_rx *rx, double from)
{
    return power(correlate(rx, MARK, from)) - power(correlate(rx, SPACE, from));
}

/* ---- one character ---- */

/* How open the eyes of a character would be, were its start bit to begin at a sample time. */
static double openness(const vg_fsk_rx *rx, double from)
{
    double sum = -eye(rx, from) + eye(rx, from + 9 * BIT);
    for (int k = 1; k < 9; k++) sum += fabs(eye(rx, from + k * BIT));
    return sum;
}

/* The best start near a sample time. */
static double align(const vg_fsk_rx *rx, double near, double reach)
{
    double best = near, most = openness(rx, near);
    for (double t = near - reach; t <= near + reach; t += 0.25) {
        double found = openness(rx, t);
        if (found > most) {
            most = found;
            best = t;
        }
    }
    return best;
}

/* The bit tones of a character seen from its start: phases relative to each bit's own first instant. */
typedef struct {
    complex_value tone[2][CHARACTER];
} bits_seen;

static void look(const vg_fsk_rx *rx, double from, bits_seen *seen)
{
    for (int tone = 0; tone < 2; tone++) {
        double hz = (double)rx->step[tone] / 4294967296.0 * 2.0 * 3.14159265358979323846;
        double begin = fmod(hz * from, 2.0 * 3.14159265358979323846), c = cos(begin), s = sin(begin);
        for (int k = 0; k < CHARACTER; k++) {
            complex_value z = correlate(rx, tone, from + k * BIT);
            seen->tone[tone][k] = (complex_value){ z.re * c - z.im * s, z.re * s + z.im * c };
            double turned = c * rx->turn[tone][0] - s * rx->turn[tone][1];
            s = s * rx->turn[tone][0] + c * rx->turn[tone][1];
            c = turned;
        }
    }
}

/* Correlation with the wave of bits `word` (bit 0 first; 1: mark) from bit `first` to `last`, phase continuous. */
static double match(const vg_fsk_rx *rx, const bits_seen *seen, unsigned word, int first, int last)
{
    double re = 0, im = 0, c = 1, s = 0;
    for (int k = first; k <= last; k++, word >>= 1) {
        int tone = word & 1 ? MARK : SPACE;
        complex_value z = seen->tone[tone][k];
        re += z.re * c + z.im * s;
        im += z.im * c - z.re * s;
        double turned = c * rx->turn[tone][0] - s * rx->turn[tone][1];
        s = s * rx->turn[tone][0] + c * rx->turn[tone][1];
        c = turned;
    }
    return re * re + im * im;
}

/* Bit k of a character: that of the best of all words of the bits around it; start and stop bit are known. */
static int decide(const vg_fsk_rx *rx, const bits_seen *seen, int k)
{
    int first = k - 2 < 0 ? 0 : k - 2, last = k + 2 > 9 ? 9 : k + 2;
    double best[2] = { -1, -1 };
    for (unsigned word = 0; word < 1u << (last - first + 1); word++) {
        if (first == 0 && (word & 1)) continue;
        if (last == 9 && !(word >> (9 - first) & 1)) continue;
        double found = match(rx, seen, word, first, last);
        int bit = word >> (k - first) & 1;
        if (found > best[bit]) best[bit] = found;
    }
    return best[1] > best[0];
}

/* ---- the search for characters ---- */

/* A start edge: mark before, space after; and both at least `share` of what a clean tone of all that sounds would give. */
static double edge(const vg_fsk_rx *rx, double from, double share)
{
    double before = eye(rx, from - BIT), after = eye(rx, from);
    if (before <= 0 || after >= 0) return 0;
    double mean = (at(rx->square, from + BIT) - at(rx->square, from - BIT)) / (2 * BIT);
    if (mean < rx->least) return 0;
    double full = mean * BIT * BIT / 2.0;        /* what one bit of one clean tone gives */
    return before > share * full && -after > share * full ? before - after : 0;
}

static int read_character(vg_fsk_rx *rx, double start, vg_fsk_octet *out)
{
    double stop = eye(rx, start + 9 * BIT);
    if (eye(rx, start) >= 0 || stop <= 0) return 0;
    bits_seen seen;
    look(rx, start, &seen);
    unsigned octet = 0;
    for (int k = 1; k < 9; k++) octet |= (unsigned)decide(rx, &seen, k) << (k - 1);
    out->octet = (uint8_t)octet;
    out->start_sample = (uint64_t)(start + 0.5);
    return 1;
}

/* One step of the search, which has all samples it needs. 1: *out is a character. */
static int search_step(vg_fsk_rx *rx, vg_fsk_octet *out)
{
    double t = rx->search;
    if (rx->expected >= 0 && t >= rx->expected - 0.6) {
        double start = align(rx, rx->expected, 1.25), mixed = rx->expected + 0.6 * (start - rx->expected);
        rx->expected = -1.0;
        if (edge(rx, mixed, SHARE_EXPECTED) > 0 && read_character(rx, mixed, out)) {
            rx->expected = mixed + CHARACTER * BIT;
            rx->search = rx->expected - 0.5;
            return 1;
        }
    }
    double here = edge(rx, t, SHARE);
    if (here > 0 && here >= edge(rx, t - 1, SHARE) && here > edge(rx, t + 1, SHARE)) {
        double start = align(rx, t, 1.5);
        if (read_character(rx, start, out)) {
            rx->expected = start + CHARACTER * BIT;
            rx->search = rx->expected - 0.5;
            return 1;
        }
    }
    rx->search = t + 1;
    return 0;
}

static void take(vg_fsk_rx *rx, int16_t sample)
{
    uint64_t now = rx->samples, next = now + 1;
    double in = sample, x = in - rx->filter_in + 0.85 * rx->filter_out;   /* below 200 Hz: hum, not signal */
    rx->filter_in = in;
    rx->filter_out = x;
    for (int tone = 0; tone < 2; tone++) {
        double scale = x / 1073741824.0;
        rx->sum[tone][0][next % RING] = rx->sum[tone][0][now % RING] + scale * vg_sine(rx->phase[tone] + 0x40000000u);
        rx->sum[tone][1][next % RING] = rx->sum[tone][1][now % RING] - scale * vg_sine(rx->phase[tone]);
        rx->phase[tone] += rx->step[tone];
    }
    rx->square[next % RING] = rx->square[now % RING] + x * x;
    rx->samples = next;
}

int vg_fsk_rx_process(vg_fsk_rx *rx, const int16_t *pcm, size_t n, vg_fsk_octet *out, size_t max, size_t *count)
{
    size_t found = 0;
    int status = VG_OK;
    if (rx->search < 2 * BIT) rx->search = 15.0;
    for (size_t i = 0; i < n; i++) {
        vg_fsk_octet octet;
        take(rx, pcm[i]);
        while (rx->search + CHARACTER * BIT + 4.0 < (double)rx->samples) {
            if (!search_step(rx, &octet)) continue;
            if (found < max)
                out[found++] = octet;
            else
                status = VG_EFULL;
        }
    }
    *count = found;
    return status;
}
