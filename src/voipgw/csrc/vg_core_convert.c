/* Sound of codecs other than G.711: decoded where it is looked at or goes to another codec, and made for them. */
#include "vg_core_state.h"

#include <stdlib.h>
#include <string.h>

vg_coder *vg_leg_coder(vg_leg *leg)
{
    if (leg->coder != NULL && leg->coder->codec == leg->codec) return leg->coder;
    if (!vg_codec_coded(leg->codec)) return NULL;
    if (leg->coder == NULL) leg->coder = malloc(sizeof *leg->coder);
    if (leg->coder != NULL) vg_coder_init(leg->coder, leg->codec);
    return leg->coder;
}

void vg_convert_restart(vg_leg *leg)
{
    int wanted = leg->coder != NULL || leg->sound != NULL || leg->record != NULL;
    if (!vg_codec_coded(leg->codec)) {
        free(leg->coder);
        leg->coder = NULL;
    } else if (wanted) {
        vg_leg_coder(leg);
    }
}

/* Whether what leg's party says has to be decoded for the peer's; readies both for it. */
static int pair(vg_leg *leg, vg_leg *peer)
{
    if (leg->codec == VG_CODEC_OPAQUE || peer->codec == VG_CODEC_OPAQUE) return 0;
    if (!vg_codec_coded(leg->codec) && !vg_codec_coded(peer->codec)) return 0;
    int buffered = peer->jitter != NULL || peer->through_jitter;
    int repacks = leg->kind == VG_LEG_RTP && peer->kind == VG_LEG_RTP && leg->ptime_ms != peer->ptime_ms;
    int lossless = leg->codec == VG_CODEC_L16_8000 || leg->codec == VG_CODEC_L16_16000;
    if (leg->codec == peer->codec && !buffered && !(repacks && lossless)) return 0;
    if (vg_codec_coded(leg->codec) && vg_leg_coder(leg) == NULL) return 0;
    if (vg_codec_coded(peer->codec) && vg_leg_coder(peer) == NULL) return 0;
    return vg_leg_sound(leg) != NULL && vg_leg_sound(peer) != NULL;
}

void vg_convert_pair(vg_leg *leg, vg_leg *peer)
{
    int converts = peer != NULL && leg->kind == VG_LEG_RTP && leg->started && peer->started && pair(leg, peer);
    if (converts && !leg->convert) leg->time_seen = 0;
    leg->convert = (uint8_t)converts;
}

static void send_pack(vg_core *core, vg_leg *leg, int from, int64_t now_us)
{
    vg_coder *coder = leg->coder;
    uint8_t octets[VG_MAX_CODED_OCTETS];
    size_t n = vg_coder_encode(coder, coder->pack, coder->packed, octets);
    coder->packed = 0;
    vg_send_sound(core, leg, octets, n, vg_codec_units(leg->codec, n), from, now_us);
}

static size_t whole_packet(const vg_leg *leg)
{
    return (size_t)leg->ptime_ms * 8 * vg_codec_width(leg->codec);
}

/* n samples at the leg's own rate into its packets. */
static void pack(vg_core *core, vg_leg *leg, const int16_t *pcm, size_t n, int from, int64_t now_us)
{
    vg_coder *coder = leg->coder;
    size_t whole = whole_packet(leg);
    while (n > 0) {
        size_t part = whole - coder->packed < n ? whole - coder->packed : n;
        memcpy(coder->pack + coder->packed, pcm, part * sizeof *pcm);
        coder->packed = (uint16_t)(coder->packed + part);
        pcm += part;
        n -= part;
        if (coder->packed == whole) send_pack(core, leg, from, now_us);
    }
}

void vg_convert_send(vg_core *core, vg_leg *leg, const int16_t *pcm, size_t n, int from, int64_t now_us)
{
    if (leg->coder == NULL) return;
    if (from == VG_FROM_PLAYER) leg->coder->packed = 0; /* of what it interrupts; it brings whole packets */
    while (n > 0) {
        int16_t wide[2 * VG_CODEC_PIECE];
        size_t part = n < VG_CODEC_PIECE ? n : VG_CODEC_PIECE;
        if (vg_codec_width(leg->codec) == 2) {
            vg_upsample(&leg->coder->up, pcm, part, wide);
            pack(core, leg, wide, 2 * part, from, now_us);
        } else {
            pack(core, leg, pcm, part, from, now_us);
        }
        pcm += part;
        n -= part;
    }
}

/* A gap in what came stays a gap in what goes out; a packet that is begun is filled up with silence first. */
static void leave_gap(vg_core *core, vg_leg *to, uint32_t gap, int64_t now_us)
{
    static const int16_t silence[VG_CODEC_PIECE];
    vg_sender *tx = &to->tx;
    vg_coder *coder = to->coder;
    uint32_t width = (uint32_t)vg_codec_width(to->codec), whole = (uint32_t)to->ptime_ms * 8;
    while (gap > 0 && coder->packed > 0) {
        uint32_t missing = (uint32_t)(whole_packet(to) - coder->packed + width - 1) / width, part = gap < missing ? gap : missing;
        part = part < VG_CODEC_PIECE / width ? part : VG_CODEC_PIECE / width;
        size_t room = whole_packet(to) - coder->packed, samples = part * width;
        pack(core, to, silence, samples < room ? samples : room, VG_FROM_LINE, now_us);
        gap -= part;
    }
    if (gap == 0) return;
    if (gap < 8000 && tx->from == VG_FROM_LINE) {
        tx->sequence = (uint16_t)(tx->sequence + (gap + whole - 1) / whole);
        tx->timestamp += gap * vg_codec_clock(to->codec);
    } else {
        tx->from = VG_FROM_NOTHING;
    }
}

/* Whether sound of from at this time (8000 Hz) can be packed for to; what came too late cannot. */
static int follows(vg_core *core, vg_leg *to, const vg_leg *from, uint32_t time, int64_t now_us)
{
    vg_sound *sound = to->sound;
    vg_sender *tx = &to->tx;
    int32_t gap = (int32_t)(time - sound->pack_next);
    int interrupted = tx->from == VG_FROM_RELAY || tx->from == VG_FROM_PLAYER;
    if (!sound->packing || interrupted || tx->relay_epoch != from->epoch) {
        sound->packing = 1;
        to->coder->packed = 0;
        tx->from = VG_FROM_NOTHING;
        tx->relay_epoch = from->epoch;
    } else if (gap < 0) {
        to->rejected[VG_REJECT_STALE]++;
        return 0;
    } else if (gap > 0) {
        leave_gap(core, to, (uint32_t)gap, now_us);
    }
    return 1;
}

/* A piece of up to 20 ms that leg's party said, n samples of 8000 Hz, and as wide sound where it is and the peer takes it. */
static void pass(vg_core *core, vg_leg *leg, vg_leg *peer, uint32_t time, const int16_t *narrow, size_t n,
                 const int16_t *wide, size_t wide_n, int64_t now_us)
{
    uint8_t octets[VG_CODEC_PIECE + 1];
    if (peer->jitter != NULL) {
        int law = peer->codec == VG_CODEC_ALAW ? VG_LAW_ALAW : VG_LAW_ULAW;
        vg_g711_encode(law, narrow, n, octets);
        vg_jitter_put(peer->jitter, time, octets, n, leg->fresh);
        leg->fresh = 0;
        vg_sound_wake(core, leg->peer, now_us);
    } else if (vg_sound_active(peer)) {
        peer->sound->packing = 0;
        if (peer->tx.from == VG_FROM_RELAY) peer->tx.from = VG_FROM_NOTHING;
    } else if (!vg_codec_coded(peer->codec)) {
        vg_g711_encode(peer->codec, narrow, n, octets);
        vg_send_repacked(core, peer, leg, time, octets, n, now_us);
    } else if (follows(core, peer, leg, time, now_us)) {
        peer->sound->pack_next = time + (uint32_t)n;
        if (wide_n > 0 && vg_codec_width(peer->codec) == 2)
            pack(core, peer, wide, wide_n, VG_FROM_LINE, now_us);
        else
            vg_convert_send(core, peer, narrow, n, VG_FROM_LINE, now_us);
    }
}

/* A packet's time on a clock of 8000 Hz that runs on where a faster one's 32 bits wrap. */
static uint32_t narrow_time(vg_leg *leg, uint32_t timestamp)
{
    if (vg_codec_clock(leg->codec) == 1) return timestamp;
    if (!leg->time_seen) leg->time_narrow = timestamp / 2;
    else leg->time_narrow += (uint32_t)((int32_t)(timestamp - leg->time_last) / 2);
    leg->time_seen = 1;
    leg->time_last = timestamp & ~1u;
    return leg->time_narrow;
}

void vg_convert_received(vg_core *core, int index, uint32_t timestamp, const uint8_t *payload, size_t n, int64_t now_us)
{
    vg_leg *leg = &core->legs[index], *peer = leg->convert ? vg_core_leg(core, leg->peer) : NULL;
    int coded = vg_codec_coded(leg->codec), hears = leg->record != NULL || leg->detector != NULL;
    if (coded && leg->coder == NULL) return;
    uint32_t time = narrow_time(leg, timestamp);
    while (n > 0) {
        int16_t pcm[2 * VG_CODEC_PIECE + 2], halved[VG_CODEC_PIECE + 1], *narrow = pcm;
        size_t used = n < VG_CODEC_PIECE ? n : VG_CODEC_PIECE, made = used, wide = 0;
        if (coded)
            made = vg_coder_decode(leg->coder, payload, n, pcm, &used);
        else
            vg_g711_decode(leg->codec, payload, used, pcm);
        if (used == 0) break;
        size_t count = made;
        if (vg_codec_width(leg->codec) == 2) {
            wide = made;
            narrow = halved;
            count = made / 2;
            int narrow_wanted = hears || (peer != NULL && (peer->jitter != NULL || vg_codec_width(peer->codec) == 1));
            if (narrow_wanted) count = vg_downsample(&leg->coder->down, pcm, made, halved);
        }
        if (hears && coded) vg_sound_heard_pcm(core, index, narrow, count, now_us);
        if (peer != NULL) pass(core, leg, peer, time, narrow, count, pcm, wide, now_us);
        time += (uint32_t)count;
        payload += used;
        n -= used;
    }
}
