#include "vg_codec.h"

#include <string.h>

static int g726_bits(int codec)
{
    if (codec < VG_CODEC_G726_16 || codec > VG_CODEC_AAL2_G726_40) return 0;
    return (codec - VG_CODEC_G726_16) % 4 + 2;
}

size_t vg_codec_octets(int codec, size_t ms)
{
    switch (codec) {
    case VG_CODEC_OPAQUE:
        return 0;
    case VG_CODEC_GSM:
        return ms / 20 * VG_GSM_OCTETS;
    case VG_CODEC_L16_8000:
        return 16 * ms;
    case VG_CODEC_L16_16000:
        return 32 * ms;
    default:
        return g726_bits(codec) ? (size_t)g726_bits(codec) * ms : 8 * ms;
    }
}

uint32_t vg_codec_units(int codec, size_t octets)
{
    if (codec == VG_CODEC_GSM) return (uint32_t)(octets / VG_GSM_OCTETS * VG_GSM_SAMPLES);
    if (codec == VG_CODEC_L16_8000 || codec == VG_CODEC_L16_16000) return (uint32_t)(octets / 2);
    return (uint32_t)(g726_bits(codec) ? 8 * octets / (size_t)g726_bits(codec) : octets);
}

int vg_codec_ptime(int codec, int ptime_ms)
{
    if (!vg_codec_coded(codec)) return ptime_ms;
    if (codec == VG_CODEC_GSM) ptime_ms = (ptime_ms + 19) / 20 * 20;
    int most = codec == VG_CODEC_L16_16000 ? 40 : 60; /* L16 of 16,000 Hz: 1280 octets */
    return ptime_ms > most ? most : ptime_ms;
}

void vg_coder_init(vg_coder *coder, int codec)
{
    memset(coder, 0, sizeof *coder);
    coder->codec = (uint8_t)codec;
    if (codec == VG_CODEC_G722) {
        vg_g722_init(&coder->encoder.g722, VG_G722_64K);
        vg_g722_init(&coder->decoder.g722, VG_G722_64K);
    } else if (codec == VG_CODEC_GSM) {
        vg_gsm_encoder_init(&coder->encoder.gsm);
        vg_gsm_decoder_init(&coder->decoder.gsm);
    } else if (g726_bits(codec)) {
        vg_g726_init(&coder->encoder.g726, g726_bits(codec), codec >= VG_CODEC_AAL2_G726_16);
        vg_g726_init(&coder->decoder.g726, g726_bits(codec), codec >= VG_CODEC_AAL2_G726_16);
    }
}

size_t vg_coder_decode(vg_coder *coder, const uint8_t *octets, size_t n, int16_t *pcm, size_t *used)
{
    size_t piece = vg_codec_octets(coder->codec, 20);
    if (n > piece) n = piece;
    *used = n;
    if (coder->codec == VG_CODEC_G722) {
        vg_g722_decode(&coder->decoder.g722, octets, n, pcm);
        return 2 * n;
    }
    if (coder->codec == VG_CODEC_GSM) {
        int good = n == VG_GSM_OCTETS && vg_gsm_decode(&coder->decoder.gsm, octets, pcm) == VG_OK;
        *used = good ? VG_GSM_OCTETS : 0;
        return good ? VG_GSM_SAMPLES : 0;
    }
    if (g726_bits(coder->codec)) return vg_g726_decode(&coder->decoder.g726, octets, n, pcm);
    size_t samples = n / 2;
    *used = 2 * samples;
    for (size_t i = 0; i < samples; i++) pcm[i] = (int16_t)(octets[2 * i] << 8 | octets[2 * i + 1]);
    return samples;
}

size_t vg_coder_encode(vg_coder *coder, const int16_t *pcm, size_t n, uint8_t *octets)
{
    if (coder->codec == VG_CODEC_G722) return vg_g722_encode(&coder->encoder.g722, pcm, n, octets);
    if (g726_bits(coder->codec)) return vg_g726_encode(&coder->encoder.g726, pcm, n, octets);
    if (coder->codec == VG_CODEC_GSM) {
        size_t frames = n / VG_GSM_SAMPLES;
        for (size_t i = 0; i < frames; i++)
            vg_gsm_encode(&coder->encoder.gsm, pcm + VG_GSM_SAMPLES * i, octets + VG_GSM_OCTETS * i);
        return frames * VG_GSM_OCTETS;
    }
    for (size_t i = 0; i < n; i++) {
        octets[2 * i] = (uint8_t)((uint16_t)pcm[i] >> 8);
        octets[2 * i + 1] = (uint8_t)pcm[i];
    }
    return 2 * n;
}
