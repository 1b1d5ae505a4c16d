/* The media engine's core under any sequence of packets, frames, commands and times (libFuzzer).
 *
 * The input is a script: an octet says what to do, the next ones are its operands. Every output must be a packet that its
 * own parser takes, every leg must be closable at the end, and nothing may be read or written outside its place. */
#include <stdlib.h>
#include <string.h>

#include "vg_core.h"
#include "vg_tones.h"

#define LEGS 4

typedef struct {
    const uint8_t *at;
    size_t left;
} script;

static uint8_t next(script *s)
{
    if (s->left == 0) return 0;
    s->left--;
    return *s->at++;
}

static vg_address address(uint8_t which)
{
    vg_address a = {.family = which & 0x40 ? 6 : 4, .port = (uint16_t)(4000 + (which & 3))};
    a.ip[0] = which & 0x80 ? 192 : 10;
    a.ip[1] = 168;
    a.ip[3] = (which >> 2) & 3;
    return a;
}

static int secure[LEGS]; /* the legs that send SRTP */

static void check_outputs(vg_core *core)
{
    const vg_output *outputs;
    size_t count = vg_core_outputs(core, &outputs);
    for (size_t i = 0; i < count; i++) {
        vg_rtp_header header;
        vg_rtcp_report report;
        if (secure[outputs[i].leg]) {
            if (outputs[i].length > VG_MAX_PACKET_OCTETS || outputs[i].to.family == 0) abort();
            continue;
        }
        int status = outputs[i].channel == VG_CHANNEL_RTP
                         ? vg_rtp_parse(outputs[i].data, outputs[i].length, &header)
                         : vg_rtcp_parse(outputs[i].data, outputs[i].length, 0, &report);
        if (status != VG_OK || outputs[i].to.family == 0 || outputs[i].length > VG_MAX_PACKET_OCTETS) abort();
    }
}

static void packet(vg_core *core, script *s, int leg, int channel, int64_t now)
{
    uint8_t how = next(s);
    size_t length = next(s) | (size_t)(next(s) & 7) << 8;
    vg_address source = address(next(s));
    uint8_t *data = calloc(1, length + VG_SRTP_TRAILER_OCTETS); /* its own block, so that a read beyond is seen */
    if (data == NULL) return;
    for (size_t i = 0; i < length && i < 24; i++) data[i] = next(s);
    if ((how & 1) && length > 1) {
        data[0] = (uint8_t)(0x80 | (data[0] & 0x3f));
        if (how & 2) data[1] = how & 4 ? 101 : how & 8 ? 8 : 0;
        if ((how & 16) && length > 11) memset(data + 8, how >> 6, 4);
    }
    vg_core_packet(core, leg, channel, data, length, &source, now);
    check_outputs(core);
    free(data);
}

static vg_srtp *keys(uint8_t which)
{
    uint8_t key[32] = {which}, salt[14] = {0};
    vg_srtp_keys session;
    vg_srtp_derive(which % VG_SRTP_PROFILES, key, salt, &session);
    return vg_srtp_new(which % VG_SRTP_PROFILES, &session, 2);
}

/* A packet that the peer of a leg may have protected with a key that the script may have given. */
static void authentic(vg_core *core, script *s, int leg, int64_t now)
{
    static uint16_t sequence;
    uint8_t data[300] = {0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
    size_t length = 12u + next(s);
    vg_srtp *srtp = keys(next(s) & 7);
    vg_address source = address(next(s));
    sequence = (uint16_t)(sequence + next(s));
    data[2] = (uint8_t)(sequence >> 8);
    data[3] = (uint8_t)sequence;
    if (vg_srtp_protect(srtp, data, length, sizeof data, &length) == VG_OK)
        vg_core_packet(core, leg, VG_CHANNEL_RTP, data, length, &source, now);
    vg_srtp_free(srtp);
    check_outputs(core);
}

static void start(vg_core *core, script *s, int leg, int64_t now)
{
    uint8_t how = next(s);
    vg_command c = {.kind = VG_CMD_START, .leg = leg, .clock_rate = how & 1 ? 8000 : 48000};
    c.remote = address(next(s));
    c.signalling = address(next(s));
    if (how & 2) c.signalling.family = 0;
    c.codec = (int16_t)((how >> 2) % 3);
    c.send_payload_type = c.receive_payload_type = c.codec == 1 ? 8 : 0;
    c.send_event_type = c.receive_event_type = how & 16 ? 101 : -1;
    c.ptime_ms = (int16_t)(next(s));
    c.direction = how & 32 ? 3 : next(s) & 3;
    c.latch = next(s) & 3;
    c.in_band = how >> 7;
    c.secure = how & 64 ? 1 : 0;
    uint8_t which = next(s);
    if (which & 1) c.srtp_send = keys(which >> 1 & 7);
    if (which & 2) c.srtp_receive = keys(which >> 4 & 7);
    if (vg_core_apply(core, &c, now) == VG_OK) secure[leg] = c.secure;
}

static void play(vg_core *core, script *s, int leg, int64_t now)
{
    vg_command c = {.kind = VG_CMD_PLAY_PCM, .leg = leg, .flag = next(s) & 1, .length = 1u + next(s)};
    int16_t pcm[256] = {1, 2, 3};
    vg_tone_segment segments[2] = {{.hz = {425}, .level_dbm0 = -10, .duration_ms = 1u + next(s)}, {.duration_ms = 50}};
    vg_tones tones;
    if (next(s) & 1) {
        c.data = vg_core_copy(pcm, c.length * sizeof *pcm);
    } else {
        c.kind = VG_CMD_PLAY_TONES;
        if (vg_tones_init(&tones, segments, 2, c.flag, 8000) != VG_OK) return;
        c.data = vg_core_copy(&tones, sizeof tones);
    }
    vg_core_apply(core, &c, now);
}

static void simple(vg_core *core, script *s, int leg, int64_t now)
{
    static const int kinds[] = {VG_CMD_BRIDGE, VG_CMD_UNBRIDGE, VG_CMD_STOP_PLAYING, VG_CMD_DETECT, VG_CMD_SEND_DIGIT,
                                VG_CMD_RECORD_OFF, VG_CMD_CLOSE, VG_CMD_BYE, VG_CMD_OPEN_RTP, VG_CMD_OPEN_LINE};
    vg_command c = {.kind = kinds[next(s) % 10], .leg = leg, .other = next(s) % (LEGS + 1), .value = next(s)};
    c.flag = c.value & 1;
    c.length = (uint32_t)next(s) * 8;
    c.codec = c.value & 1;
    c.frame_samples = c.kind == VG_CMD_OPEN_LINE ? next(s) * 2 : 0;
    c.cname_length = 4;
    vg_core_apply(core, &c, now);
}

static void record(vg_core *core, script *s, int leg, vg_record *held, int *recording, int64_t now)
{
    int16_t frames[64];
    if (!*recording) {
        vg_command c = {.kind = VG_CMD_RECORD, .leg = leg, .other = next(s) % LEGS, .data = held, .value = 1};
        *recording = vg_core_apply(core, &c, now) == VG_OK;
    }
    vg_record_read(held, frames, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script s = {data, size};
    memset(secure, 0, sizeof secure);
    vg_core_settings settings = {.max_legs = LEGS, .jitter_depth_ms = next(&s) * 2, .media_timeout_ms = 1000,
                                 .police_packets_s = 300, .events = 16, .utc_offset_us = 1};
    vg_core *core = vg_core_new(&settings);
    vg_record *held = vg_record_new(16384);
    vg_capture *capture = vg_capture_new(4096);
    int recording = 0;
    int64_t now = 1000000;
    if (core == NULL || held == NULL || capture == NULL) goto end;
    for (int leg = 0; leg < LEGS; leg++) {
        vg_command c = {.kind = leg < 3 ? VG_CMD_OPEN_RTP : VG_CMD_OPEN_LINE, .leg = leg, .frame_samples = 160};
        vg_core_apply(core, &c, now);
    }
    vg_command on = {.kind = VG_CMD_CAPTURE, .data = capture};
    vg_core_apply(core, &on, now);
    while (s.left > 0) {
        uint8_t what = next(&s);
        int leg = (what >> 4) % LEGS;
        uint8_t in[512] = {0x55}, out[512];
        vg_event event;
        vg_captured about;
        uint8_t copy[VG_MAX_PACKET_OCTETS];
        vg_leg_statistics statistics;
        switch (what & 15) {
        case 0: case 1: case 2: case 3: packet(core, &s, leg, VG_CHANNEL_RTP, now); break;
        case 4: packet(core, &s, leg, VG_CHANNEL_RTCP, now); break;
        case 5: case 6: vg_core_line_frame(core, leg, in, next(&s) * 2u, out, now); break;
        case 7: case 8: now += 1000 * (int64_t)next(&s); break;
        case 9: start(core, &s, leg, now); break;
        case 10: play(core, &s, leg, now); break;
        case 11: case 12: simple(core, &s, leg, now); break;
        case 13: record(core, &s, leg, held, &recording, now); break;
        case 14:
            authentic(core, &s, leg, now);
            while (vg_core_next_event(core, &event)) continue;
            break;
        default: now += 100000 * (int64_t)next(&s); break;
        }
        check_outputs(core);
        while (vg_core_tick(core, now)) check_outputs(core);
        check_outputs(core);
        while (vg_capture_next(capture, &about, copy)) continue;
        vg_core_statistics(core, leg, &statistics);
        vg_core_deadline(core);
    }
    for (int leg = 0; leg < LEGS; leg++) {
        vg_command c = {.kind = VG_CMD_CLOSE, .leg = leg};
        vg_core_apply(core, &c, now);
        check_outputs(core);
    }
end:
    vg_core_free(core);
    vg_record_free(held);
    vg_capture_free(capture);
    return 0;
}
