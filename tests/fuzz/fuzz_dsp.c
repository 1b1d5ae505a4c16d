/* libFuzzer target: any samples, cut anywhere, through every detector; octets through G.711.
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc/voipgw/csrc tests/fuzz/fuzz_dsp.c \
 *       src/voipgw/csrc/vg_{g711,dtmf,fsk,progress,tones}.c -lm -o fuzz_dsp && ./fuzz_dsp -max_total_time=60 */
#include <stdlib.h>
#include <string.h>

#include "vg_dtmf.h"
#include "vg_fsk.h"
#include "vg_g711.h"
#include "vg_progress.h"
#include "vg_tones.h"

static vg_progress_plan plan;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    uint8_t set;
    vg_progress_plan_init(&plan);
    vg_progress_plan_add_set(&plan, (const float[]){ 350, 440 }, 2, &set);
    vg_progress_plan_add_set(&plan, (const float[]){ 480, 620 }, 2, &set);
    vg_progress_pattern busy = { .set = { 1, VG_PROGRESS_SILENCE }, .duration_ms = { 100, 100 }, .parts = 2, .needed = 11 };
    vg_progress_plan_add_pattern(&plan, &busy);
    vg_progress_pattern dial = { .steady_set = 0, .steady_ms = 700 };
    vg_progress_plan_add_pattern(&plan, &dial);
    return 0;
}

/* The input as samples: a first octet says how they are cut, the rest are G.711 codes, so that loud and quiet both occur. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    size_t n = size - 1, step = data[0] % 97 + 1u, count;
    int16_t *pcm = malloc(n * sizeof *pcm);
    uint8_t *octets = malloc(n);
    if (pcm == NULL || octets == NULL) abort();
    vg_g711_decode(data[0] & 1, data + 1, n, pcm);
    vg_g711_encode(data[0] & 1, pcm, n, octets);
    for (size_t i = 0; i < n; i++)
        if (octets[i] != data[i + 1] && !((data[0] & 1) == VG_LAW_ULAW && data[i + 1] == 0x7f)) abort();
    if (data[0] & 2)
        for (size_t i = 0; i < n; i++) pcm[i] = pcm[i] < 0 ? -32768 : 32767;
    vg_dtmf digits;
    vg_fsk_rx modem;
    vg_progress tones;
    vg_dtmf_init(&digits, data[0] >> 2 & 3);
    vg_fsk_rx_init(&modem, data[0] >> 4 & 1);
    vg_progress_init(&tones);
    for (size_t at = 0; at < n; at += step) {
        size_t part = n - at < step ? n - at : step;
        vg_dtmf_event events[4];
        vg_fsk_octet read[4];
        vg_progress_event heard[4];
        if (vg_dtmf_process(&digits, pcm + at, part, events, 4, &count) != VG_OK || count > 4) abort();
        if (vg_fsk_rx_process(&modem, pcm + at, part, read, 4, &count) != VG_OK || count > 4) abort();
        if (vg_progress_process(&tones, &plan, pcm + at, part, heard, 4, &count) != VG_OK || count > 4) abort();
    }
    vg_mix_add(pcm, pcm, n);
    free(octets);
    free(pcm);
    return 0;
}
