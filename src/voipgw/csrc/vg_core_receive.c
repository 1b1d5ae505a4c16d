/* What arrives on RTP legs and lines: proven, counted, passed on. */
#include "vg_core_state.h"

#include <string.h>

#define LEARN_AFTER 4        /* packets in sequence of one SSRC before a source address is learnt */
#define OLD_SOURCE_US 60000  /* a source silent for this long may be followed by another at once */

static int same_ip(const vg_address *a, const vg_address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

static int same_address(const vg_address *a, const vg_address *b)
{
    return a->port == b->port && same_ip(a, b);
}

/* RFC 1918, 6598, 3927, 4193, 4291 and loopback: an address that means nothing outside its network. */
static int is_private(const vg_address *a)
{
    const uint8_t *ip = a->ip;
    if (a->family == 6) {
        static const uint8_t loopback[16] = {[15] = 1};
        return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) || memcmp(ip, loopback, 16) == 0;
    }
    return ip[0] == 10 || ip[0] == 127 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
           (ip[0] == 100 && (ip[1] & 0xc0) == 64) || (ip[0] == 169 && ip[1] == 254);
}

static void allow(vg_leg *leg, const vg_command *command)
{
    const vg_address *signalling = command->signalling.family ? &command->signalling : &command->remote;
    if (command->latch == VG_LATCH_ANY)
        leg->allowed = (vg_address){0};
    else if (command->latch == VG_LATCH_SIGNALLING || (command->latch == VG_LATCH_AUTO && is_private(&command->remote)))
        leg->allowed = *signalling;
    else
        leg->allowed = command->remote;
}

void vg_receive_start(vg_core *core, vg_leg *leg, const vg_command *command, int64_t now_us)
{
    int again = leg->started && same_address(&leg->remote, &command->remote);
    if (leg->codec != command->codec || leg->send_pt != command->send_payload_type) leg->tx.from = VG_FROM_NOTHING;
    int changed = leg->codec != command->codec;
    leg->codec = (uint8_t)command->codec;
    leg->clock_rate = command->clock_rate;
    leg->send_pt = command->send_payload_type;
    leg->receive_pt = command->receive_payload_type;
    leg->send_event_pt = command->send_event_type;
    leg->receive_event_pt = command->receive_event_type;
    int ptime_ms = vg_codec_ptime(leg->codec, command->ptime_ms);
    if (leg->sound != NULL && (leg->ptime_ms != ptime_ms || changed)) leg->sound->packed = leg->sound->packing = 0;
    if (leg->coder != NULL && leg->ptime_ms != ptime_ms) leg->coder->packed = 0;
    leg->ptime_ms = (uint16_t)ptime_ms;
    if (changed) vg_convert_restart(leg);
    leg->direction = (uint8_t)command->direction;
    leg->latch = (uint8_t)command->latch;
    leg->in_band = (uint8_t)(command->in_band != 0);
    leg->silent_since_us = now_us;
    leg->stopped = 0;
    if (!again) {
        leg->remote = command->remote;
        leg->source = command->remote;
        leg->rtcp_to = command->remote;
        leg->rtcp_to.port++;
        leg->source_fixed = 0;
        leg->port_learnt = 0;
        leg->candidate_count = 0;
        allow(leg, command);
    }
    vg_sound_detect(core, leg, leg->detect);
    if (!leg->started) vg_rtcp_schedule(leg, now_us, 1);
    leg->started = 1;
    int index = vg_leg_index(core, leg);
    vg_leg_due(core, index, now_us); /* the next tick works out what comes when */
    vg_sound_wake(core, index, now_us);
    vg_leg *peer = vg_core_leg(core, leg->peer);
    vg_leg_pair(core, leg);
    if (peer != NULL) vg_leg_pair(core, peer);
    if (peer != NULL && leg->through_jitter) vg_leg_jitter(core, leg, core->settings.jitter_depth_ms);
}

/* Four packets in sequence of one SSRC from an address that may be learnt. */
static int learnt(vg_leg *leg, const vg_address *source, const vg_rtp_header *header)
{
    if (leg->candidate_count > 0 && same_address(&leg->candidate, source) && leg->candidate_ssrc == header->ssrc &&
        (uint16_t)(leg->candidate_sequence + 1) == header->sequence) {
        leg->candidate_count++;
    } else {
        leg->candidate = *source;
        leg->candidate_ssrc = header->ssrc;
        leg->candidate_count = 1;
    }
    leg->candidate_sequence = header->sequence;
    return leg->candidate_count >= LEARN_AFTER;
}

/* An authentic packet shows where its sender is, unless it is an old one that was held back. */
static void follow(vg_leg *leg, const vg_address *source, const vg_rtp_header *header)
{
    int old = leg->rx.started && leg->rx.ssrc == header->ssrc && (int16_t)(header->sequence - leg->rx.max_sequence) <= 0;
    if (old && leg->source_fixed) return;
    if (!same_address(&leg->source, source)) {
        leg->latched++;
        leg->source = *source;
        leg->rtcp_to = *source;
        leg->rtcp_to.port++;
    }
    leg->source_fixed = 1;
}

static int from_peer(vg_leg *leg, const vg_address *source, const vg_rtp_header *header)
{
    if (leg->secure) {
        follow(leg, source, header);
        return 1;
    }
    if (leg->source_fixed) return same_address(&leg->source, source);
    if (leg->allowed.family != 0 && !same_ip(&leg->allowed, source)) return 0;
    if (!same_address(&leg->remote, source)) {
        if (!learnt(leg, source, header)) return 0;
        leg->latched++;
        leg->source = *source;
        leg->rtcp_to = *source;
        leg->rtcp_to.port++;
    }
    leg->source_fixed = 1;
    return 1;
}

static int policed(const vg_core *core, vg_leg *leg, int64_t now_us)
{
    int32_t rate = core->settings.police_packets_s;
    if (rate == 0) return 0;
    int32_t most = rate * 500; /* half a second's worth may come at once, after an outage */
    int64_t grown = leg->tokens + (now_us - leg->tokens_us) * rate / 1000;
    leg->tokens = leg->tokens_us == 0 || grown > most ? most : (int32_t)grown;
    leg->tokens_us = now_us;
    if (leg->tokens < 1000) return 1;
    leg->tokens -= 1000;
    return 0;
}

/* RFC 3550 A.1 with a rule for another SSRC: believed at its second packet in sequence, at once when the old one is silent. */
static int counted(vg_leg *leg, const vg_rtp_header *header, int64_t now_us)
{
    if (leg->rx.started && leg->rx.ssrc == header->ssrc) {
        leg->new_seen = 0;
        uint32_t base = leg->rx.base_sequence;
        if (vg_rtp_source_update(&leg->rx, header->sequence) != VG_OK) return VG_REJECT_SEQUENCE + 1;
        if (leg->rx.base_sequence != base) leg->epoch++; /* restarted: what is relayed goes on without the jump */
        return VG_OK;
    }
    if (leg->rx.started) {
        int second = leg->new_seen && leg->new_ssrc == header->ssrc && (uint16_t)(leg->new_sequence + 1) == header->sequence;
        if (!second && now_us - leg->last_packet_us < OLD_SOURCE_US) {
            leg->new_seen = 1;
            leg->new_ssrc = header->ssrc;
            leg->new_sequence = header->sequence;
            return VG_REJECT_SSRC + 1;
        }
        leg->ssrc_changes++;
        leg->event.seen = 0;
        leg->event.active = 0;
    }
    leg->new_seen = 0;
    leg->epoch++;
    leg->fresh = 1;
    vg_rtp_source_reset(&leg->rx, header->ssrc, header->sequence);
    return vg_rtp_source_update(&leg->rx, header->sequence) == VG_OK ? VG_OK : VG_REJECT_SEQUENCE + 1;
}

static void end_event(vg_core *core, int index, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    vg_event_receiver *event = &leg->event;
    int symbol = vg_rtp_event_symbol(event->event);
    event->active = 0;
    if (symbol == 0 || !leg->detect) return;
    uint64_t units = event->base + event->duration;
    vg_core_event(core, VG_EVENT_DIGIT_ENDED, index, symbol, event->passed_on ? VG_DIGIT_PASSED_ON : 0,
                  (int)(units * 1000 / (uint32_t)leg->clock_rate), now_us);
}

/* Each event is one digit, however often and in whatever order its packets come (RFC 4733 section 2.5.2). */
static void receive_event(vg_core *core, int index, const vg_rtp_header *header, const uint8_t *data, int passed_on,
                          int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    vg_event_receiver *state = &leg->event;
    vg_rtp_event event;
    if (vg_rtp_event_parse(data + header->payload.at, header->payload.length, &event) != VG_OK) {
        leg->rejected[VG_REJECT_TRUNCATED]++;
        return;
    }
    int32_t newer = (int32_t)(header->timestamp - state->timestamp);
    int next_segment = state->active && event.event == state->event && !header->marker && state->duration > 0 &&
                       newer == (int32_t)state->duration && state->duration == 0xffff;
    if (next_segment) {
        state->base += state->duration;
        state->timestamp = header->timestamp;
        state->duration = 0;
    } else if (!state->seen || newer > 0) {
        if (state->active) end_event(core, index, now_us);
        *state = (vg_event_receiver){.timestamp = header->timestamp, .event = event.event, .active = 1, .seen = 1};
        int symbol = vg_rtp_event_symbol(event.event);
        if (symbol != 0 && leg->detect)
            vg_core_event(core, VG_EVENT_DIGIT_BEGAN, index, symbol, passed_on ? VG_DIGIT_PASSED_ON : 0, 0, now_us);
    } else if (newer < 0 || !state->active) {
        return;
    }
    state->passed_on = (uint8_t)(passed_on != 0);
    state->last_us = now_us;
    if (event.duration > state->duration) state->duration = event.duration;
    if (event.end)
        end_event(core, index, now_us);
    else
        vg_leg_due(core, index, now_us + VG_EVENT_TIMEOUT_US);
}

static int law_of(const vg_leg *leg)
{
    return leg->codec == VG_CODEC_ALAW ? VG_LAW_ALAW : VG_LAW_ULAW;
}

/* Sound of an RTP leg to whom it is bridged with. */
static void pass_on(vg_core *core, vg_leg *leg, const vg_rtp_header *header, uint8_t *data, int64_t now_us)
{
    vg_leg *peer = vg_core_leg(core, leg->peer);
    if (peer == NULL || !peer->started) return;
    uint8_t *payload = data + header->payload.at;
    size_t n = header->payload.length;
    if (peer->codec != leg->codec) {
        if (peer->codec >= VG_CODEC_OPAQUE || leg->codec >= VG_CODEC_OPAQUE) {
            leg->unbridgeable++;
            return;
        }
        vg_g711_convert(law_of(leg), payload, n, payload);
    }
    if (peer->jitter != NULL && leg->codec < VG_CODEC_OPAQUE) {
        vg_jitter_put(peer->jitter, header->timestamp, payload, n, leg->fresh);
        leg->fresh = 0;
        vg_sound_wake(core, leg->peer, now_us);
    } else if (!vg_sound_active(peer)) {
        if (peer->repack)
            vg_send_repacked(core, peer, leg, header->timestamp, payload, n, now_us);
        else
            vg_send_relayed(core, peer, leg, header, data, 0, vg_codec_units(leg->codec, n), now_us);
    } else {
        peer->sound->packing = 0;
        if (peer->tx.from == VG_FROM_RELAY) peer->tx.from = VG_FROM_NOTHING;
    }
}

static void receive_sound(vg_core *core, int index, const vg_rtp_header *header, uint8_t *data, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    uint32_t arrival = (uint32_t)((uint64_t)now_us * (uint32_t)leg->clock_rate / 1000000);
    vg_rtp_source_jitter(&leg->rx, arrival, header->timestamp);
    const uint8_t *payload = data + header->payload.at;
    int hears = leg->record != NULL || leg->detector != NULL;
    if (leg->codec < VG_CODEC_OPAQUE && hears)
        vg_sound_heard(core, index, payload, header->payload.length, law_of(leg), now_us);
    if (leg->convert || (hears && vg_codec_coded(leg->codec)))
        vg_convert_received(core, index, header->timestamp, payload, header->payload.length, now_us);
    if (!leg->convert) pass_on(core, leg, header, data, now_us);
}

static void receive_rtp(vg_core *core, int index, const vg_rtp_header *header, uint8_t *data, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    int is_event = leg->receive_event_pt >= 0 && header->payload_type == leg->receive_event_pt;
    leg->packets_received++;
    leg->octets_received += header->payload.length;
    leg->last_packet_us = leg->silent_since_us = now_us;
    if (!leg->heard || leg->stopped) {
        leg->heard = 1;
        leg->stopped = 0;
        vg_core_event(core, VG_EVENT_STARTED, index, 0, 0, 0, now_us);
        vg_leg_due(core, index, now_us);
    }
    if (is_event) {
        vg_leg *peer = vg_core_leg(core, leg->peer);
        int passed_on = peer != NULL && peer->kind == VG_LEG_RTP && peer->started && peer->send_event_pt >= 0 &&
                        peer->clock_rate == leg->clock_rate && !vg_sound_active(peer);
        receive_event(core, index, header, data, passed_on, now_us);
        if (passed_on) vg_send_relayed(core, peer, leg, header, data, 1, 0, now_us);
    } else if (header->payload_type == VG_PT_COMFORT_NOISE) {
        leg->comfort_noise++;
    } else {
        receive_sound(core, index, header, data, now_us);
    }
}

static void receive_rtcp(vg_core *core, vg_leg *leg, const uint8_t *data, size_t length, const vg_address *source,
                         int64_t now_us)
{
    vg_rtcp_report report;
    const vg_address *expected = leg->source_fixed ? &leg->source : &leg->allowed;
    if (expected->family != 0 && !same_ip(expected, source)) {
        leg->rejected[VG_REJECT_SOURCE]++;
        return;
    }
    if (policed(core, leg, now_us)) {
        leg->rejected[VG_REJECT_POLICED]++;
        return;
    }
    if (vg_rtcp_parse(data, length, leg->tx.ssrc, &report) != VG_OK) {
        leg->rejected[VG_REJECT_RTCP]++;
        return;
    }
    leg->rtcp_received++;
    if (leg->source_fixed) leg->rtcp_to = *source;
    if (report.is_sender && report.ssrc == leg->rx.ssrc) {
        leg->sr_middle = (uint32_t)(report.ntp >> 16);
        leg->sr_received_us = now_us;
    }
    if (report.has_block) {
        leg->remote_jitter = report.block.jitter;
        leg->remote_lost = report.block.lost;
        int64_t trip = vg_rtcp_round_trip_us(&report.block, vg_rtcp_ntp(now_us + core->settings.utc_offset_us));
        if (trip >= 0) leg->round_trip_us = trip;
    }
}

static int check(vg_core *core, vg_leg *leg, const vg_rtp_header *header, const vg_address *source, int64_t now_us)
{
    if (!from_peer(leg, source, header)) return VG_REJECT_SOURCE + 1;
    if (policed(core, leg, now_us)) return VG_REJECT_POLICED + 1;
    if (!(leg->direction & VG_DIRECTION_RECEIVE)) return VG_REJECT_DIRECTION + 1;
    int type = header->payload_type;
    if (type != leg->receive_pt && type != VG_PT_COMFORT_NOISE && (leg->receive_event_pt < 0 || type != leg->receive_event_pt))
        return VG_REJECT_PAYLOAD_TYPE + 1;
    return counted(leg, header, now_us);
}

void vg_core_packet(vg_core *core, int index, int channel, uint8_t *data, size_t length, const vg_address *source,
                    int64_t now_us)
{
    vg_leg *leg = vg_core_leg(core, index);
    if (leg == NULL || leg->kind != VG_LEG_RTP) return;
    if (core->capture != NULL) {
        vg_captured about = {.at_us = now_us, .leg = index, .channel = channel, .length = (uint32_t)length,
                             .local = leg->local, .remote = *source};
        if (channel == VG_CHANNEL_RTCP) about.local.port++;
        vg_capture_put(core->capture, &about, data);
    }
    if (!leg->started) {
        leg->rejected[VG_REJECT_NOT_STARTED]++;
        return;
    }
    if (length > VG_MAX_PACKET_OCTETS) {
        leg->rejected[VG_REJECT_OVERSIZED]++;
        return;
    }
    /* RFC 5761 section 4: these types are RTCP wherever they come. */
    int rtcp = channel == VG_CHANNEL_RTCP || (length >= 2 && data[1] >= 192 && data[1] <= 223);
    if (leg->secure) {
        int possible = leg->allowed.family == 0 || same_ip(&leg->allowed, source);
        int refused = possible ? vg_secure_open(leg, rtcp, data, &length) : VG_REJECT_SOURCE + 1;
        if (refused) {
            leg->rejected[refused - 1]++;
            return;
        }
    }
    if (rtcp) {
        receive_rtcp(core, leg, data, length, source, now_us);
        return;
    }
    vg_rtp_header header;
    int bad = vg_rtp_parse(data, length, &header);
    if (bad != VG_OK) {
        leg->rejected[bad == VG_ETRUNCATED ? VG_REJECT_TRUNCATED : VG_REJECT_MALFORMED]++;
        return;
    }
    int reason = check(core, leg, &header, source, now_us);
    if (reason != VG_OK) {
        leg->rejected[reason - 1]++;
        return;
    }
    receive_rtp(core, index, &header, data, now_us);
}

static void line_to_coded(vg_core *core, vg_leg *peer, const uint8_t *octets, size_t n, int law, int64_t now_us)
{
    int16_t pcm[VG_MAX_FRAME_SAMPLES];
    if (vg_sound_active(peer)) {
        if (peer->coder != NULL) peer->coder->packed = 0;
        return;
    }
    vg_g711_decode(law, octets, n, pcm);
    vg_convert_send(core, peer, pcm, n, VG_FROM_LINE, now_us);
}

int vg_core_line_frame(vg_core *core, int index, const uint8_t *in, size_t n, uint8_t *out, int64_t now_us)
{
    vg_leg *leg = vg_core_leg(core, index);
    if (leg == NULL || leg->kind != VG_LEG_LINE || n == 0 || n > VG_MAX_FRAME_SAMPLES) return VG_EINVAL;
    uint8_t converted[VG_MAX_FRAME_SAMPLES];
    int law = law_of(leg);
    leg->line_frames++;
    leg->octets_received += n;
    if (leg->record != NULL || leg->detector != NULL) vg_sound_heard(core, index, in, n, law, now_us);
    vg_leg *peer = vg_core_leg(core, leg->peer);
    if (peer != NULL) {
        const uint8_t *sound = in;
        if (peer->codec != leg->codec && peer->codec < VG_CODEC_OPAQUE) {
            vg_g711_convert(law, in, n, converted);
            sound = converted;
        }
        if (peer->codec == VG_CODEC_OPAQUE) {
            leg->unbridgeable++;
        } else if (peer->kind == VG_LEG_LINE) {
            vg_jitter_put(peer->jitter, leg->sound->line_time, sound, n, 0);
            leg->sound->line_time += (uint32_t)n;
        } else if (vg_codec_coded(peer->codec)) {
            line_to_coded(core, peer, in, n, law, now_us);
        } else if (!vg_sound_active(peer)) {
            vg_send_packed(core, peer, sound, n, now_us);
        } else {
            peer->sound->packed = 0;
        }
    }
    vg_sound_produce(core, index, out, n, now_us);
    leg->tx.octets += n;
    return VG_OK;
}

int64_t vg_receive_timeouts(vg_core *core, int index, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    int64_t next = VG_NEVER;
    if (leg->event.active) {
        next = leg->event.last_us + VG_EVENT_TIMEOUT_US;
        if (now_us >= next) {
            end_event(core, index, now_us);
            next = VG_NEVER;
        }
    }
    int64_t limit = (int64_t)core->settings.media_timeout_ms * 1000;
    if (limit > 0 && !leg->stopped && (leg->direction & VG_DIRECTION_RECEIVE)) {
        int64_t at = leg->silent_since_us + limit;
        if (now_us >= at) {
            leg->stopped = 1;
            vg_core_event(core, VG_EVENT_STOPPED, index, 0, 0, (int)((now_us - leg->silent_since_us) / 1000), now_us);
        } else if (at < next) {
            next = at;
        }
    }
    return next;
}
