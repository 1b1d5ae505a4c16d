/* G.711 pulse code modulation, A-law and mu-law (ITU-T G.711).
 *
 * Encoding takes 16-bit linear samples as the ITU-T G.191 tool library does: A-law uses the upper 13 bits, mu-law the
 * upper 14. Octets are those of the wire: A-law with even bits inverted, mu-law inverted. A full-scale sine is +3.14
 * dBm0 in A-law and +3.17 dBm0 in mu-law. No state. On x86-64 AVX2 is used where the machine has it; -DVG_PLAIN builds without
 * any SIMD of our own, in this and the other signal units, and gives the same bits. */
#ifndef VG_G711_H
#define VG_G711_H

#include "vg_common.h"

/* cffi: begin */
#define VG_LAW_ULAW 0
#define VG_LAW_ALAW 1

/* n samples to n octets and back; law is VG_LAW_ULAW or VG_LAW_ALAW. VG_EINVAL for another law. */
int vg_g711_encode(int law, const int16_t *pcm, size_t n, uint8_t *octets);
int vg_g711_decode(int law, const uint8_t *octets, size_t n, int16_t *pcm);
/* From one law to the other by the shortest way through linear (G.711 tables 3 and 4); law is that of the input. */
int vg_g711_convert(int law, const uint8_t *in, size_t n, uint8_t *out);
/* cffi: end */

#endif
