/* The media engine's core: a function of packets and time (RFC 3550, 3551, 4733).
 *
 * A core is a pool of legs. An RTP leg is a session with one peer; a line leg is the audio of a card, clocked by the card.
 * Legs are bridged in pairs: RTP to RTP is relayed at once, the payload untouched where both sides speak the same format,
 * G.711 converted by table and everything else by way of linear samples where not; what goes to a line passes a jitter buffer,
 * which holds G.711; what comes from a line leaves at once.
 *
 * There are no sockets, threads, clocks or logs here. Whoever owns the core calls it from one thread: commands through
 * vg_core_apply, packets, frames of a line, the time. What is to be sent is appended to a vector of outputs, valid until the
 * next input; what happened goes into a bounded ring that another thread may read. Times are microseconds of a clock that
 * never goes back. Packets are handled without allocation; commands may allocate. A leg that was
 * given keys sends SRTP and takes nothing else. Left out: concealment where there is no jitter buffer. */
#ifndef VG_CORE_H
#define VG_CORE_H

#include "vg_codec.h"
#include "vg_jitter.h"
#include "vg_rtcp.h"
#include "vg_rtp.h"
#include "vg_srtp.h"

/* cffi: begin */
#define VG_CHANNEL_RTP 0
#define VG_CHANNEL_RTCP 1
#define VG_CHANNEL_LINE 2

#define VG_DIRECTION_SEND 1
#define VG_DIRECTION_RECEIVE 2

#define VG_LATCH_AUTO 0       /* the IP address of the SDP; where that is private, the one that signalling came from */
#define VG_LATCH_SDP 1        /* the IP address of the SDP, only */
#define VG_LATCH_SIGNALLING 2 /* the IP address that signalling came from, only */
#define VG_LATCH_ANY 3        /* whoever shows four packets in sequence first */

#define VG_MAX_PACKET_OCTETS 1500
#define VG_MAX_FRAME_SAMPLES 480 /* 60 ms */

/* An internet address: family 4 uses the first four octets, 6 all of them, 0 is none. */
typedef struct {
    uint8_t ip[16];
    uint16_t port; /* host order */
    uint8_t family;
    uint8_t reserved;
} vg_address;

typedef struct {
    int32_t max_legs;
    int32_t jitter_depth_ms;    /* of a line or media leg, 0 to 500 */
    int32_t jitter_adaptive;    /* 1: the depth follows the arrivals */
    int32_t media_timeout_ms;   /* 0: none */
    int32_t police_packets_s;   /* packets a second that one stream may bring before it is policed; 0: none */
    int32_t events;             /* places of the event ring, a power of two */
    int32_t dtmf_profile;       /* VG_DTMF_... */
    int64_t utc_offset_us;      /* microseconds since 1900 at time 0 of the core's clock */
} vg_core_settings;

/* Commands. Fields that a command does not name are ignored. */
#define VG_CMD_OPEN_RTP 1     /* leg ssrc sequence timestamp seed local cname cname_length (rtp_fd rtcp_fd family: vg_io) */
#define VG_CMD_OPEN_LINE 2    /* leg codec frame_samples (rtp_fd: vg_io) */
#define VG_CMD_START 3        /* leg remote signalling codec clock_rate payload types ptime_ms direction latch in_band secure;
                                 srtp_send srtp_receive (taken over), NULL: as before */
#define VG_CMD_CLOSE 4        /* leg; answers with VG_EVENT_CLOSED */
#define VG_CMD_BRIDGE 5       /* leg other (the same: an echo); value 1: through jitter buffers even where a relay would do */
#define VG_CMD_UNBRIDGE 6     /* leg */
#define VG_CMD_PLAY_PCM 7     /* leg data (int16_t[length], taken over) length value: serial, flag: repeat */
#define VG_CMD_PLAY_TONES 8   /* leg data (vg_tones at its beginning, taken over) value: serial */
#define VG_CMD_STOP_PLAYING 9 /* leg */
#define VG_CMD_DETECT 10      /* leg flag */
#define VG_CMD_SEND_DIGIT 11  /* leg value: symbol, length: milliseconds */
#define VG_CMD_RECORD 12      /* leg other data (vg_record *, lent until VG_EVENT_RECORD_ENDED) value: serial */
#define VG_CMD_RECORD_OFF 13  /* leg */
#define VG_CMD_CAPTURE 14     /* data (vg_capture *, lent until VG_EVENT_CAPTURE_ENDED) or NULL */
#define VG_CMD_BYE 15         /* leg: sends RTCP BYE and stops; VG_CMD_CLOSE does so itself where it has not been done */

typedef struct {
    int32_t kind;
    int32_t leg;
    int32_t other;
    int32_t value;
    int32_t flag;
    uint32_t length;
    void *data;
    vg_address local;
    vg_address remote;
    vg_address signalling; /* family 0: as remote */
    uint32_t ssrc;
    uint32_t timestamp;
    uint32_t seed;
    uint16_t sequence;
    int16_t codec;
    int16_t send_payload_type;
    int16_t receive_payload_type;
    int16_t send_event_type;    /* telephone-event, -1: not negotiated */
    int16_t receive_event_type;
    int16_t ptime_ms;
    int16_t direction;          /* VG_DIRECTION_... together */
    int16_t latch;
    int16_t in_band;            /* look for digits in the sound even where telephone-event is negotiated */
    int16_t secure;             /* 1: SRTP and SRTCP only */
    int32_t frame_samples;
    int32_t clock_rate;
    vg_srtp *srtp_send;
    vg_srtp *srtp_receive;
    int32_t rtp_fd;
    int32_t rtcp_fd;
    uint8_t cname[24];
    int32_t cname_length;
} vg_command;

#define VG_EVENT_CLOSED 1         /* leg */
#define VG_EVENT_DIGIT_BEGAN 2    /* leg a: symbol, b: VG_DIGIT_... */
#define VG_EVENT_DIGIT_ENDED 3    /* leg a: symbol, b: VG_DIGIT_..., c: milliseconds */
#define VG_EVENT_PLAYED 4         /* leg a: serial */
#define VG_EVENT_STARTED 5        /* leg */
#define VG_EVENT_STOPPED 6        /* leg c: milliseconds without a packet */
#define VG_EVENT_RECORDED 7       /* a: serial; sound waits in the record */
#define VG_EVENT_RECORD_ENDED 8   /* a: serial; the core has let go of the record */
#define VG_EVENT_CAPTURE_ENDED 9  /* the core has let go of the capture */
#define VG_DIGIT_IN_BAND 1
#define VG_DIGIT_PASSED_ON 2

typedef struct {
    int32_t kind;
    int32_t leg;
    int32_t a;
    int32_t b;
    int32_t c;
    int32_t reserved;
    int64_t at_us;
} vg_event;

/* Why a packet was not used. */
#define VG_REJECT_TRUNCATED 0
#define VG_REJECT_MALFORMED 1    /* version, padding, extension */
#define VG_REJECT_SOURCE 2       /* from another address than agreed */
#define VG_REJECT_PAYLOAD_TYPE 3
#define VG_REJECT_SSRC 4         /* another source that has not yet shown two packets in sequence */
#define VG_REJECT_SEQUENCE 5     /* a wild jump */
#define VG_REJECT_POLICED 6      /* more packets than the stream may bring */
#define VG_REJECT_NOT_STARTED 7
#define VG_REJECT_DIRECTION 8    /* while we had said that we receive nothing */
#define VG_REJECT_OVERSIZED 9
#define VG_REJECT_RTCP 10        /* malformed RTCP */
#define VG_REJECT_STALE 11       /* from before a switch of the source, cannot be relayed in order any more */
#define VG_REJECT_AUTHENTICATION 12 /* not protected with the peer's key */
#define VG_REJECT_REPLAY 13      /* SRTP that has been, or is too old */
#define VG_REJECT_REASONS 14

typedef struct {
    uint64_t packets_sent;
    uint64_t octets_sent;         /* payload */
    uint64_t packets_received;
    uint64_t octets_received;
    uint64_t rtcp_sent;
    uint64_t rtcp_received;
    uint64_t comfort_noise;       /* packets of RFC 3389, not used */
    uint64_t ssrc_changes;
    uint64_t latched;             /* times that a source address was learnt */
    uint64_t unbridgeable;        /* packets whose format the other leg cannot take */
    uint64_t line_frames;
    uint64_t unprotected;         /* packets that were not sent since SRTP could not protect them */
    uint64_t rejected[14];
    int64_t packets_lost;
    int64_t round_trip_us;        /* -1: not known */
    uint32_t jitter_us;
    uint32_t remote_jitter_us;    /* as the peer reported it */
    int64_t remote_lost;
    vg_jitter_counters jitter;
    vg_address source;            /* where we accept packets from, family 0: not known yet */
    uint32_t ssrc;                /* of the peer */
} vg_leg_statistics;

typedef struct {
    int32_t leg;
    int32_t channel;
    vg_address to;
    uint32_t length;
    uint8_t *data; /* belongs to the core or to the input; valid until the next input */
} vg_output;

typedef struct vg_core vg_core;
typedef struct vg_record vg_record;
typedef struct vg_capture vg_capture;

/* NULL when memory is short or a setting is out of range. */
vg_core *vg_core_new(const vg_core_settings *settings);
void vg_core_free(vg_core *core);

/* VG_EINVAL: no such leg, or not in a state for this. Data that a command hands over is freed by the core in any case. */
int vg_core_apply(vg_core *core, const vg_command *command, int64_t now_us);
/* A packet of up to VG_MAX_PACKET_OCTETS for a leg. data is changed, has room for VG_SRTP_TRAILER_OCTETS more, and must stay
 * until the outputs are sent. */
void vg_core_packet(vg_core *core, int leg, int channel, uint8_t *data, size_t length, const vg_address *source,
                    int64_t now_us);
/* A frame of n octets from a line; writes the n octets that go back to it. VG_EINVAL: no line, or n out of range. */
int vg_core_line_frame(vg_core *core, int leg, const uint8_t *in, size_t n, uint8_t *out, int64_t now_us);
/* What is due. 1: the outputs are full, send them and call again; else 0. */
int vg_core_tick(vg_core *core, int64_t now_us);
/* When the next tick is wanted; INT64_MAX for never. */
int64_t vg_core_deadline(const vg_core *core);
/* The outputs since the last call of this. */
size_t vg_core_outputs(vg_core *core, const vg_output **outputs);
/* From any one thread: the next event, 1, or 0 for none. */
int vg_core_next_event(vg_core *core, vg_event *out);
uint64_t vg_core_events_lost(const vg_core *core);
/* Events since the core was made, modulo 2^32; from the core's thread. */
uint32_t vg_core_event_count(const vg_core *core);
/* From any thread; the counters may be of slightly different moments. */
int vg_core_statistics(const vg_core *core, int leg, vg_leg_statistics *out);
size_t vg_core_leg_octets(void);

/* Sound of two legs, aligned in time, as a ring of int16_t[2] frames at 8000 Hz; read by one other thread. */
vg_record *vg_record_new(uint32_t frames);
void vg_record_free(vg_record *record);
size_t vg_record_read(vg_record *record, int16_t *out, size_t frames);
uint64_t vg_record_lost(const vg_record *record);

/* Copies of packets in a ring of octets; read by one other thread. */
typedef struct {
    int64_t at_us;
    int32_t leg;
    int32_t channel;
    int32_t outgoing;
    uint32_t length;
    vg_address local;
    vg_address remote;
} vg_captured;
vg_capture *vg_capture_new(uint32_t octets);
void vg_capture_free(vg_capture *capture);
/* The next packet into out, which has room for VG_MAX_PACKET_OCTETS: 1, or 0 for none. */
int vg_capture_next(vg_capture *capture, vg_captured *about, uint8_t *out);
/* What the next packet is, which stays where it is: 1, or 0 for none. */
int vg_capture_peek(const vg_capture *capture, vg_captured *about);
uint64_t vg_capture_lost(const vg_capture *capture);

/* A copy of n octets that a command may hand over; NULL when memory is short. */
void *vg_core_copy(const void *data, size_t octets);
void vg_core_drop(void *copy);
/* cffi: end */

#endif
