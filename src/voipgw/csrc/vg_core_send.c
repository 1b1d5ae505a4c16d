/* What leaves on RTP legs: relayed packets, sound, telephone events, RTCP. */
#include "vg_core_state.h"

#include <string.h>

uint8_t *vg_output_room(vg_core *core, size_t octets)
{
    octets = (octets + VG_SRTP_TRAILER_OCTETS + 7) & ~(size_t)7;
    if (core->arena_used + octets > VG_ARENA_OCTETS || core->output_count >= VG_MAX_OUTPUTS) return NULL;
    uint8_t *room = core->arena + core->arena_used;
    core->arena_used += octets;
    return room;
}

void vg_output_add(vg_core *core, vg_leg *leg, int channel, const vg_address *to, uint8_t *data, size_t length,
                   int64_t now_us)
{
    if (core->output_count >= VG_MAX_OUTPUTS) return;
    if (leg->secure && vg_secure_seal(leg, channel, data, &length) != VG_OK) {
        leg->unprotected++;
        return;
    }
    int index = vg_leg_index(core, leg);
    core->outputs[core->output_count++] =
        (vg_output){.leg = index, .channel = channel, .to = *to, .length = (uint32_t)length, .data = data};
    if (core->capture != NULL) {
        vg_captured about = {.at_us = now_us, .leg = index, .channel = channel, .outgoing = 1,
                             .length = (uint32_t)length, .local = leg->local, .remote = *to};
        if (channel == VG_CHANNEL_RTCP) about.local.port++;
        vg_capture_put(core->capture, &about, data);
    }
}

static int may_send(const vg_leg *leg)
{
    return leg->started && (leg->direction & VG_DIRECTION_SEND) && leg->source.family != 0;
}

uint32_t vg_sender_time(const vg_leg *leg, int64_t now_us)
{
    const vg_sender *tx = &leg->tx;
    if (!tx->started) return tx->timestamp;
    int64_t elapsed = (now_us - tx->last_us) * leg->clock_rate / 1000000;
    return tx->timestamp + (elapsed > (int64_t)tx->samples ? (uint32_t)elapsed : tx->samples);
}

static void sent(vg_leg *leg, uint16_t sequence, size_t octets)
{
    vg_sender *tx = &leg->tx;
    if (!tx->started || (int16_t)(sequence - tx->sequence) > 0) tx->sequence = sequence;
    tx->started = 1;
    tx->packets++;
    tx->octets += octets;
}

/* What our timestamps are counted on from. Events do not move it: theirs stands still, and is repeated. */
static void anchor(vg_leg *leg, uint32_t timestamp, uint32_t samples, int64_t at_us)
{
    vg_sender *tx = &leg->tx;
    tx->timestamp = timestamp;
    tx->samples = samples;
    tx->last_us = at_us;
}

/* Takes up relaying where our own stream stands: the first packet follows the last one sent without a hole. */
static void take_up(vg_leg *to, const vg_leg *from, const vg_rtp_header *header, int64_t now_us)
{
    vg_sender *tx = &to->tx;
    tx->sequence_shift = (uint16_t)(tx->sequence + 1 - header->sequence);
    tx->timestamp_shift = vg_sender_time(to, now_us) - header->timestamp;
    tx->relay_base = header->sequence;
    tx->relay_max = header->sequence;
    tx->relay_epoch = from->epoch;
    tx->guard = 1;
    tx->from = VG_FROM_RELAY;
}

void vg_send_relayed(vg_core *core, vg_leg *to, const vg_leg *from, const vg_rtp_header *header, uint8_t *data, int event,
                     uint32_t samples, int64_t now_us)
{
    vg_sender *tx = &to->tx;
    if (!may_send(to)) return;
    int marker = header->marker;
    if (tx->from != VG_FROM_RELAY || tx->relay_epoch != from->epoch) {
        marker = !event || header->marker;
        take_up(to, from, header, now_us);
    }
    int16_t ahead = (int16_t)(header->sequence - tx->relay_base);
    if (tx->guard) {
        if (ahead < 0) {
            to->rejected[VG_REJECT_STALE]++;
            return;
        }
        if (ahead > 4096) tx->guard = 0; /* nothing from before the switch can come any more */
    }
    if ((int16_t)(header->sequence - tx->relay_max) > 0) tx->relay_max = header->sequence;
    uint16_t sequence = (uint16_t)(header->sequence + tx->sequence_shift);
    uint32_t timestamp = header->timestamp + tx->timestamp_shift;
    /* The new header goes right before the payload, over extension and CSRC list: the payload is not moved. */
    uint8_t *packet = data + header->payload.at - VG_RTP_HEADER_OCTETS;
    vg_rtp_write_header(packet, event ? to->send_event_pt : to->send_pt, marker, sequence, timestamp, tx->ssrc);
    if (!tx->started || (!event && (int16_t)(sequence - tx->sequence) > 0)) anchor(to, timestamp, samples, now_us);
    sent(to, sequence, header->payload.length);
    vg_output_add(core, to, VG_CHANNEL_RTP, &to->source, packet, VG_RTP_HEADER_OCTETS + header->payload.length, now_us);
}

/* Makes room in the numbering for a packet of our own between relayed ones. */
static uint16_t own_sequence(vg_sender *tx)
{
    if (tx->from == VG_FROM_RELAY) {
        tx->sequence_shift++;
        tx->relay_base = (uint16_t)(tx->relay_max + 1);
        tx->guard = 1;
    }
    return (uint16_t)(tx->sequence + 1);
}

void vg_send_sound(vg_core *core, vg_leg *leg, const uint8_t *octets, size_t n, uint32_t samples, int from, int64_t now_us)
{
    vg_sender *tx = &leg->tx;
    if (!may_send(leg)) {
        tx->from = VG_FROM_NOTHING;
        return;
    }
    uint8_t *packet = vg_output_room(core, VG_RTP_HEADER_OCTETS + n);
    if (packet == NULL) return;
    int follows = tx->from == from && tx->started;
    uint16_t sequence = (uint16_t)(tx->sequence + 1);
    uint32_t timestamp = follows ? tx->timestamp + tx->samples : vg_sender_time(leg, now_us);
    tx->from = (uint8_t)from;
    vg_rtp_write_header(packet, leg->send_pt, !follows, sequence, timestamp, tx->ssrc);
    memcpy(packet + VG_RTP_HEADER_OCTETS, octets, n);
    anchor(leg, timestamp, samples, now_us);
    sent(leg, sequence, n);
    vg_output_add(core, leg, VG_CHANNEL_RTP, &leg->source, packet, VG_RTP_HEADER_OCTETS + n, now_us);
}

void vg_send_packed(vg_core *core, vg_leg *leg, const uint8_t *octets, size_t n, int64_t now_us)
{
    vg_sound *sound = leg->sound;
    size_t whole = vg_codec_octets(leg->codec, leg->ptime_ms);
    if (whole > VG_MAX_FRAME_SAMPLES) whole = VG_MAX_FRAME_SAMPLES;
    if (sound == NULL || whole == 0) return;
    uint32_t samples = vg_codec_units(leg->codec, whole);
    while (n > 0) {
        if (sound->packed == 0 && n >= whole) {
            vg_send_sound(core, leg, octets, whole, samples, VG_FROM_LINE, now_us);
            octets += whole;
            n -= whole;
            continue;
        }
        size_t part = whole - sound->packed < n ? whole - sound->packed : n;
        memcpy(sound->pack + sound->packed, octets, part);
        sound->packed = (uint16_t)(sound->packed + part);
        octets += part;
        n -= part;
        if (sound->packed < whole) continue;
        sound->packed = 0;
        vg_send_sound(core, leg, sound->pack, whole, samples, VG_FROM_LINE, now_us);
    }
}

/* Sound of an RTP leg whose packets are of another length than this one's party agreed to. A gap stays a gap, in sequence
 * numbers and in time; what comes after its successor is too late to be packed. */
void vg_send_repacked(vg_core *core, vg_leg *to, const vg_leg *from, uint32_t timestamp, const uint8_t *octets, size_t n,
                      int64_t now_us)
{
    vg_sound *sound = to->sound;
    vg_sender *tx = &to->tx;
    uint32_t whole = (uint32_t)to->ptime_ms * 8;
    int32_t gap = (int32_t)(timestamp - sound->pack_next);
    int interrupted = tx->from == VG_FROM_RELAY || tx->from == VG_FROM_PLAYER;
    if (!sound->packing || interrupted || tx->relay_epoch != from->epoch) {
        sound->packing = 1;
        sound->packed = 0;
        tx->from = VG_FROM_NOTHING;
        tx->relay_epoch = from->epoch;
    } else if (gap < 0) {
        to->rejected[VG_REJECT_STALE]++;
        return;
    } else if (gap > 0) {
        uint32_t begun = vg_codec_units(to->codec, sound->packed);
        if (begun > 0) vg_send_sound(core, to, sound->pack, sound->packed, begun, VG_FROM_LINE, now_us);
        sound->packed = 0;
        if (gap < 8000 && tx->from == VG_FROM_LINE) {
            tx->sequence = (uint16_t)(tx->sequence + ((uint32_t)gap + whole - 1) / whole);
            tx->timestamp += (uint32_t)gap;
        } else {
            tx->from = VG_FROM_NOTHING;
        }
    }
    sound->pack_next = timestamp + vg_codec_units(to->codec, n);
    vg_send_packed(core, to, octets, n, now_us);
}

/* One packet of the digit that the leg is sending (RFC 4733 section 2.5.1). */
void vg_send_event(vg_core *core, vg_leg *leg, int64_t now_us)
{
    vg_sound *sound = leg->sound;
    vg_sender *tx = &leg->tx;
    uint32_t step = (uint32_t)leg->ptime_ms * (uint32_t)leg->clock_rate / 1000;
    int first = sound->digit_units == 0;
    if (first) {
        sound->digit_timestamp = vg_sender_time(leg, now_us);
        if (!tx->started) anchor(leg, sound->digit_timestamp, 0, now_us);
        if (tx->from != VG_FROM_RELAY) tx->from = VG_FROM_NOTHING;
    }
    if (sound->digit_ends == 0) {
        sound->digit_units += step;
        if (sound->digit_units >= sound->digit_total) {
            sound->digit_units = sound->digit_total;
            sound->digit_ends = 3;
        }
    }
    int end = sound->digit_ends > 0;
    if (end) sound->digit_ends--;
    uint8_t *packet = may_send(leg) ? vg_output_room(core, VG_RTP_HEADER_OCTETS + 4) : NULL;
    if (packet != NULL) {
        vg_rtp_event event = {.event = (uint8_t)sound->digit_code, .end = (uint8_t)end, .volume = 10,
                              .duration = (uint16_t)sound->digit_units};
        uint16_t sequence = own_sequence(tx);
        vg_rtp_write_header(packet, leg->send_event_pt, first, sequence, sound->digit_timestamp, tx->ssrc);
        vg_rtp_event_write(packet + VG_RTP_HEADER_OCTETS, &event);
        sent(leg, sequence, 4);
        vg_output_add(core, leg, VG_CHANNEL_RTP, &leg->source, packet, VG_RTP_HEADER_OCTETS + 4, now_us);
    }
}

static uint32_t draw(vg_leg *leg)
{
    uint32_t x = leg->random; /* xorshift; only spreads reports over time */
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return leg->random = x;
}

/* Five seconds, the first half of that, spread by 0.5 to 1.5 and compensated (RFC 3550 section 6.3.1). */
void vg_rtcp_schedule(vg_leg *leg, int64_t now_us, int first)
{
    double base = first ? 2.5e6 : 5e6;
    leg->rtcp_next_us = now_us + (int64_t)(base * (0.5 + (double)(draw(leg) >> 8) / (1 << 24)) / 1.21828);
}

void vg_send_rtcp(vg_core *core, vg_leg *leg, int bye, int64_t now_us)
{
    if (leg->rtcp_to.family == 0) return;
    uint8_t *packet = vg_output_room(core, VG_RTCP_MAX_OCTETS);
    if (packet == NULL) return;
    vg_sender *tx = &leg->tx;
    uint64_t ntp = vg_rtcp_ntp(now_us + core->settings.utc_offset_us);
    vg_rtcp_report report = {.ssrc = tx->ssrc, .bye = (uint8_t)(bye != 0)};
    report.is_sender = tx->packets != leg->reported_packets;
    leg->reported_packets = tx->packets;
    if (report.is_sender) {
        int64_t since = (now_us - tx->last_us) * leg->clock_rate / 1000000;
        report.ntp = ntp;
        report.timestamp = tx->timestamp + (uint32_t)since;
        report.packets = (uint32_t)tx->packets;
        report.octets = (uint32_t)tx->octets;
    }
    if (leg->rx.started) {
        report.has_block = 1;
        report.block = (vg_rtcp_block){
            .ssrc = leg->rx.ssrc,
            .fraction = vg_rtp_source_fraction(&leg->rx),
            .lost = vg_rtp_source_lost(&leg->rx),
            .highest = leg->rx.cycles + leg->rx.max_sequence,
            .jitter = leg->rx.jitter_q4 >> 4,
            .last_sr = leg->sr_middle,
            .delay_since_sr = leg->sr_middle ? (uint32_t)((now_us - leg->sr_received_us) * 65536 / 1000000) : 0,
        };
    }
    size_t length = vg_rtcp_write(packet, &report, leg->cname, leg->cname_length);
    leg->rtcp_sent++;
    vg_output_add(core, leg, VG_CHANNEL_RTCP, &leg->rtcp_to, packet, length, now_us);
}
