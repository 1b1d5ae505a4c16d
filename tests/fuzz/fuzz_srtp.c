/* SRTP and SRTCP on any octets (libFuzzer): what is foreign is refused without a trace, what was protected comes back. */
#include <stdlib.h>
#include <string.h>

#include "vg_srtp.h"

static vg_srtp *make(int profile, size_t streams)
{
    static const uint8_t key[32] = {1, 2, 3}, salt[14] = {4, 5, 6};
    vg_srtp_keys keys;
    if (vg_srtp_derive(profile, key, salt, &keys) != VG_OK) abort();
    vg_srtp *srtp = vg_srtp_new(profile, &keys, streams);
    if (srtp == NULL) abort();
    return srtp;
}

/* A block of its own for every packet, so that a step beyond is seen. */
static uint8_t *copy(const uint8_t *data, size_t size, size_t room)
{
    uint8_t *block = malloc(room ? room : 1);
    if (block == NULL) abort();
    memcpy(block, data, size);
    return block;
}

static void foreign(vg_srtp *srtp, const uint8_t *data, size_t size, int rtcp)
{
    size_t length = 0;
    uint8_t *block = copy(data, size, size);
    int status = rtcp ? vg_srtp_unprotect_rtcp(srtp, block, size, &length) : vg_srtp_unprotect(srtp, block, size, &length);
    if (status == VG_OK) abort(); /* nobody guesses a tag of 32 bits and more */
    free(block);
}

static void ours(vg_srtp *sender, vg_srtp *receiver, const uint8_t *data, size_t size, int rtcp, size_t cut)
{
    size_t room = size + VG_SRTP_TRAILER_OCTETS - cut, length = 0, back = 0;
    if (room < size) room = size;
    uint8_t *block = copy(data, size, room);
    int status = rtcp ? vg_srtp_protect_rtcp(sender, block, size, room, &length)
                      : vg_srtp_protect(sender, block, size, room, &length);
    if (status == VG_OK) {
        status = rtcp ? vg_srtp_unprotect_rtcp(receiver, block, length, &back)
                      : vg_srtp_unprotect(receiver, block, length, &back);
        if (status != VG_OK && status != VG_EFULL) abort();
        if (status == VG_OK && (back != size || memcmp(block, data, size) != 0)) abort();
    }
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    int profile = data[0] % VG_SRTP_PROFILES;
    size_t streams = 1 + (data[0] >> 5), step = 1 + data[1];
    vg_srtp *sender = make(profile, streams), *receiver = make(profile, streams), *other = make(profile, streams);
    for (size_t at = 2; at < size;) {
        size_t part = size - at < step ? size - at : step;
        int rtcp = data[at] & 1;
        foreign(other, data + at, part, rtcp);
        foreign(other, data + at, part, !rtcp);
        ours(sender, receiver, data + at, part, rtcp, data[at] % (VG_SRTP_TRAILER_OCTETS + 1));
        at += part;
    }
    vg_srtp *heir = make(profile, streams);
    if (vg_srtp_inherit(heir, receiver) != VG_OK) abort();
    foreign(heir, data, size, data[1] & 1);
    vg_srtp_free(heir);
    vg_srtp_free(sender);
    vg_srtp_free(receiver);
    vg_srtp_free(other);
    return 0;
}
