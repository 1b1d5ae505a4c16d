/* The cost of protecting and unprotecting one RTP packet of 12 + 160 octets by vg_srtp; bench_srtp.py builds and runs it.
 *
 *   srtp_cost [PACKETS] [REPEATS]     medians of CPU microseconds a packet, one JSON object a profile */
#include "vg_srtp.h"

#include "vg_rtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAYLOAD 160
#define SLOT 256

static const char *names[VG_SRTP_PROFILES] = {"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32",
                                              "AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32",
                                              "AEAD_AES_128_GCM",        "AEAD_AES_256_GCM"};

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static vg_srtp *make(int profile)
{
    uint8_t key[32] = {1, 2, 3}, salt[14] = {4, 5, 6};
    vg_srtp_keys keys;
    vg_srtp_derive(profile, key, salt, &keys);
    return vg_srtp_new(profile, &keys, 4);
}

int main(int argc, char **argv)
{
    int packets = argc > 1 ? atoi(argv[1]) : 20000, repeats = argc > 2 ? atoi(argv[2]) : 15;
    uint8_t *slots = malloc((size_t)packets * SLOT);
    size_t *lengths = malloc((size_t)packets * sizeof *lengths);
    double sent[64], received[64];
    if (slots == NULL || lengths == NULL || repeats < 1 || repeats > 64) return 1;
    for (int profile = 0; profile < VG_SRTP_PROFILES; profile++) {
        for (int r = 0; r < repeats; r++) {
            vg_srtp *sender = make(profile), *receiver = make(profile);
            for (int i = 0; i < packets; i++) {
                vg_rtp_write_header(slots + (size_t)i * SLOT, 0, 0, (uint16_t)i, (uint32_t)i * PAYLOAD, 0x1234);
                memset(slots + (size_t)i * SLOT + VG_RTP_HEADER_OCTETS, 0xd5, PAYLOAD);
            }
            double begin = cpu_us();
            for (int i = 0; i < packets; i++)
                if (vg_srtp_protect(sender, slots + (size_t)i * SLOT, VG_RTP_HEADER_OCTETS + PAYLOAD, SLOT, &lengths[i])) return 1;
            double middle = cpu_us();
            for (int i = 0; i < packets; i++)
                if (vg_srtp_unprotect(receiver, slots + (size_t)i * SLOT, lengths[i], &lengths[i])) return 1;
            sent[r] = (middle - begin) / packets;
            received[r] = (cpu_us() - middle) / packets;
            vg_srtp_free(sender);
            vg_srtp_free(receiver);
        }
        qsort(sent, (size_t)repeats, sizeof *sent, ascending);
        qsort(received, (size_t)repeats, sizeof *received, ascending);
        printf("{\"profile\": \"%s\", \"protect_us\": %.3f, \"unprotect_us\": %.3f, \"least_protect_us\": %.3f, "
               "\"least_unprotect_us\": %.3f}\n",
               names[profile], sent[repeats / 2], received[repeats / 2], sent[0], received[0]);
    }
    free(slots);
    free(lengths);
    return 0;
}
