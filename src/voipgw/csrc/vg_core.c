#include "vg_core_state.h"

#include <stdlib.h>
#include <string.h>

vg_core *vg_core_new(const vg_core_settings *settings)
{
    if (settings->max_legs < 1 || settings->jitter_depth_ms < 0 || settings->jitter_depth_ms > 500) return NULL;
    if (settings->events < 2 || (settings->events & (settings->events - 1)) != 0) return NULL;
    vg_core *core = calloc(1, sizeof *core);
    if (core == NULL) return NULL;
    core->settings = *settings;
    core->event_mask = (uint32_t)settings->events - 1;
    core->legs = calloc((size_t)settings->max_legs, sizeof *core->legs);
    core->due_us = calloc((size_t)settings->max_legs, sizeof *core->due_us);
    core->events = calloc((size_t)settings->events, sizeof *core->events);
    if (core->legs == NULL || core->due_us == NULL || core->events == NULL) {
        vg_core_free(core);
        return NULL;
    }
    return core;
}

void vg_core_free(vg_core *core)
{
    if (core == NULL) return;
    for (int i = 0; core->legs != NULL && i < core->high_leg; i++) {
        vg_sound_free(&core->legs[i]);
        vg_secure_free(&core->legs[i]);
        free(core->legs[i].jitter);
        free(core->legs[i].detector);
        free(core->legs[i].coder);
    }
    for (vg_spare_jitter *spare = core->spare_jitters, *next; spare != NULL; spare = next) {
        next = spare->next;
        free(spare);
    }
    free(core->legs);
    free(core->due_us);
    free(core->events);
    free(core);
}

void *vg_core_copy(const void *data, size_t octets)
{
    void *copy = malloc(octets ? octets : 1);
    if (copy != NULL) memcpy(copy, data, octets);
    return copy;
}

void vg_core_drop(void *copy)
{
    free(copy);
}

vg_leg *vg_core_leg(const vg_core *core, int leg)
{
    if (leg < 0 || leg >= core->settings.max_legs || core->legs[leg].kind == VG_LEG_FREE) return NULL;
    return &core->legs[leg];
}

int vg_leg_index(const vg_core *core, const vg_leg *leg)
{
    return (int)(leg - core->legs);
}

void vg_leg_due(vg_core *core, int index, int64_t at_us)
{
    if (at_us < core->due_us[index]) core->due_us[index] = at_us;
}

void vg_core_event(vg_core *core, int kind, int leg, int a, int b, int c, int64_t now_us)
{
    uint32_t head = core->event_head;
    if (head - __atomic_load_n(&core->event_tail, __ATOMIC_ACQUIRE) > core->event_mask) {
        core->events_lost++;
        return;
    }
    core->events[head & core->event_mask] =
        (vg_event){.kind = kind, .leg = leg, .a = a, .b = b, .c = c, .at_us = now_us};
    __atomic_store_n(&core->event_head, head + 1, __ATOMIC_RELEASE);
}

int vg_core_next_event(vg_core *core, vg_event *out)
{
    uint32_t tail = core->event_tail;
    if (tail == __atomic_load_n(&core->event_head, __ATOMIC_ACQUIRE)) return 0;
    *out = core->events[tail & core->event_mask];
    __atomic_store_n(&core->event_tail, tail + 1, __ATOMIC_RELEASE);
    return 1;
}

uint64_t vg_core_events_lost(const vg_core *core)
{
    return core->events_lost;
}

uint32_t vg_core_event_count(const vg_core *core)
{
    return core->event_head;
}

vg_sound *vg_leg_sound(vg_leg *leg)
{
    if (leg->sound == NULL) {
        leg->sound = calloc(1, sizeof *leg->sound);
        if (leg->sound != NULL) leg->sound->digit_code = -1;
    }
    return leg->sound;
}

vg_jitter *vg_leg_jitter(vg_core *core, vg_leg *leg, int depth_ms)
{
    if (leg->jitter == NULL && core->spare_jitters != NULL) {
        vg_spare_jitter *spare = core->spare_jitters;
        core->spare_jitters = spare->next;
        leg->jitter = (vg_jitter *)spare;
    } else if (leg->jitter == NULL) {
        leg->jitter = malloc(sizeof *leg->jitter);
        if (leg->jitter == NULL) return NULL;
    }
    vg_jitter_init(leg->jitter, leg->codec == VG_CODEC_ALAW ? VG_LAW_ALAW : VG_LAW_ULAW, (uint32_t)depth_ms * 8,
                   core->settings.jitter_adaptive);
    return leg->jitter;
}

/* Its memory is kept for the next leg, never unmapped: another thread may be reading its counters. */
static void spare_jitter(vg_core *core, vg_leg *leg)
{
    vg_spare_jitter *spare = (vg_spare_jitter *)leg->jitter;
    if (spare == NULL) return;
    leg->jitter = NULL;
    spare->next = core->spare_jitters;
    core->spare_jitters = spare;
}

static void add_counters(vg_jitter_counters *sum, const vg_jitter *jitter)
{
    sum->late += jitter->counters.late;
    sum->concealed += jitter->counters.concealed;
    sum->dropped += jitter->counters.dropped;
    sum->inserted += jitter->counters.inserted;
    sum->resets += jitter->counters.resets;
}

void vg_leg_pair(vg_core *core, vg_leg *leg)
{
    vg_leg *peer = vg_core_leg(core, leg->peer);
    leg->repack = 0;
    vg_convert_pair(leg, peer);
    if (peer == NULL || leg->kind != VG_LEG_RTP || peer->kind != VG_LEG_RTP || !leg->started || !peer->started) return;
    int g711 = leg->codec < VG_CODEC_OPAQUE && peer->codec < VG_CODEC_OPAQUE;
    int alike = leg->codec == peer->codec && vg_codec_coded(leg->codec);
    leg->repack = (g711 || alike) && leg->ptime_ms != peer->ptime_ms && vg_leg_sound(leg) != NULL;
}

static int open_leg(vg_core *core, const vg_command *command, int64_t now_us)
{
    int line = command->kind == VG_CMD_OPEN_LINE;
    if (command->leg < 0 || command->leg >= core->settings.max_legs) return VG_EINVAL;
    vg_leg *leg = &core->legs[command->leg];
    if (leg->kind != VG_LEG_FREE) return VG_EINVAL;
    if (line && (command->frame_samples < 1 || command->frame_samples > VG_MAX_FRAME_SAMPLES)) return VG_EINVAL;
    if (command->cname_length < 0 || command->cname_length > VG_CNAME_OCTETS) return VG_EINVAL;
    *leg = (vg_leg){
        .kind = line ? VG_LEG_LINE : VG_LEG_RTP,
        .codec = (uint8_t)command->codec,
        .direction = VG_DIRECTION_SEND | VG_DIRECTION_RECEIVE,
        .frame_samples = (uint16_t)command->frame_samples,
        .clock_rate = 8000,
        .ptime_ms = 20,
        .started = (uint8_t)line,
        .send_event_pt = -1,
        .receive_event_pt = -1,
        .peer = VG_NO_LEG,
        .local = command->local,
        .tx = {.ssrc = command->ssrc,
               .timestamp = command->timestamp,
               .sequence = (uint16_t)(command->sequence - 1)},
        .random = command->seed | 1,
        .round_trip_us = -1,
        .rtcp_next_us = VG_NEVER,
        .record_next_us = VG_NEVER,
        .silent_since_us = now_us,
        .cname_length = (uint8_t)command->cname_length,
    };
    memcpy(leg->cname, command->cname, sizeof leg->cname);
    core->due_us[command->leg] = VG_NEVER;
    core->open_legs++;
    if (command->leg >= core->high_leg) core->high_leg = command->leg + 1;
    return VG_OK;
}

static void part(vg_core *core, vg_leg *leg)
{
    vg_leg *peer = vg_core_leg(core, leg->peer);
    if (peer != NULL && leg->jitter != NULL) add_counters(&peer->jitter_before, leg->jitter);
    spare_jitter(core, leg);
    leg->peer = VG_NO_LEG;
    leg->tx.from = VG_FROM_NOTHING;
    leg->through_jitter = 0;
    leg->convert = 0;
    if (leg->sound != NULL) {
        leg->sound->packed = 0;
        leg->sound->packing = 0;
        if (leg->sound->digit_live) leg->sound->digit_total = leg->sound->digit_units + 1; /* nobody will say its end */
        leg->sound->digit_live = 0;
    }
    if (peer != NULL && peer != leg && core->legs + peer->peer == leg) part(core, peer);
}

/* Readies leg to hear other: a line through its jitter buffer, an RTP leg with room to pack a line's frames. */
static int ready(vg_core *core, vg_leg *leg, const vg_leg *other, int through_jitter)
{
    int both_rtp = leg->kind == VG_LEG_RTP && other->kind == VG_LEG_RTP;
    leg->through_jitter = (uint8_t)(both_rtp && through_jitter);
    if (vg_leg_sound(leg) == NULL && !both_rtp) return VG_EFULL;
    if (leg->kind == VG_LEG_RTP && !leg->through_jitter) return VG_OK;
    int depth_ms = core->settings.jitter_depth_ms;
    if (other->kind == VG_LEG_LINE) {
        int samples = leg->frame_samples > other->frame_samples ? leg->frame_samples : other->frame_samples;
        depth_ms = (samples + 7) / 8;
    }
    return vg_leg_jitter(core, leg, depth_ms) == NULL ? VG_EFULL : VG_OK;
}

static int bridge(vg_core *core, const vg_command *command, int64_t now_us)
{
    vg_leg *one = vg_core_leg(core, command->leg), *other = vg_core_leg(core, command->other);
    if (one == NULL || other == NULL) return VG_EINVAL;
    part(core, one);
    if (other != one) part(core, other); /* bridged to itself, a leg hears its own echo */
    int through = command->value == 1;
    if (ready(core, one, other, through) != VG_OK || ready(core, other, one, through) != VG_OK) return VG_EFULL;
    one->peer = command->other;
    other->peer = command->leg;
    vg_leg_pair(core, one);
    vg_leg_pair(core, other);
    vg_sound_wake(core, command->leg, now_us);
    vg_sound_wake(core, command->other, now_us);
    return VG_OK;
}

static void record_off(vg_core *core, vg_leg *leg, int64_t now_us)
{
    vg_record *record = leg->record;
    if (record == NULL) return;
    leg->record = NULL;
    leg->record_next_us = VG_NEVER;
    if (vg_record_detach(record) == 0) {
        vg_record_commit(record, VG_NEVER);
        vg_core_event(core, VG_EVENT_RECORD_ENDED, -1, vg_record_serial(record), 0, 0, now_us);
    }
}

static int record_on(vg_core *core, const vg_command *command, int64_t now_us)
{
    vg_leg *legs[2] = {vg_core_leg(core, command->leg), vg_core_leg(core, command->other)};
    if (legs[0] == NULL || legs[1] == NULL || legs[0] == legs[1]) {
        vg_core_event(core, VG_EVENT_RECORD_ENDED, -1, command->value, 0, 0, now_us);
        return VG_EINVAL;
    }
    vg_record_attach(command->data, now_us, command->value);
    for (int side = 0; side < 2; side++) {
        record_off(core, legs[side], now_us);
        legs[side]->record = command->data;
        vg_leg_coder(legs[side]);
        legs[side]->record_side = side;
        legs[side]->record_next_us = now_us + VG_RECORD_US;
        vg_leg_due(core, vg_leg_index(core, legs[side]), legs[side]->record_next_us);
    }
    return VG_OK;
}

static void say_bye(vg_core *core, vg_leg *leg, int64_t now_us)
{
    if (leg->kind != VG_LEG_RTP || !leg->started) return;
    vg_send_rtcp(core, leg, 1, now_us);
    leg->started = 0;
}

static void close_leg(vg_core *core, int index, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    record_off(core, leg, now_us);
    part(core, leg);
    say_bye(core, leg, now_us);
    vg_sound_detect(core, leg, 0);
    vg_sound_free(leg);
    vg_secure_free(leg);
    free(leg->coder);
    leg->coder = NULL;
    leg->kind = VG_LEG_FREE;
    core->due_us[index] = VG_NEVER;
    core->open_legs--;
    vg_core_event(core, VG_EVENT_CLOSED, index, 0, 0, 0, now_us);
}

static void set_capture(vg_core *core, vg_capture *capture, int64_t now_us)
{
    if (core->capture != NULL) vg_core_event(core, VG_EVENT_CAPTURE_ENDED, -1, 0, 0, 0, now_us);
    core->capture = capture;
}

static int start(vg_core *core, vg_leg *leg, const vg_command *command, int64_t now_us)
{
    int known = command->codec >= 0 && command->codec < VG_CODECS;
    if (leg == NULL || leg->kind != VG_LEG_RTP || command->clock_rate < 1000 || command->ptime_ms < 5 || !known) {
        vg_secure_drop(command);
        return VG_EINVAL;
    }
    if (vg_secure_start(leg, command) != VG_OK) return VG_EINVAL;
    vg_receive_start(core, leg, command, now_us);
    return VG_OK;
}

int vg_core_apply(vg_core *core, const vg_command *command, int64_t now_us)
{
    switch (command->kind) {
    case VG_CMD_OPEN_RTP:
    case VG_CMD_OPEN_LINE:
        return open_leg(core, command, now_us);
    case VG_CMD_BRIDGE:
        return bridge(core, command, now_us);
    case VG_CMD_RECORD:
        return record_on(core, command, now_us);
    case VG_CMD_PLAY_PCM:
    case VG_CMD_PLAY_TONES:
        return vg_sound_play(core, command->leg, command, now_us);
    case VG_CMD_CAPTURE:
        set_capture(core, command->data, now_us);
        return VG_OK;
    default:
        break;
    }
    vg_leg *leg = vg_core_leg(core, command->leg);
    if (command->kind == VG_CMD_START) return start(core, leg, command, now_us);
    if (leg == NULL) return VG_EINVAL;
    switch (command->kind) {
    case VG_CMD_BYE:
        say_bye(core, leg, now_us);
        return VG_OK;
    case VG_CMD_CLOSE:
        close_leg(core, command->leg, now_us);
        return VG_OK;
    case VG_CMD_UNBRIDGE:
        part(core, leg);
        return VG_OK;
    case VG_CMD_STOP_PLAYING:
        if (leg->sound != NULL) vg_sound_stop(leg->sound);
        return VG_OK;
    case VG_CMD_DETECT:
        vg_sound_detect(core, leg, command->flag);
        return VG_OK;
    case VG_CMD_SEND_DIGIT:
        return vg_sound_digit(core, command->leg, command->value, command->length, now_us);
    case VG_CMD_RECORD_OFF:
        record_off(core, leg, now_us);
        return VG_OK;
    default:
        return VG_EINVAL;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Everything of one leg that time brings on. */
static void serve(vg_core *core, int index, int64_t now_us)
{
    vg_leg *leg = &core->legs[index];
    core->due_us[index] = VG_NEVER;
    int64_t next = vg_sound_clock(core, index, now_us);
    if (leg->kind == VG_LEG_RTP && leg->started) {
        if (now_us >= leg->rtcp_next_us) {
            vg_send_rtcp(core, leg, 0, now_us);
            vg_rtcp_schedule(leg, now_us, 0);
        }
        next = earlier(next, leg->rtcp_next_us);
        next = earlier(next, vg_receive_timeouts(core, index, now_us));
    }
    if (leg->record != NULL) {
        if (now_us >= leg->record_next_us) {
            leg->record_next_us = now_us + VG_RECORD_US;
            if (leg->record_side == 0) {
                vg_record_commit(leg->record, now_us);
                if (vg_record_waiting(leg->record) > 0)
                    vg_core_event(core, VG_EVENT_RECORDED, -1, vg_record_serial(leg->record), 0, 0, now_us);
            }
        }
        next = earlier(next, leg->record_next_us);
    }
    vg_leg_due(core, index, next);
}

int vg_core_tick(vg_core *core, int64_t now_us)
{
    for (int i = core->tick_cursor; i < core->high_leg; i++) {
        if (core->due_us[i] > now_us || core->legs[i].kind == VG_LEG_FREE) continue;
        if (core->output_count > VG_MAX_OUTPUTS - 16 || core->arena_used > VG_ARENA_OCTETS - 8192) {
            core->tick_cursor = i;
            return 1;
        }
        serve(core, i, now_us);
    }
    core->tick_cursor = 0;
    return 0;
}

int64_t vg_core_deadline(const vg_core *core)
{
    int64_t next = VG_NEVER;
    for (int i = 0; i < core->high_leg; i++)
        if (core->legs[i].kind != VG_LEG_FREE) next = earlier(next, core->due_us[i]);
    return next;
}

size_t vg_core_outputs(vg_core *core, const vg_output **outputs)
{
    size_t count = core->output_count;
    *outputs = core->outputs;
    core->output_count = 0;
    core->arena_used = 0;
    return count;
}

int vg_core_statistics(const vg_core *core, int index, vg_leg_statistics *out)
{
    const vg_leg *leg = vg_core_leg(core, index);
    if (leg == NULL) return VG_EINVAL;
    uint32_t rate = (uint32_t)leg->clock_rate;
    *out = (vg_leg_statistics){
        .packets_sent = leg->tx.packets,
        .octets_sent = leg->tx.octets,
        .packets_received = leg->packets_received,
        .octets_received = leg->octets_received,
        .rtcp_sent = leg->rtcp_sent,
        .rtcp_received = leg->rtcp_received,
        .comfort_noise = leg->comfort_noise,
        .ssrc_changes = leg->ssrc_changes,
        .latched = leg->latched,
        .unbridgeable = leg->unbridgeable,
        .line_frames = leg->line_frames,
        .unprotected = leg->unprotected,
        .packets_lost = vg_rtp_source_lost(&leg->rx),
        .round_trip_us = leg->round_trip_us,
        .jitter_us = (uint32_t)((uint64_t)leg->rx.jitter_q4 * 1000000 / 16 / rate),
        .remote_jitter_us = (uint32_t)((uint64_t)leg->remote_jitter * 1000000 / rate),
        .remote_lost = leg->remote_lost,
        .source = leg->source,
        .ssrc = leg->rx.ssrc,
    };
    memcpy(out->rejected, leg->rejected, sizeof out->rejected);
    /* What was received on this leg waits in the jitter buffer of whom it plays to. */
    const vg_leg *peer = vg_core_leg(core, leg->peer);
    const vg_jitter *jitter = peer != NULL ? peer->jitter : NULL;
    out->jitter = leg->jitter_before;
    if (jitter != NULL) add_counters(&out->jitter, jitter);
    return VG_OK;
}

size_t vg_core_leg_octets(void)
{
    return sizeof(vg_leg) + sizeof(int64_t);
}
