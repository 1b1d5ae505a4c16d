/* GSM full rate: 8 kHz audio in 13 kbit/s by RPE-LTP (ETSI EN 300 961, GSM 06.10), in the octets of RFC 3551 section 4.5.8.
 *
 * 160 samples of 16-bit linear sound, of which the upper 13 bits are used, become 260 bits, and with the signature 1101 before
 * them a frame of 33 octets, most significant bits first. Arithmetic is the standard's, in 16 and 32 bit with its saturation,
 * bit for bit. Encoder and decoder each have their own state, of one stream. Left out: the bad-frame substitution of GSM 06.11,
 * voice activity and comfort noise, and the other packing (WAV's 65 octets for two frames). */
#ifndef VG_GSM_H
#define VG_GSM_H

#include "vg_common.h"

/* cffi: begin */
#define VG_GSM_SAMPLES 160
#define VG_GSM_OCTETS 33

typedef struct {
    int16_t z1;         /* offset compensation */
    int16_t pad;
    int32_t z2;
    int16_t emphasis;   /* preemphasis: the last sample */
    int16_t larpp[8];   /* decoded log area ratios of the last frame */
    int16_t u[8];       /* short-term analysis filter */
    int16_t past[120];  /* reconstructed short-term residual, oldest first */
} vg_gsm_encoder;

typedef struct {
    int16_t larpp[8];
    int16_t v[9];       /* short-term synthesis filter */
    int16_t past[120];  /* as in the encoder */
    int16_t lag;        /* of the last sub-frame */
    int16_t deemphasis;
} vg_gsm_decoder;

void vg_gsm_encoder_init(vg_gsm_encoder *state);
void vg_gsm_decoder_init(vg_gsm_decoder *state);
/* 160 samples to 33 octets. */
void vg_gsm_encode(vg_gsm_encoder *state, const int16_t *pcm, uint8_t *octets);
/* 33 octets to 160 samples. VG_EMALFORMED: another signature; nothing has changed. */
int vg_gsm_decode(vg_gsm_decoder *state, const uint8_t *octets, int16_t *pcm);
/* cffi: end */

#endif
