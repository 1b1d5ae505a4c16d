/* The codecs that the media engine converts between, by number: rates, sizes, and one coder for all of them.
 *
 * A coder is the two directions of one stream; sound goes in and out at the codec's own sample rate, or at 8000 Hz, for which
 * the wide-band codecs' sound is resampled (vg_resample.h). G.711 has no coder: it needs none. Left out: concealment. */
#ifndef VG_CODEC_H
#define VG_CODEC_H

#include "vg_g722.h"
#include "vg_g726.h"
#include "vg_gsm.h"
#include "vg_resample.h"

/* cffi: begin */
#define VG_CODEC_ULAW 0   /* equal to VG_LAW_ULAW and VG_LAW_ALAW */
#define VG_CODEC_ALAW 1
#define VG_CODEC_OPAQUE 2 /* relayed to its like, not played, recorded or converted */
#define VG_CODEC_G722 3
#define VG_CODEC_G726_16 4
#define VG_CODEC_G726_24 5
#define VG_CODEC_G726_32 6
#define VG_CODEC_G726_40 7
#define VG_CODEC_AAL2_G726_16 8
#define VG_CODEC_AAL2_G726_24 9
#define VG_CODEC_AAL2_G726_32 10
#define VG_CODEC_AAL2_G726_40 11
#define VG_CODEC_L16_8000 12
#define VG_CODEC_L16_16000 13
#define VG_CODEC_GSM 14
/* cffi: end */
#define VG_CODECS 15

#define VG_CODEC_PIECE 160 /* samples at 8000 Hz that are decoded at a time: 20 ms */

typedef struct {
    uint8_t codec;
    union {
        vg_g722 g722;
        vg_g726 g726;
        vg_gsm_encoder gsm;
    } encoder;
    union {
        vg_g722 g722;
        vg_g726 g726;
        vg_gsm_decoder gsm;
    } decoder;
    vg_upsampler up;     /* of what is sent */
    vg_downsampler down; /* of what was received */
    uint16_t packed;     /* samples in pack */
    int16_t pack[960];   /* sound that waits for the rest of its packet, at the codec's rate: 60 ms of 16,000 Hz */
} vg_coder;

/* Whether sound of this codec needs a coder. */
static inline int vg_codec_coded(int codec)
{
    return codec > VG_CODEC_OPAQUE && codec < VG_CODECS;
}

/* 2 for a codec of 16,000 samples a second, 1 for 8000. */
static inline size_t vg_codec_width(int codec)
{
    return codec == VG_CODEC_G722 || codec == VG_CODEC_L16_16000 ? 2 : 1;
}

/* RTP timestamp units in a sample time of 8000 Hz. */
static inline uint32_t vg_codec_clock(int codec)
{
    return codec == VG_CODEC_L16_16000 ? 2 : 1;
}

/* Octets of so many milliseconds; 0 for opaque. */
size_t vg_codec_octets(int codec, size_t ms);
/* RTP timestamp units of so many octets; as many as octets for opaque, where it is not known. */
uint32_t vg_codec_units(int codec, size_t octets);
/* The length of packets to be sent, in ms, where the party wants packets of ptime_ms: within what the codec and a packet allow. */
int vg_codec_ptime(int codec, int ptime_ms);

void vg_coder_init(vg_coder *coder, int codec);
/* Up to 20 ms of a payload to samples at the codec's rate, at most 2 * VG_CODEC_PIECE of them; *used: octets taken, 0 when what is
 * left of the payload is no code of this codec. Returns the samples. */
size_t vg_coder_decode(vg_coder *coder, const uint8_t *octets, size_t n, int16_t *pcm, size_t *used);
/* n samples at the codec's rate, a whole number of its frames, to octets. Returns how many. */
size_t vg_coder_encode(vg_coder *coder, const int16_t *pcm, size_t n, uint8_t *octets);

#endif
