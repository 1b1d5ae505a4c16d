#include "vg_g711.h"

/* Decoded values, computed as the ITU-T G.191 tool library defines them. */
static int16_t decode_alaw(uint8_t octet)
{
    int code = octet ^ 0x55;
    int exponent = (code >> 4) & 7;
    int mantissa = code & 15;
    int magnitude = exponent == 0 ? (mantissa << 4) + 8 : ((mantissa << 4) + 0x108) << (exponent - 1);
    return (int16_t)((code & 0x80) ? magnitude : -magnitude);
}

static int16_t decode_ulaw(uint8_t octet)
{
    int code = ~octet & 0xff;
    int exponent = (code >> 4) & 7;
    int magnitude = ((((code & 15) << 3) + 0x84) << exponent) - 0x84;
    return (int16_t)((code & 0x80) ? -magnitude : magnitude);
}

static uint8_t encode_alaw(int16_t sample)
{
    int value = sample < 0 ? (~sample) >> 4 : sample >> 4;   /* one's complement, 12-bit magnitude */
    if (value > 15) {
        int exponent = 1;
        while (value > 16 + 15) {
            value >>= 1;
            exponent++;
        }
        value = value - 16 + (exponent << 4);
    }
    if (sample >= 0) value |= 0x80;
    return (uint8_t)(value ^ 0x55);
}

static uint8_t encode_ulaw(int16_t sample)
{
    int magnitude = sample < 0 ? ((~sample) >> 2) + 33 : (sample >> 2) + 33;   /* 14 bits, biased */
    if (magnitude > 0x1fff) magnitude = 0x1fff;
    int exponent = 1;
    for (int rest = magnitude >> 6; rest != 0; rest >>= 1) exponent++;
    int low = (~(magnitude >> exponent)) & 15;
    return (uint8_t)(((8 - exponent) << 4) | low | (sample < 0 ? 0 : 0x80));
}

int vg_g711_encode(int law, const int16_t *pcm, size_t n, uint8_t *octets)
{
    if (law == VG_LAW_ALAW)
        for (size_t i = 0; i < n; i++) octets[i] = encode_alaw(pcm[i]);
    else if (law == VG_LAW_ULAW)
        for (size_t i = 0; i < n; i++) octets[i] = encode_ulaw(pcm[i]);
    else
        return VG_EINVAL;
    return VG_OK;
}

int vg_g711_decode(int law, const uint8_t *octets, size_t n, int16_t *pcm)
{
    if (law == VG_LAW_ALAW)
        for (size_t i = 0; i < n; i++) pcm[i] = decode_alaw(octets[i]);
    else if (law == VG_LAW_ULAW)
        for (size_t i = 0; i < n; i++) pcm[i] = decode_ulaw(octets[i]);
    else
        return VG_EINVAL;
    return VG_OK;
}

int vg_g711_convert(int law, const uint8_t *in, size_t n, uint8_t *out)
{
    if (law == VG_LAW_ALAW)
        for (size_t i = 0; i < n; i++) out[i] = encode_ulaw(decode_alaw(in[i]));
    else if (law == VG_LAW_ULAW)
        for (size_t i = 0; i < n; i++) out[i] = encode_alaw(decode_ulaw(in[i]));
    else
        return VG_EINVAL;
    return VG_OK;
}
