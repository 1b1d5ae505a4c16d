#include "vg_rtp.h"

#include <string.h>

#define MAX_DROPOUT 3000 /* RFC 3550 A.1 */
#define MAX_MISORDER 100
#define NO_SEQUENCE 65537u

int vg_rtp_parse(const uint8_t *packet, size_t length, vg_rtp_header *out)
{
    if (length < VG_RTP_HEADER_OCTETS) return VG_ETRUNCATED;
    if (packet[0] >> 6 != 2) return VG_EMALFORMED;
    size_t at = VG_RTP_HEADER_OCTETS + 4 * (size_t)(packet[0] & 0x0f);
    if (packet[0] & 0x10) {
        if (length < at + 4) return VG_ETRUNCATED;
        at += 4 + 4 * (size_t)vg_be16(packet + at + 2);
    }
    if (length < at) return VG_ETRUNCATED;
    size_t padding = (packet[0] & 0x20) ? packet[length - 1] : 0;
    if (length - at < padding || ((packet[0] & 0x20) && padding == 0)) return VG_EMALFORMED;
    *out = (vg_rtp_header){
        .payload_type = packet[1] & 0x7f,
        .marker = packet[1] >> 7,
        .sequence = vg_be16(packet + 2),
        .timestamp = vg_be32(packet + 4),
        .ssrc = vg_be32(packet + 8),
        .payload = {.at = at, .length = length - at - padding},
    };
    return VG_OK;
}

void vg_rtp_write_header(uint8_t *out, int payload_type, int marker, uint16_t sequence, uint32_t timestamp, uint32_t ssrc)
{
    out[0] = 0x80;
    out[1] = (uint8_t)((marker ? 0x80 : 0) | (payload_type & 0x7f));
    vg_put16(out + 2, sequence);
    vg_put32(out + 4, timestamp);
    vg_put32(out + 8, ssrc);
}

void vg_rtp_source_reset(vg_rtp_source *source, uint32_t ssrc, uint16_t sequence)
{
    uint32_t lost = source->started ? (uint32_t)vg_rtp_source_lost(source) : source->lost_before;
    uint32_t jitter = source->ssrc == ssrc ? source->jitter_q4 : 0;
    *source = (vg_rtp_source){
        .ssrc = ssrc,
        .base_sequence = sequence,
        .max_sequence = sequence,
        .bad_sequence = NO_SEQUENCE,
        .started = 1,
        .jitter_q4 = jitter,
        .lost_before = lost,
    };
}

int vg_rtp_source_update(vg_rtp_source *source, uint16_t sequence)
{
    uint16_t step = (uint16_t)(sequence - source->max_sequence);
    if (step < MAX_DROPOUT) {
        if (sequence < source->max_sequence) source->cycles += 65536;
        source->max_sequence = sequence;
    } else if (step <= 65536 - MAX_MISORDER) {
        if (sequence != source->bad_sequence) {
            source->bad_sequence = (uint16_t)(sequence + 1);
            return VG_ELIMIT;
        }
        vg_rtp_source_reset(source, source->ssrc, sequence); /* two in a row: the sender restarted */
    }
    source->received++;
    return VG_OK;
}

void vg_rtp_source_jitter(vg_rtp_source *source, uint32_t arrival, uint32_t timestamp)
{
    uint32_t transit = arrival - timestamp;
    if (source->has_transit) {
        uint32_t d = transit - source->transit;
        if (d > 0x80000000u) d = 0u - d;
        source->jitter_q4 += d - ((source->jitter_q4 + 8) >> 4);
    }
    source->transit = transit;
    source->has_transit = 1;
}

uint32_t vg_rtp_source_expected(const vg_rtp_source *source)
{
    return source->started ? source->cycles + source->max_sequence - source->base_sequence + 1 : 0;
}

int32_t vg_rtp_source_lost(const vg_rtp_source *source)
{
    return (int32_t)(source->lost_before + vg_rtp_source_expected(source) - source->received);
}

uint8_t vg_rtp_source_fraction(vg_rtp_source *source)
{
    uint32_t expected = vg_rtp_source_expected(source);
    uint32_t interval = expected - source->expected_prior;
    int32_t lost = (int32_t)(interval - (source->received - source->received_prior));
    source->expected_prior = expected;
    source->received_prior = source->received;
    if (interval == 0 || lost <= 0) return 0;
    uint64_t fraction = ((uint64_t)lost << 8) / interval;
    return (uint8_t)(fraction > 255 ? 255 : fraction);
}

int vg_rtp_event_parse(const uint8_t *payload, size_t length, vg_rtp_event *out)
{
    if (length < 4) return VG_ETRUNCATED;
    *out = (vg_rtp_event){
        .event = payload[0],
        .end = payload[1] >> 7,
        .volume = payload[1] & 0x3f,
        .duration = vg_be16(payload + 2),
    };
    return VG_OK;
}

void vg_rtp_event_write(uint8_t *out, const vg_rtp_event *event)
{
    out[0] = event->event;
    out[1] = (uint8_t)((event->end ? 0x80 : 0) | (event->volume & 0x3f));
    vg_put16(out + 2, event->duration);
}

static const char symbols[] = "0123456789*#ABCD";

int vg_rtp_event_symbol(int event)
{
    return event >= 0 && event < 16 ? symbols[event] : 0;
}

int vg_rtp_event_code(int symbol)
{
    const char *found = symbol > 0 && symbol < 128 ? strchr(symbols, symbol) : NULL;
    return found ? (int)(found - symbols) : -1;
}
