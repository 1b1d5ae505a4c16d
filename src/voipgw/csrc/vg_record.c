/* Rings between the core and the one thread that reads them: recorded sound, captured packets. */
#include "vg_core_state.h"

#include <stdlib.h>
#include <string.h>

#define SETTLE_SAMPLES 2400 /* 300 ms: sound that comes later than this is not recorded */
#define APART_SAMPLES 800   /* 100 ms: a side that falls this far behind the clock is moved to it */

/* Frames [read, committed) belong to the reader, [committed, committed + SETTLE + ...) to the core. */
struct vg_record {
    uint32_t frames;       /* a power of two */
    uint32_t committed;    /* written by the core */
    uint32_t read;         /* written by the reader */
    int64_t started_us;
    int64_t base;          /* position on the clock of frame 0 of the ring's count, less what was lost */
    int64_t next[2];       /* position of each side's next sample */
    int64_t zeroed;        /* position up to which the ring is clean */
    int64_t done;          /* position up to which it has been committed */
    uint64_t lost;
    int32_t serial;
    int sides;
    int16_t *samples;
};

vg_record *vg_record_new(uint32_t frames)
{
    uint32_t size = 16384;
    while (size < frames && size < (1u << 24)) size <<= 1;
    vg_record *record = calloc(1, sizeof *record);
    if (record == NULL) return NULL;
    record->frames = size;
    record->samples = calloc((size_t)size * 2, sizeof(int16_t));
    if (record->samples == NULL) {
        free(record);
        return NULL;
    }
    return record;
}

void vg_record_free(vg_record *record)
{
    if (record == NULL) return;
    free(record->samples);
    free(record);
}

void vg_record_attach(vg_record *record, int64_t now_us, int32_t serial)
{
    record->started_us = now_us;
    record->serial = serial;
    record->sides = 2;
}

int vg_record_detach(vg_record *record)
{
    return --record->sides;
}

int32_t vg_record_serial(const vg_record *record)
{
    return record->serial;
}

static int64_t position(const vg_record *record, int64_t now_us)
{
    return (now_us - record->started_us) / 125;
}

static uint32_t place(const vg_record *record, int64_t at)
{
    return (uint32_t)(at - record->base) & (record->frames - 1);
}

/* Frames that the core may still use ahead of what is committed. */
static int64_t room_end(const vg_record *record)
{
    uint32_t used = record->committed - __atomic_load_n(&record->read, __ATOMIC_ACQUIRE);
    return record->done + (int64_t)(record->frames - used);
}

static void clean(vg_record *record, int64_t end)
{
    for (; record->zeroed < end; record->zeroed++) {
        int16_t *frame = record->samples + 2 * (size_t)place(record, record->zeroed);
        frame[0] = frame[1] = 0;
    }
}

void vg_record_write(vg_record *record, int side, const int16_t *pcm, size_t n, int64_t now_us)
{
    int64_t clock = position(record, now_us) - (int64_t)n;
    int64_t at = record->next[side];
    if (clock - at > APART_SAMPLES || at == 0) at = clock < 0 ? 0 : clock;
    record->next[side] = at + (int64_t)n;
    int64_t end = room_end(record);
    clean(record, at + (int64_t)n < end ? at + (int64_t)n : end);
    for (size_t i = 0; i < n; i++, at++) {
        if (at < record->done || at >= end) {
            record->lost++;
            continue;
        }
        record->samples[2 * (size_t)place(record, at) + (size_t)side] = pcm[i];
    }
}

void vg_record_commit(vg_record *record, int64_t now_us)
{
    int64_t newest = record->next[0] > record->next[1] ? record->next[0] : record->next[1];
    int64_t to = now_us == VG_NEVER ? newest : position(record, now_us) - SETTLE_SAMPLES;
    int64_t end = room_end(record);
    if (to <= record->done) return;
    if (to > end) { /* the reader is slow: what does not fit is left out, and the clock of the ring moves on */
        int64_t skipped = to - end;
        clean(record, end);
        record->lost += (uint64_t)skipped;
        __atomic_store_n(&record->committed, record->committed + (uint32_t)(end - record->done), __ATOMIC_RELEASE);
        record->base += skipped;
        record->done = to;
        if (record->zeroed < to) record->zeroed = to;
        return;
    }
    clean(record, to);
    __atomic_store_n(&record->committed, record->committed + (uint32_t)(to - record->done), __ATOMIC_RELEASE);
    record->done = to;
}

size_t vg_record_waiting(const vg_record *record)
{
    return record->committed - __atomic_load_n(&record->read, __ATOMIC_ACQUIRE);
}

size_t vg_record_read(vg_record *record, int16_t *out, size_t frames)
{
    uint32_t from = record->read;
    size_t n = __atomic_load_n(&record->committed, __ATOMIC_ACQUIRE) - from;
    if (n > frames) n = frames;
    for (size_t i = 0; i < n; i++, from++)
        memcpy(out + 2 * i, record->samples + 2 * (size_t)(from & (record->frames - 1)), 2 * sizeof *out);
    __atomic_store_n(&record->read, from, __ATOMIC_RELEASE);
    return n;
}

uint64_t vg_record_lost(const vg_record *record)
{
    return record->lost;
}

struct vg_capture {
    uint32_t size; /* a power of two */
    uint32_t head;
    uint32_t tail;
    uint64_t lost;
    uint8_t *octets;
};

vg_capture *vg_capture_new(uint32_t octets)
{
    uint32_t size = 4096;
    while (size < octets && size < (1u << 28)) size <<= 1;
    vg_capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL) return NULL;
    capture->size = size;
    capture->octets = malloc(size);
    if (capture->octets == NULL) {
        free(capture);
        return NULL;
    }
    return capture;
}

void vg_capture_free(vg_capture *capture)
{
    if (capture == NULL) return;
    free(capture->octets);
    free(capture);
}

static void ring_write(vg_capture *capture, uint32_t at, const void *data, size_t n)
{
    uint32_t place = at & (capture->size - 1);
    size_t first = capture->size - place < n ? capture->size - place : n;
    memcpy(capture->octets + place, data, first);
    memcpy(capture->octets, (const uint8_t *)data + first, n - first);
}

static void ring_read(const vg_capture *capture, uint32_t at, void *data, size_t n)
{
    uint32_t place = at & (capture->size - 1);
    size_t first = capture->size - place < n ? capture->size - place : n;
    memcpy(data, capture->octets + place, first);
    memcpy((uint8_t *)data + first, capture->octets, n - first);
}

void vg_capture_put(vg_capture *capture, const vg_captured *about, const uint8_t *data)
{
    uint32_t used = capture->head - __atomic_load_n(&capture->tail, __ATOMIC_ACQUIRE);
    if (about->length > VG_MAX_PACKET_OCTETS || capture->size - used < sizeof *about + about->length) {
        capture->lost++;
        return;
    }
    ring_write(capture, capture->head, about, sizeof *about);
    ring_write(capture, capture->head + (uint32_t)sizeof *about, data, about->length);
    __atomic_store_n(&capture->head, capture->head + (uint32_t)sizeof *about + about->length, __ATOMIC_RELEASE);
}

int vg_capture_peek(const vg_capture *capture, vg_captured *about)
{
    if (capture->tail == __atomic_load_n(&capture->head, __ATOMIC_ACQUIRE)) return 0;
    ring_read(capture, capture->tail, about, sizeof *about);
    return 1;
}

int vg_capture_next(vg_capture *capture, vg_captured *about, uint8_t *out)
{
    uint32_t tail = capture->tail;
    if (tail == __atomic_load_n(&capture->head, __ATOMIC_ACQUIRE)) return 0;
    ring_read(capture, tail, about, sizeof *about);
    ring_read(capture, tail + (uint32_t)sizeof *about, out, about->length);
    __atomic_store_n(&capture->tail, tail + (uint32_t)sizeof *about + about->length, __ATOMIC_RELEASE);
    return 1;
}

uint64_t vg_capture_lost(const vg_capture *capture)
{
    return capture->lost;
}
