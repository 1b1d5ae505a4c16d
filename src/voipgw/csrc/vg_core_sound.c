/* What a party hears that is not relayed to it (player, digits, jitter buffer), and what is done with what it says. */
#include "vg_core_state.h"

#include <stdlib.h>
#include <string.h>

#define BEHIND_US 200000 /* a clock that is later than this does not catch up */
#define PAUSE_SAMPLES (VG_DIGIT_PAUSE_US / 125)

static int law_of(const vg_leg *leg)
{
    return leg->codec == VG_CODEC_ALAW ? VG_LAW_ALAW : VG_LAW_ULAW;
}

void vg_sound_stop(vg_sound *sound)
{
    free(sound->data);
    sound->data = NULL;
    sound->play = VG_PLAY_NOTHING;
}

void vg_sound_free(vg_leg *leg)
{
    if (leg->sound == NULL) return;
    vg_sound_stop(leg->sound);
    free(leg->sound);
    leg->sound = NULL;
}

int vg_sound_play(vg_core *core, int index, const vg_command *command, int64_t now_us)
{
    vg_leg *leg = vg_core_leg(core, index);
    vg_sound *sound = leg != NULL && leg->codec != VG_CODEC_OPAQUE ? vg_leg_sound(leg) : NULL;
    if (sound != NULL && vg_codec_coded(leg->codec) && vg_leg_coder(leg) == NULL) sound = NULL;
    int tones = command->kind == VG_CMD_PLAY_TONES;
    if (sound == NULL || command->data == NULL || (!tones && command->length == 0)) {
        free(command->data);
        return VG_EINVAL;
    }
    vg_sound_stop(sound);
    sound->play = tones ? VG_PLAY_TONES : VG_PLAY_PCM;
    sound->repeat = (uint8_t)(command->flag != 0);
    sound->serial = command->value;
    sound->data = command->data;
    sound->length = command->length;
    sound->at = 0;
    sound->packed = 0;
    vg_sound_wake(core, index, now_us);
    return VG_OK;
}

static void played(vg_core *core, int index, int64_t now_us)
{
    vg_sound *sound = core->legs[index].sound;
    vg_core_event(core, VG_EVENT_PLAYED, index, sound->serial, 0, 0, now_us);
    vg_sound_stop(sound);
}

/* The next samples of the player; fewer than n when PCM has come to its end. */
static size_t play(vg_core *core, int index, int16_t *pcm, size_t n, int64_t now_us)
{
    vg_sound *sound = core->legs[index].sound;
    if (sound->play == VG_PLAY_TONES) {
        vg_tones_make(sound->data, pcm, n);
        if (vg_tones_done(sound->data)) played(core, index, now_us);
        return n;
    }
    size_t done = 0;
    while (done < n) {
        size_t part = sound->length - sound->at < n - done ? sound->length - sound->at : n - done;
        memcpy(pcm + done, (const int16_t *)sound->data + sound->at, part * sizeof *pcm);
        sound->at += (uint32_t)part;
        done += part;
        if (sound->at < sound->length) continue;
        sound->at = 0;
        if (!sound->repeat) {
            played(core, index, now_us);
            break;
        }
    }
    return done;
}

static void next_digit(vg_leg *leg)
{
    vg_sound *sound = leg->sound;
    if (sound->digit_count == 0) return;
    int symbol = sound->digits[0];
    uint32_t ms = sound->digit_ms[0];
    sound->digit_count--;
    memmove(sound->digits, sound->digits + 1, sound->digit_count);
    memmove(sound->digit_ms, sound->digit_ms + 1, sound->digit_count * sizeof sound->digit_ms[0]);
    sound->digit_units = 0;
    sound->digit_ends = 0;
    if (leg->kind == VG_LEG_RTP && leg->send_event_pt >= 0) {
        sound->digit_code = (int16_t)vg_rtp_event_code(symbol);
        sound->digit_total = ms * (uint32_t)leg->clock_rate / 1000;
        if (sound->digit_total > 0xffff) sound->digit_total = 0xffff;
        return;
    }
    vg_dtmf_tone_init(&sound->digit_tone, (char)symbol, -9, -9, ms * 8, 8000);
    sound->digit_total = ms * 8;
    sound->digit_sounding = 1;
}

int vg_sound_digit(vg_core *core, int index, int symbol, uint32_t ms, int64_t now_us)
{
    vg_leg *leg = vg_core_leg(core, index);
    if (leg == NULL || !leg->started || vg_rtp_event_code(symbol) < 0 || ms < 1 || ms > 8000) return VG_EINVAL;
    if (leg->codec == VG_CODEC_OPAQUE && leg->send_event_pt < 0) return VG_EINVAL;
    vg_sound *sound = vg_leg_sound(leg);
    if (sound == NULL || sound->digit_count >= VG_DIGIT_QUEUE) return VG_EFULL;
    if (vg_codec_coded(leg->codec) && leg->send_event_pt < 0 && vg_leg_coder(leg) == NULL) return VG_EFULL;
    sound->digits[sound->digit_count] = (char)symbol;
    sound->digit_ms[sound->digit_count++] = (uint16_t)ms;
    if (!sound->digit_sounding && sound->digit_code < 0) next_digit(leg);
    vg_sound_wake(core, index, now_us);
    return VG_OK;
}

/* n samples of the digit being sent as sound, and of the pause after it. */
static void sound_digit(vg_leg *leg, int16_t *pcm, size_t n)
{
    vg_sound *sound = leg->sound;
    vg_dtmf_tone_make(&sound->digit_tone, pcm, n);
    sound->digit_units += (uint32_t)n;
    if (sound->digit_units >= sound->digit_total + PAUSE_SAMPLES) {
        sound->digit_sounding = 0;
        next_digit(leg);
    }
}

int vg_sound_active(const vg_leg *leg)
{
    const vg_sound *sound = leg->sound;
    if (sound == NULL) return 0;
    return sound->play != VG_PLAY_NOTHING || sound->digit_sounding || (sound->digit_code >= 0 && sound->digit_ends == 0);
}

static int wants_clock(const vg_core *core, const vg_leg *leg)
{
    if (leg->kind != VG_LEG_RTP || !leg->started) return 0;
    if (leg->sound != NULL && (vg_sound_active(leg) || leg->sound->digit_code >= 0)) return 1;
    return leg->through_jitter && leg->jitter != NULL && vg_core_leg(core, leg->peer) != NULL &&
           (vg_jitter_level(leg->jitter) > 0 || leg->jitter->missing < 1600);
}

void vg_sound_wake(vg_core *core, int index, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    if (!wants_clock(core, leg)) return;
    vg_sound *sound = vg_leg_sound(leg);
    if (sound == NULL || sound->clock_us != 0) return;
    sound->clock_us = now_us;
    vg_leg_due(core, index, now_us);
}

void vg_sound_produce(vg_core *core, int index, uint8_t *out, size_t n, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    int law = law_of(leg);
    int16_t pcm[VG_MAX_FRAME_SAMPLES];
    if (leg->jitter != NULL)
        vg_jitter_get(leg->jitter, out, n); /* also while it is not heard: time goes on */
    else
        memset(out, law == VG_LAW_ALAW ? 0xd5 : 0xff, n);
    if (leg->sound == NULL) return;
    if (leg->sound->digit_sounding) {
        sound_digit(leg, pcm, n);
        vg_g711_encode(law, pcm, n, out);
    } else if (leg->sound->play != VG_PLAY_NOTHING) {
        size_t done = play(core, index, pcm, n, now_us);
        vg_g711_encode(law, pcm, done, out);
    }
}

/* The same as samples, for a leg whose codec is not G.711. */
static void produce_pcm(vg_core *core, int index, int16_t *pcm, size_t n, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    size_t done = 0;
    if (leg->jitter != NULL) {
        uint8_t octets[VG_MAX_FRAME_SAMPLES];
        vg_jitter_get(leg->jitter, octets, n);
        vg_g711_decode(law_of(leg), octets, n, pcm);
        done = n;
    }
    if (leg->sound->digit_sounding) {
        sound_digit(leg, pcm, n);
        return;
    }
    if (leg->sound->play != VG_PLAY_NOTHING) {
        size_t played_n = play(core, index, pcm, n, now_us);
        if (played_n > done) done = played_n;
    }
    memset(pcm + done, 0, (n - done) * sizeof *pcm);
}

static void one_frame(vg_core *core, int index, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    uint8_t frame[VG_MAX_FRAME_SAMPLES];
    size_t n = (size_t)leg->ptime_ms * 8;
    if (n > VG_MAX_FRAME_SAMPLES) n = VG_MAX_FRAME_SAMPLES;
    if (leg->sound->digit_code >= 0) {
        vg_send_event(core, leg, now_us);
        if (leg->sound->digit_ends == 0 && leg->sound->digit_units >= leg->sound->digit_total) {
            leg->sound->digit_code = -1;
            next_digit(leg);
        }
        return;
    }
    if (leg->codec == VG_CODEC_OPAQUE) return;
    int from = vg_sound_active(leg) ? VG_FROM_PLAYER : VG_FROM_LINE;
    if (vg_codec_coded(leg->codec)) {
        int16_t pcm[VG_MAX_FRAME_SAMPLES];
        produce_pcm(core, index, pcm, n, now_us);
        vg_convert_send(core, leg, pcm, n, from, now_us);
        return;
    }
    vg_sound_produce(core, index, frame, n, now_us);
    vg_send_sound(core, leg, frame, n, (uint32_t)n, from, now_us);
}

int64_t vg_sound_clock(vg_core *core, int index, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    vg_sound *sound = leg->sound;
    if (leg->kind != VG_LEG_RTP || sound == NULL || sound->clock_us == 0) return VG_NEVER;
    if (now_us - sound->clock_us > BEHIND_US) {
        sound->clock_us = now_us;
        leg->tx.from = VG_FROM_NOTHING;
    }
    while (sound->clock_us <= now_us) {
        if (!wants_clock(core, leg)) {
            sound->clock_us = 0;
            leg->tx.from = VG_FROM_NOTHING;
            return VG_NEVER;
        }
        one_frame(core, index, now_us);
        sound->clock_us += (int64_t)leg->ptime_ms * 1000;
    }
    return sound->clock_us;
}

/* Whether digits of this leg come as sound: always from a line, from RTP where telephone-event is not negotiated. */
static int listens(const vg_leg *leg)
{
    if (!leg->detect || leg->codec == VG_CODEC_OPAQUE) return 0;
    return leg->kind == VG_LEG_LINE || leg->in_band || leg->receive_event_pt < 0;
}

void vg_sound_detect(vg_core *core, vg_leg *leg, int on)
{
    leg->detect = (uint8_t)(on != 0);
    if (!listens(leg)) {
        free(leg->detector);
        leg->detector = NULL;
    } else if (leg->detector == NULL) {
        leg->detector = malloc(sizeof *leg->detector);
        if (leg->detector != NULL) vg_dtmf_init(leg->detector, core->settings.dtmf_profile);
        vg_leg_coder(leg);
    }
}

/* Whom a digit heard in leg's sound goes to as events instead: the bridged RTP leg, where telephone-event is negotiated. */
static vg_leg *events_to(const vg_core *core, const vg_leg *leg)
{
    vg_leg *peer = vg_core_leg(core, leg->peer);
    int takes = peer != NULL && peer->kind == VG_LEG_RTP && peer->started && peer->send_event_pt >= 0;
    return takes && (peer->direction & VG_DIRECTION_SEND) ? peer : NULL;
}

/* The digit sounds as long as its party holds the key: events go out meanwhile, and the sound does not (RFC 4733 2.6.2). */
static void begin_live(vg_core *core, vg_leg *peer, int symbol, int64_t now_us)
{
    vg_sound *sound = vg_leg_sound(peer);
    if (sound == NULL || sound->digit_code >= 0 || sound->digit_sounding) return;
    sound->digit_code = (int16_t)vg_rtp_event_code(symbol);
    sound->digit_live = 1;
    sound->digit_units = 0;
    sound->digit_ends = 0;
    sound->digit_total = 0xffff;
    vg_sound_wake(core, vg_leg_index(core, peer), now_us);
}

static void end_live(vg_leg *peer, uint32_t samples)
{
    vg_sound *sound = peer->sound;
    if (sound == NULL || !sound->digit_live) return;
    sound->digit_live = 0;
    if (samples > 0xffff) samples = 0xffff;
    sound->digit_total = samples > sound->digit_units ? samples : sound->digit_units;
}

static void detect(vg_core *core, int index, const int16_t *pcm, size_t n, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    vg_dtmf_event events[2 * VG_MAX_FRAME_SAMPLES / 240 + 2];
    size_t count = 0;
    vg_dtmf_process(leg->detector, pcm, n, events, sizeof events / sizeof *events, &count);
    for (size_t i = 0; i < count; i++) {
        int flags = VG_DIGIT_IN_BAND | (leg->peer != VG_NO_LEG ? VG_DIGIT_PASSED_ON : 0);
        int ended = events[i].kind == VG_DTMF_END;
        vg_leg *peer = events_to(core, leg);
        if (peer != NULL && ended) end_live(peer, events[i].duration_samples);
        if (peer != NULL && !ended) begin_live(core, peer, events[i].symbol, now_us);
        vg_core_event(core, ended ? VG_EVENT_DIGIT_ENDED : VG_EVENT_DIGIT_BEGAN, index, events[i].symbol, flags,
                      (int)(events[i].duration_samples / 8), now_us);
    }
}

void vg_sound_heard_pcm(vg_core *core, int index, const int16_t *pcm, size_t n, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    if (leg->record != NULL) vg_record_write(leg->record, leg->record_side, pcm, n, now_us);
    if (leg->detector != NULL) detect(core, index, pcm, n, now_us);
}

void vg_sound_heard(vg_core *core, int index, const uint8_t *octets, size_t n, int law, int64_t now_us)
{
    int16_t pcm[VG_MAX_FRAME_SAMPLES];
    while (n > 0) {
        size_t part = n > VG_MAX_FRAME_SAMPLES ? VG_MAX_FRAME_SAMPLES : n;
        vg_g711_decode(law, octets, part, pcm);
        vg_sound_heard_pcm(core, index, pcm, part, now_us);
        octets += part;
        n -= part;
    }
}
