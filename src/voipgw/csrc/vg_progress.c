#include "vg_progress.h"

#include <math.h>
#include <string.h>

#define WINDOW 400
#define HOP 100
#define HOP_MS 12.5f
#define RUNS 12
#define SCALE 3000.0                    /* of a basis vector of norm 1: keeps every dot product inside 32 bits */
#define LEAST_ENERGY 13000.0            /* mean square of a sine of -43 dBm0 */
#define EXPLAINED 0.80
#define BELOW_LOUDEST 0.1               /* ten decibels */
#define RISE 1.01                       /* of the noise floor, a hop: 3 dB in 0.9 s */
#define HIGHEST_FLOOR 18000.0           /* -41.5 dBm0; so that what lies above -35 dBm0 is always on */
#define FADE 0.9914                     /* of the loudest, a hop: half in a second */

int vg_progress_plan_init(vg_progress_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    return VG_OK;
}

/* ---- the plan ---- */

/* Make `row` orthogonal to those before it and of norm 1; 0 when nothing is left of it. */
static int orthonormal(double rows[][WINDOW], int count, double *row)
{
    double norm = 0, before = 0;
    for (int i = 0; i < WINDOW; i++) before += row[i] * row[i];
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < count; k++) {
            double dot = 0;
            for (int i = 0; i < WINDOW; i++) dot += row[i] * rows[k][i];
            for (int i = 0; i < WINDOW; i++) row[i] -= dot * rows[k][i];
        }
    for (int i = 0; i < WINDOW; i++) norm += row[i] * row[i];
    if (norm < 1e-4 * before) return 0;
    norm = sqrt(norm);
    for (int i = 0; i < WINDOW; i++) row[i] /= norm;
    return 1;
}

static int add_rows(vg_progress_plan *plan, const float *hz, size_t count)
{
    static const double pi = 3.14159265358979323846;
    double rows[24][WINDOW];
    int made = 0, kinds = hz[count - 1] >= 900.0f ? 6 : 4;  /* a percent of a high frequency is more than of a low one */
    for (int kind = 0; kind < kinds; kind++)
        for (size_t f = 0; f < count; f++) {
            for (int i = 0; i < WINDOW; i++) {
                double t = i - (WINDOW - 1) / 2.0, phase = 2 * pi * (double)hz[f] * t / 8000.0;
                rows[made][i] = (kind & 1 ? sin(phase) : cos(phase)) * pow(t / WINDOW, kind / 2);
            }
            made += orthonormal(rows, made, rows[made]);
        }
    if (plan->rows_used + made > VG_PROGRESS_ROWS) return VG_EFULL;
    for (int k = 0; k < made; k++)
        for (int i = 0; i < WINDOW; i++)
            plan->rows[plan->rows_used + k][i] = (int16_t)lrint(rows[k][i] * SCALE);
    return made;
}

static int is_subset(const float *inner, const float *outer)
{
    for (int i = 0; i < 4 && inner[i] != 0.0f; i++) {
        int found = 0;
        for (int k = 0; k < 4; k++) found |= outer[k] == inner[i];
        if (!found) return 0;
    }
    return 1;
}

int vg_progress_plan_add_set(vg_progress_plan *plan, const float *hz, size_t count, uint8_t *set)
{
    if (plan->sets == VG_PROGRESS_SETS) return VG_EFULL;
    if (count < 1 || count > 4) return VG_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!(hz[i] >= 50.0f && hz[i] <= 3900.0f)) return VG_EINVAL;
    int made = add_rows(plan, hz, count);
    if (made < 0) return made;
    for (size_t i = 0; i < count; i++) plan->hz[plan->sets][i] = hz[i];
    for (int s = 0; s < plan->sets; s++) {
        if (is_subset(plan->hz[s], plan->hz[plan->sets])) plan->within[plan->sets] |= (uint16_t)(1u << s);
        if (is_subset(plan->hz[plan->sets], plan->hz[s])) plan->within[s] |= (uint16_t)(1u << plan->sets);
    }
    for (size_t i = 1; i < count; i++)
        if (fabsf(hz[i] - hz[i - 1]) < 60.0f) plan->beating |= (uint16_t)(1u << plan->sets);
    plan->first_row[plan->sets] = plan->rows_used;
    plan->row_count[plan->sets] = (uint8_t)made;
    plan->rows_used = (uint8_t)(plan->rows_used + made);
    *set = plan->sets++;
    return VG_OK;
}

int vg_progress_plan_add_pattern(vg_progress_plan *plan, const vg_progress_pattern *pattern)
{
    if (plan->patterns == VG_PROGRESS_PATTERNS) return VG_EFULL;
    if (pattern->parts > VG_PROGRESS_PARTS || pattern->needed > RUNS - 1) return VG_EINVAL;
    if (pattern->parts == 0 && (pattern->steady_set >= plan->sets || pattern->steady_ms == 0)) return VG_EINVAL;
    if (pattern->parts > 0 && pattern->needed == 0) return VG_EINVAL;
    for (int i = 0; i < pattern->parts; i++)
        if (pattern->set[i] != VG_PROGRESS_SILENCE && pattern->set[i] >= plan->sets) return VG_EINVAL;
    plan->pattern[plan->patterns++] = *pattern;
    return VG_OK;
}

int vg_progress_init(vg_progress *state)
{
    memset(state, 0, sizeof *state);
    state->run[0].silent = 1;
    state->floor = HIGHEST_FLOOR * HOP;
    state->current = -1;
    return VG_OK;
}

/* ---- hops ---- */

static inline __attribute__((always_inline)) double explain(const int16_t *samples, const int16_t rows[][WINDOW], int count)
{
    double sum = 0;
    for (int k = 0; k < count; k++) {
        int32_t dot = 0;
        for (int i = 0; i < WINDOW; i++) dot += (int32_t)samples[i] * rows[k][i];
        double value = dot / SCALE;
        sum += value * value;
    }
    return sum;
}

static double explain_plain(const int16_t *samples, const int16_t rows[][WINDOW], int count)
{
    return explain(samples, rows, count);
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(VG_PLAIN)
__attribute__((target("avx2"))) static double explain_avx2(const int16_t *samples, const int16_t rows[][WINDOW], int count)
{
    return explain(samples, rows, count);
}

static double explained(const int16_t *samples, const int16_t rows[][WINDOW], int count)
{
    return __builtin_cpu_supports("avx2") ? explain_avx2(samples, rows, count) : explain_plain(samples, rows, count);
}
#else
#define explained explain_plain
#endif

/* Which of the sets in `asked` the window belongs to. */
static uint16_t sets_of(const vg_progress *state, const vg_progress_plan *plan, uint16_t asked)
{
    double total = state->energy[0] + state->energy[1] + state->energy[2] + state->energy[3];
    uint16_t mask = 0;
    for (int s = 0; s < plan->sets; s++)
        if (asked >> s & 1 && explained(state->samples, plan->rows + plan->first_row[s], plan->row_count[s]) > EXPLAINED * total)
            mask |= (uint16_t)(1u << s);
    uint16_t kept = mask;
    for (int s = 0; s < plan->sets; s++)
        if (mask & plan->within[s]) kept &= (uint16_t)~(1u << s);
    return kept;
}

/* ---- runs ---- */

/* Count a hop's sets; the run is of those that most of its hops are of. */
static void vote(vg_progress *state, uint16_t mask)
{
    uint32_t most = 0;
    if (mask == 0) return;
    for (int s = 0; s < VG_PROGRESS_SETS; s++) {
        state->vote[s] += mask >> s & 1;
        if (state->vote[s] > most) most = state->vote[s];
    }
    state->run[0].mask = 0;
    for (int s = 0; s < VG_PROGRESS_SETS; s++)
        if (state->vote[s] * 4 > most * 3) state->run[0].mask |= (uint16_t)(1u << s);
}

static void push(vg_progress *state, uint64_t first_hop, uint32_t hops, uint16_t mask, int silent)
{
    memmove(state->run + 1, state->run, (RUNS - 1) * sizeof *state->run);
    state->run[0] = (vg_progress_run){ .first_hop = first_hop, .hops = hops, .mask = mask, .silent = (uint8_t)silent };
    state->unknown = state->strange = 0;
    state->pushed++;
    memset(state->vote, 0, sizeof state->vote);
    vote(state, mask);
}

/* The run ended `before` hops ago, and another of the sets in mask began. */
static void split(vg_progress *state, uint64_t hop, uint32_t before, uint16_t mask)
{
    if (before >= state->run[0].hops) before = state->run[0].hops - 1;
    state->run[0].hops -= before;
    push(state, hop + 1 - before, before, mask, 0);
}

/* A hop that sounds, of the sets in mask (none: a boundary inside the window, or no tone at all). */
static void extend(vg_progress *state, uint64_t hop, uint16_t mask)
{
    vg_progress_run *run = &state->run[0];
    if (run->silent) {
        push(state, hop, 1, mask, 0);
        return;
    }
    run->hops++;
    if (run->mask & mask) {
        vote(state, mask);
        state->unknown = state->strange = 0;
    } else if (mask == 0) {
        state->strange = 0;
        if (++state->unknown > 6 && run->mask != 0) split(state, hop, state->unknown, 0);   /* longer than any boundary */
    } else if (run->hops <= 6 && (run->mask == 0 || run->hops <= 4)) {      /* the boundary after silence */
        memset(state->vote, 0, sizeof state->vote);
        vote(state, mask);
        state->unknown = 0;
    } else if (++state->strange >= 3 || run->mask == 0) {                   /* another tone, without a pause */
        split(state, hop, run->mask == 0 ? 3 : 3 + state->unknown / 2, mask);
    }
}

static void quieten(vg_progress *state, uint64_t hop)
{
    if (!state->run[0].silent) push(state, hop, 0, 0, 1);
    state->run[0].hops++;
}

/* ---- patterns ---- */

static int lasts(const vg_progress_run *run, float ms)
{
    float had = (float)run->hops * HOP_MS, slack = 0.15f * ms > 40.0f ? 0.15f * ms : 40.0f;
    return fabsf(had - ms) <= slack;
}

/* Whether run[newest] and those before it are parts `part`, `part - 1` ... of the pattern. */
static int runs_match(const vg_progress *state, const vg_progress_pattern *p, int newest, int part)
{
    for (int k = 0; k < p->needed; k++) {
        const vg_progress_run *run = &state->run[newest + k];
        int set = p->set[part];
        if (run->hops == 0) return 0;
        if (set == VG_PROGRESS_SILENCE ? !run->silent : run->silent || !(run->mask >> set & 1)) return 0;
        if (!lasts(run, p->duration_ms[part])) return 0;
        if (k == p->needed - 1) break;
        part = part == 0 ? p->parts - 1 : part - 1;
    }
    if (p->first_only && part != 0) return 0;
    if (!p->pause_ms) return 1;
    const vg_progress_run *before = &state->run[newest + p->needed];
    return before->silent && (before->first_hop == 0 || (float)before->hops * HOP_MS >= 0.5f * (float)p->pause_ms);
}

/* Which pattern the runs are, -1 for none; *first is its first run. */
static int whole_pattern(const vg_progress *state, const vg_progress_plan *plan, int whole, int *first)
{
    const vg_progress_run *now = &state->run[0];
    for (int i = 0; i < plan->patterns; i++) {
        const vg_progress_pattern *p = &plan->pattern[i];
        *first = 0;
        if (p->parts == 0) {
            if (!now->silent && now->mask >> p->steady_set & 1 && (float)now->hops * HOP_MS >= (float)p->steady_ms) return i;
            continue;
        }
        if (p->pause_ms ? !now->silent || now->hops != (uint32_t)((float)p->pause_ms / HOP_MS) : !whole) continue;
        *first = p->needed;
        for (int part = 0; part < p->parts; part++) {
            int next = part + 1 == p->parts ? 0 : part + 1;
            if (p->set[part] == VG_PROGRESS_SILENCE) continue;
            if (p->pause_ms && (p->set[next] != VG_PROGRESS_SILENCE || p->duration_ms[next] < p->pause_ms)) continue;
            if (runs_match(state, p, 1, part)) return i;
        }
    }
    return -1;
}

/* Compare the runs with every pattern, after each hop. 1: *event is new. */
static int compare(vg_progress *state, const vg_progress_plan *plan, vg_progress_event *event)
{
    const vg_progress_run *now = &state->run[0];
    int first, whole = now->hops >= (now->silent ? 1 : 3) && state->compared != state->pushed;    /* run[1] is over */
    if (whole) state->compared = state->pushed;
    if (state->current >= 0 && now->silent && (float)now->hops * HOP_MS > (float)plan->pattern[state->current].rearm_ms)
        state->current = -1;
    int which = whole_pattern(state, plan, whole, &first);
    if (which < 0 || which == state->current) return 0;
    if (state->current >= 0 && plan->pattern[state->current].hides >> which & 1) return 0;
    state->current = which;
    event->start_sample = state->run[first].first_hop * HOP;
    event->pattern = which;
    return 1;
}

/* The sets of this hop; those of the run it goes on are tried first. */
static uint16_t look(const vg_progress *state, const vg_progress_plan *plan)
{
    uint16_t all = (uint16_t)((1u << plan->sets) - 1), known = state->run[0].silent ? 0 : state->run[0].mask, asked = known;
    for (int s = 0; s < plan->sets; s++)
        if (known >> s & 1) asked |= plan->within[s];
    uint16_t mask = known ? sets_of(state, plan, asked) : 0;
    return mask & known ? mask : sets_of(state, plan, all);
}

static int analyse(vg_progress *state, const vg_progress_plan *plan, vg_progress_event *event)
{
    double sum = 0;
    for (int i = WINDOW - HOP; i < WINDOW; i++) sum += (double)state->samples[i] * state->samples[i];
    memmove(state->energy, state->energy + 1, 3 * sizeof *state->energy);
    state->energy[3] = sum;
    state->loudest *= FADE;
    if (sum > state->loudest) state->loudest = sum;
    if (state->hops++ < 2) return 0;
    uint64_t hop = state->hops - 3;                         /* in the middle of the window */
    double here = state->energy[1];
    state->floor = here < state->floor ? here : state->floor * RISE + 1.0;
    if (state->floor > HIGHEST_FLOOR * HOP) state->floor = HIGHEST_FLOOR * HOP;
    double least = LEAST_ENERGY * HOP;
    if (least < BELOW_LOUDEST * state->loudest) least = BELOW_LOUDEST * state->loudest;
    if (least < 4.0 * state->floor) least = 4.0 * state->floor;
    if (here >= least)
        extend(state, hop, look(state, plan));
    else if (state->energy[0] >= least && state->energy[2] >= least && look(state, plan) & plan->beating)
        extend(state, hop, look(state, plan));              /* the null of a beat, not a pause */
    else
        quieten(state, hop);
    return compare(state, plan, event);
}

int vg_progress_process(vg_progress *state, const vg_progress_plan *plan, const int16_t *pcm, size_t n,
                        vg_progress_event *events, size_t max, size_t *count)
{
    size_t found = 0;
    int status = VG_OK;
    while (n > 0) {
        size_t take = (size_t)(HOP - state->fill);
        if (take > n) take = n;
        if (state->fill == 0) memmove(state->samples, state->samples + HOP, (WINDOW - HOP) * sizeof *state->samples);
        memcpy(state->samples + WINDOW - HOP + state->fill, pcm, take * sizeof *pcm);
        state->fill += (int32_t)take;
        pcm += take;
        n -= take;
        if (state->fill < HOP) continue;
        state->fill = 0;
        vg_progress_event event;
        if (!analyse(state, plan, &event)) continue;
        if (found < max)
            events[found++] = event;
        else
            status = VG_EFULL;
    }
    *count = found;
    return status;
}
