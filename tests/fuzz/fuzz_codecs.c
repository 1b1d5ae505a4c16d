/* libFuzzer target: payloads of any length and content through every codec's decoder, what comes out through its encoder and
 * the resampler, cut anywhere. The first octet chooses the codec, the second the cut. */
#include <stdlib.h>

#include "vg_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void both_rates(vg_coder *coder, const int16_t *pcm, size_t n)
{
    int16_t *wide = malloc((2 * n + 2) * sizeof *wide), *narrow = malloc((n + 2) * sizeof *narrow);
    if (wide == NULL || narrow == NULL) abort();
    vg_upsample(&coder->up, pcm, n, wide);
    if (vg_downsample(&coder->down, wide, 2 * n, narrow) != n) abort();
    free(wide);
    free(narrow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    int codec = VG_CODEC_G722 + data[0] % (VG_CODECS - VG_CODEC_G722);
    size_t step = data[1] + 1u;
    vg_coder *coder = malloc(sizeof *coder);
    if (coder == NULL) abort();
    vg_coder_init(coder, codec);
    data += 2;
    size -= 2;
    while (size > 0) {
        size_t part = size < step ? size : step;
        uint8_t *payload = malloc(part), *back = malloc(VG_CODEC_PIECE * 4 + 8);
        int16_t *pcm = malloc(2 * VG_CODEC_PIECE * sizeof *pcm);
        if (payload == NULL || back == NULL || pcm == NULL) abort();
        for (size_t i = 0; i < part; i++) payload[i] = data[i];
        size_t used = 0, made = vg_coder_decode(coder, payload, part, pcm, &used);
        if (used > part || made > 2 * VG_CODEC_PIECE) abort();
        if (vg_coder_encode(coder, pcm, made, back) > VG_CODEC_PIECE * 4) abort();
        both_rates(coder, pcm, made);
        free(payload);
        free(back);
        free(pcm);
        data += part;
        size -= part;
    }
    free(coder);
    return 0;
}
