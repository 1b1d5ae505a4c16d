#include "vg_rtcp.h"

#include <string.h>

static uint8_t *header(uint8_t *at, int count, int type, size_t octets)
{
    at[0] = (uint8_t)(0x80 | count);
    at[1] = (uint8_t)type;
    vg_put16(at + 2, (uint16_t)(octets / 4 - 1));
    return at + 4;
}

static uint8_t *write_block(uint8_t *at, const vg_rtcp_block *block)
{
    int32_t lost = block->lost;
    if (lost > 0x7fffff) lost = 0x7fffff;
    if (lost < -0x800000) lost = -0x800000;
    vg_put32(at, block->ssrc);
    vg_put32(at + 4, (uint32_t)block->fraction << 24 | ((uint32_t)lost & 0xffffff));
    vg_put32(at + 8, block->highest);
    vg_put32(at + 12, block->jitter);
    vg_put32(at + 16, block->last_sr);
    vg_put32(at + 20, block->delay_since_sr);
    return at + 24;
}

size_t vg_rtcp_write(uint8_t *out, const vg_rtcp_report *report, const uint8_t *cname, size_t cname_length)
{
    uint8_t *at = out;
    int count = report->has_block ? 1 : 0;
    if (cname_length > VG_CNAME_OCTETS) cname_length = VG_CNAME_OCTETS;
    at = header(at, count, report->is_sender ? VG_RTCP_SR : VG_RTCP_RR,
                8 + (report->is_sender ? 20u : 0u) + 24u * (size_t)count);
    vg_put32(at, report->ssrc);
    at += 4;
    if (report->is_sender) {
        vg_put32(at, (uint32_t)(report->ntp >> 32));
        vg_put32(at + 4, (uint32_t)report->ntp);
        vg_put32(at + 8, report->timestamp);
        vg_put32(at + 12, report->packets);
        vg_put32(at + 16, report->octets);
        at += 20;
    }
    if (count) at = write_block(at, &report->block);
    size_t item = 2 + cname_length;
    size_t chunk = (4 + item + 1 + 3) & ~(size_t)3; /* at least one zero octet ends the list (section 6.5) */
    at = header(at, 1, VG_RTCP_SDES, 4 + chunk);
    memset(at, 0, chunk);
    vg_put32(at, report->ssrc);
    at[4] = 1; /* CNAME */
    at[5] = (uint8_t)cname_length;
    memcpy(at + 6, cname, cname_length);
    at += chunk;
    if (report->bye) {
        at = header(at, 1, VG_RTCP_BYE, 8);
        vg_put32(at, report->ssrc);
        at += 4;
    }
    return (size_t)(at - out);
}

static void read_blocks(const uint8_t *at, size_t octets, int count, uint32_t about, vg_rtcp_report *out)
{
    for (; count > 0 && octets >= 24; count--, at += 24, octets -= 24) {
        if (vg_be32(at) != about) continue;
        uint32_t lost = vg_be32(at + 4) & 0xffffff;
        out->block = (vg_rtcp_block){
            .ssrc = about,
            .fraction = at[4],
            .lost = (int32_t)(lost & 0x800000 ? lost | 0xff000000u : lost),
            .highest = vg_be32(at + 8),
            .jitter = vg_be32(at + 12),
            .last_sr = vg_be32(at + 16),
            .delay_since_sr = vg_be32(at + 20),
        };
        out->has_block = 1;
    }
}

int vg_rtcp_parse(const uint8_t *packet, size_t length, uint32_t about, vg_rtcp_report *out)
{
    vg_rtcp_report report = {0};
    if (length < 8) return VG_ETRUNCATED;
    for (size_t at = 0; at < length;) {
        if (length - at < 4 || packet[at] >> 6 != 2) return VG_EMALFORMED;
        size_t octets = 4 * ((size_t)vg_be16(packet + at + 2) + 1);
        if (octets > length - at) return VG_EMALFORMED;
        const uint8_t *body = packet + at + 4;
        int count = packet[at] & 0x1f, type = packet[at + 1];
        if (at == 0 && (type < 192 || type > 223)) return VG_EMALFORMED;
        if (type == VG_RTCP_SR && octets >= 28) {
            report.is_sender = 1;
            report.ssrc = vg_be32(body);
            report.ntp = (uint64_t)vg_be32(body + 4) << 32 | vg_be32(body + 8);
            report.timestamp = vg_be32(body + 12);
            report.packets = vg_be32(body + 16);
            report.octets = vg_be32(body + 20);
            read_blocks(body + 24, octets - 28, count, about, &report);
        } else if (type == VG_RTCP_RR && octets >= 8) {
            report.ssrc = vg_be32(body);
            read_blocks(body + 4, octets - 8, count, about, &report);
        } else if (type == VG_RTCP_BYE && octets >= 8 && count > 0) {
            report.ssrc = vg_be32(body);
            report.bye = 1;
        } else if (type == VG_RTCP_SR || type == VG_RTCP_RR) {
            return VG_EMALFORMED;
        }
        at += octets;
    }
    *out = report;
    return VG_OK;
}

int64_t vg_rtcp_round_trip_us(const vg_rtcp_block *block, uint64_t ntp)
{
    if (block->last_sr == 0) return -1;
    uint32_t now = (uint32_t)(ntp >> 16);
    int32_t trip = (int32_t)(now - block->last_sr - block->delay_since_sr); /* 1/65536 s */
    if (trip < 0) return trip > -66 ? 0 : -1; /* clock resolution makes -1 ms of a loopback's 0 */
    return (int64_t)trip * 1000000 / 65536;
}

uint64_t vg_rtcp_ntp(int64_t us_since_1900)
{
    uint64_t us = us_since_1900 < 0 ? 0 : (uint64_t)us_since_1900;
    return (us / 1000000) << 32 | ((us % 1000000) << 32) / 1000000;
}
