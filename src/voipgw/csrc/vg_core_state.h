/* What the units of the media engine's core share; nobody else includes it. */
#ifndef VG_CORE_STATE_H
#define VG_CORE_STATE_H

#include "vg_core.h"
#include "vg_dtmf.h"
#include "vg_g711.h"
#include "vg_tones.h"

#define VG_NO_LEG -1
#define VG_MAX_OUTPUTS 512
#define VG_ARENA_OCTETS (VG_MAX_OUTPUTS * 256)
#define VG_TICK_US 10000
#define VG_NEVER INT64_MAX
#define VG_RECORD_US 200000 /* how often recorded sound is handed over */
#define VG_DIGIT_QUEUE 32
#define VG_DIGIT_PAUSE_US 60000
#define VG_EVENT_TIMEOUT_US 200000
#define VG_PT_COMFORT_NOISE 13
#define VG_MAX_CODED_OCTETS 1280 /* of a payload that we make */

enum { VG_LEG_FREE, VG_LEG_RTP, VG_LEG_LINE };
enum { VG_FROM_NOTHING, VG_FROM_RELAY, VG_FROM_LINE, VG_FROM_PLAYER };
enum { VG_PLAY_NOTHING, VG_PLAY_PCM, VG_PLAY_TONES };

/* What we send: one SSRC with sequence numbers without a hole of our own making, whatever it is made from. */
typedef struct {
    uint32_t ssrc;
    uint32_t timestamp;      /* of the newest packet sent; before the first, the first's */
    uint32_t samples;        /* of the newest packet, timestamp units */
    uint32_t timestamp_shift; /* relay: ours less theirs */
    uint16_t sequence;       /* of the newest packet sent; before the first, the first's less one */
    uint16_t sequence_shift; /* relay: ours less theirs */
    uint16_t relay_base;     /* relay: sequence number of theirs before which nothing can be relayed any more */
    uint16_t relay_max;      /* relay: newest of theirs */
    uint8_t from;            /* VG_FROM_... of the newest packet */
    uint8_t started;         /* something has been sent */
    uint8_t guard;           /* relay: relay_base is to be looked at */
    uint32_t relay_epoch;    /* of the source being relayed */
    int64_t last_us;
    uint64_t packets;
    uint64_t octets;
} vg_sender;

typedef struct {
    uint32_t timestamp;      /* of the event being received, or of the one that ended last */
    uint32_t base;           /* units in segments that are complete (RFC 4733 section 2.5.1.3) */
    uint16_t duration;
    uint8_t event;
    uint8_t active;
    uint8_t seen;            /* timestamp is valid */
    uint8_t passed_on;
    int64_t last_us;
} vg_event_receiver;

/* What sound a leg makes for its party, beyond relaying; allocated by the first command that needs it. */
typedef struct {
    uint8_t play;            /* VG_PLAY_... */
    uint8_t repeat;
    int32_t serial;
    void *data;              /* int16_t[length], or a vg_tones */
    uint32_t length;
    uint32_t at;

    char digits[VG_DIGIT_QUEUE];
    uint16_t digit_ms[VG_DIGIT_QUEUE];
    uint8_t digit_count;
    uint8_t digit_ends;      /* end packets still to be sent */
    int16_t digit_code;      /* being sent as event; -1: none */
    uint8_t digit_sounding;  /* being sent as sound */
    uint8_t digit_live;      /* being sent as event while the bridged party's tone sounds */
    uint32_t digit_timestamp;
    uint32_t digit_units;    /* sent so far, or samples so far */
    uint32_t digit_total;
    int64_t digit_next_us;
    vg_dtmf_tone digit_tone;

    uint16_t packed;         /* octets in pack */
    uint8_t packing;         /* pack_next is valid */
    uint32_t pack_next;      /* timestamp of theirs that follows what is packed */
    uint8_t pack[VG_MAX_FRAME_SAMPLES];
    int64_t clock_us;        /* RTP legs: when the next frame is due; 0: the clock stands */
    uint32_t line_time;      /* sample count of the peer line, the timestamps of a line-to-line bridge */
} vg_sound;

typedef struct {
    uint8_t kind;            /* VG_LEG_... */
    uint8_t started;
    uint8_t codec;           /* of RTP sent and received, or the line's law */
    uint8_t direction;
    uint8_t latch;
    uint8_t in_band;
    uint8_t detect;
    uint8_t through_jitter;  /* RTP leg: its peer's sound goes through jitter and its clock */
    uint8_t repack;          /* RTP leg: its peer's packets are of another length */
    uint8_t heard;           /* STARTED has been said */
    uint8_t stopped;         /* STOPPED has been said for this silence */
    uint8_t source_fixed;    /* source is where packets come from, proven */
    uint8_t secure;          /* SRTP and SRTCP only */
    int32_t peer;
    int32_t record_side;     /* 0 left, 1 right */
    vg_record *record;

    int16_t send_pt, receive_pt, send_event_pt, receive_event_pt;
    uint16_t ptime_ms;
    uint16_t frame_samples;
    int32_t clock_rate;
    uint32_t epoch;          /* grows with every change of the source we receive */
    vg_address remote;       /* of the SDP */
    vg_address allowed;      /* IP address packets may come from (port not looked at); family 0: any */
    vg_address source;       /* where they do come from, and are sent to */
    vg_address rtcp_to;
    vg_address local;

    vg_address candidate;    /* a source being watched before it is learnt */
    uint32_t candidate_ssrc;
    uint16_t candidate_sequence;
    uint8_t candidate_count;
    uint8_t port_learnt;

    vg_rtp_source rx;
    uint32_t new_ssrc;       /* another SSRC seen once */
    uint16_t new_sequence;
    uint8_t new_seen;
    uint8_t fresh;           /* the next sound is the first of a source */
    vg_event_receiver event;
    int64_t last_packet_us;
    int64_t silent_since_us;
    int32_t tokens;          /* policing, in thousandths of a packet */
    int64_t tokens_us;
    uint64_t packets_received, octets_received, comfort_noise, ssrc_changes, latched, unbridgeable, line_frames;
    uint64_t unprotected;
    uint64_t rejected[VG_REJECT_REASONS];

    vg_srtp *srtp_send;
    vg_srtp *srtp_receive;
    vg_srtp *srtp_before;    /* the key before, until a packet under srtp_receive has come */

    vg_sender tx;
    uint32_t random;
    int64_t rtcp_next_us;
    int64_t sr_received_us;
    int64_t record_next_us;
    uint32_t sr_middle;
    uint64_t rtcp_sent, rtcp_received;
    uint64_t reported_packets;
    int64_t round_trip_us;
    uint32_t remote_jitter;
    int32_t remote_lost;
    uint8_t cname_length;
    uint8_t cname[VG_CNAME_OCTETS];

    vg_sound *sound;
    vg_jitter *jitter;       /* what this leg's party is to hear, while bridged */
    vg_jitter_counters jitter_before; /* of sound received here, from bridges that are over */
    vg_dtmf *detector;       /* while its sound is looked at for digits */
    vg_coder *coder;         /* of a codec that needs one, from when it is first needed */
    uint32_t time_last;      /* of a clock faster than 8000 Hz: timestamp of the newest packet, and what it is at 8000 Hz */
    uint32_t time_narrow;
    uint8_t time_seen;
    uint8_t convert;         /* RTP leg: what its party says is decoded for the peer */
} vg_leg;

typedef struct vg_spare_jitter {
    struct vg_spare_jitter *next;
} vg_spare_jitter;

struct vg_core {
    vg_core_settings settings;
    vg_leg *legs;
    int32_t open_legs;
    int32_t high_leg;        /* legs from here on have never been open */
    int32_t tick_cursor;     /* where an interrupted tick goes on */
    int64_t *due_us;         /* when each leg wants to be looked at, compact since every tick reads it */
    vg_output outputs[VG_MAX_OUTPUTS];
    size_t output_count;
    size_t outputs_taken;
    uint8_t arena[VG_ARENA_OCTETS];
    size_t arena_used;
    vg_spare_jitter *spare_jitters;
    vg_capture *capture;
    vg_event *events;
    uint32_t event_mask;
    uint32_t event_head;     /* written by the core */
    uint32_t event_tail;     /* written by the reader */
    uint64_t events_lost;
};

/* vg_core.c */
vg_leg *vg_core_leg(const vg_core *core, int leg);
void vg_core_event(vg_core *core, int kind, int leg, int a, int b, int c, int64_t now_us);
vg_sound *vg_leg_sound(vg_leg *leg);
void vg_leg_pair(vg_core *core, vg_leg *leg); /* what the formats of leg and its peer mean for their bridge */
vg_jitter *vg_leg_jitter(vg_core *core, vg_leg *leg, int depth_ms);
void vg_leg_due(vg_core *core, int index, int64_t at_us); /* look at the leg then, or earlier */
int vg_leg_index(const vg_core *core, const vg_leg *leg);

/* vg_core_send.c: what leaves on RTP legs */
uint8_t *vg_output_room(vg_core *core, size_t octets);
void vg_output_add(vg_core *core, vg_leg *leg, int channel, const vg_address *to, uint8_t *data, size_t length,
                   int64_t now_us);
void vg_send_relayed(vg_core *core, vg_leg *to, const vg_leg *from, const vg_rtp_header *header, uint8_t *data, int event,
                     uint32_t samples, int64_t now_us);
/* samples: of RTP's clock. */
void vg_send_sound(vg_core *core, vg_leg *leg, const uint8_t *octets, size_t n, uint32_t samples, int from, int64_t now_us);
void vg_send_packed(vg_core *core, vg_leg *leg, const uint8_t *octets, size_t n, int64_t now_us);
void vg_send_repacked(vg_core *core, vg_leg *to, const vg_leg *from, uint32_t timestamp, const uint8_t *octets, size_t n,
                      int64_t now_us);
void vg_send_event(vg_core *core, vg_leg *leg, int64_t now_us);
void vg_send_rtcp(vg_core *core, vg_leg *leg, int bye, int64_t now_us);
uint32_t vg_sender_time(const vg_leg *leg, int64_t now_us);
void vg_rtcp_schedule(vg_leg *leg, int64_t now_us, int first);

/* vg_core_receive.c */
int64_t vg_receive_timeouts(vg_core *core, int index, int64_t now_us); /* when it wants to be called next */
void vg_receive_start(vg_core *core, vg_leg *leg, const vg_command *command, int64_t now_us);

/* vg_core_srtp.c: the keys of a leg */
int vg_secure_start(vg_leg *leg, const vg_command *command); /* takes the keys of the command over in any case */
void vg_secure_drop(const vg_command *command);              /* frees the keys of a command that cannot be carried out */
void vg_secure_free(vg_leg *leg);
int vg_secure_open(vg_leg *leg, int rtcp, uint8_t *data, size_t *length); /* VG_OK, or VG_REJECT_... + 1 */
int vg_secure_seal(vg_leg *leg, int channel, uint8_t *data, size_t *length);

/* vg_core_sound.c: what a party hears that is not relayed */
int vg_sound_active(const vg_leg *leg);
/* n octets in the leg's law for its party. */
void vg_sound_produce(vg_core *core, int index, uint8_t *out, size_t n, int64_t now_us);
int vg_sound_play(vg_core *core, int index, const vg_command *command, int64_t now_us);
void vg_sound_stop(vg_sound *sound);
int vg_sound_digit(vg_core *core, int index, int symbol, uint32_t ms, int64_t now_us);
void vg_sound_wake(vg_core *core, int index, int64_t now_us); /* starts an RTP leg's clock where it is needed */
void vg_sound_free(vg_leg *leg);
int64_t vg_sound_clock(vg_core *core, int index, int64_t now_us); /* when it wants to be called next */
/* Sound that a party made: recorded, looked at for digits. */
void vg_sound_heard(vg_core *core, int index, const uint8_t *octets, size_t n, int law, int64_t now_us);
void vg_sound_heard_pcm(vg_core *core, int index, const int16_t *pcm, size_t n, int64_t now_us); /* n at most 20 ms */
void vg_sound_detect(vg_core *core, vg_leg *leg, int on);

/* vg_core_convert.c: codecs other than G.711 */
vg_coder *vg_leg_coder(vg_leg *leg);             /* NULL where there is no memory or no need; from a command only */
void vg_convert_restart(vg_leg *leg);            /* after its codec changed */
void vg_convert_pair(vg_leg *leg, vg_leg *peer); /* what the formats of leg and its peer mean for what leg's party says */
void vg_convert_received(vg_core *core, int index, uint32_t timestamp, const uint8_t *payload, size_t n, int64_t now_us);
/* n samples at 8000 Hz for the party of a coded leg, packed into its packets. */
void vg_convert_send(vg_core *core, vg_leg *leg, const int16_t *pcm, size_t n, int from, int64_t now_us);

/* vg_record.c */
void vg_record_write(vg_record *record, int side, const int16_t *pcm, size_t n, int64_t now_us);
void vg_record_commit(vg_record *record, int64_t now_us);
void vg_record_attach(vg_record *record, int64_t now_us, int32_t serial);
int vg_record_detach(vg_record *record); /* sides that still write */
int32_t vg_record_serial(const vg_record *record);
size_t vg_record_waiting(const vg_record *record);
void vg_capture_put(vg_capture *capture, const vg_captured *about, const uint8_t *data);

#endif
