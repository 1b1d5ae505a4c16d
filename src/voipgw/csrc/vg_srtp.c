#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_...: EVP's HMAC allocates for every packet */
#include "vg_srtp.h"

#include "vg_rtp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define RTP_HEADER 12
#define RTCP_HEADER 8
#define INDEX_OCTETS 4
#define GCM_TAG 16
#define GCM_SALT 12
#define HMAC_BLOCK 64
#define MAX_RETRY_OCTETS 2048
#define MAX_RTP_INDEX ((UINT64_C(1) << 48) - 1)
#define MAX_RTCP_INDEX ((UINT64_C(1) << 31) - 1)

enum { RTP, RTCP };
enum { RECEIVING, SENDING };

typedef struct {
    uint8_t key_octets, salt_octets;
    uint8_t tag[2]; /* of RTP, of RTCP (RFC 4568 section 6.2) */
    uint8_t gcm;
} profile_of;

static const profile_of profiles[VG_SRTP_PROFILES] = {
    {16, 14, {10, 10}, 0}, {16, 14, {4, 10}, 0},   {32, 14, {10, 10}, 0},
    {32, 14, {4, 10}, 0},  {16, 12, {16, 16}, 1}, {32, 12, {16, 16}, 1},
};

/* The packets of one kind of one SSRC. Of what is received, bit n of seen says that newest - n has been. */
typedef struct {
    uint64_t newest;
    uint64_t seen[VG_SRTP_WINDOW / 64];
    uint8_t started;
    uint8_t inherited; /* newest is of another key: may begin anew */
} series;

typedef struct {
    uint32_t ssrc;
    uint8_t direction;
    series of[2];
} stream;

struct vg_srtp {
    profile_of profile;
    EVP_CIPHER_CTX *cipher[2][2]; /* by kind and, where GCM makes a difference, direction */
    SHA_CTX inner[2], outer[2];   /* HMAC's state after the padded key (RFC 2104 section 4) */
    uint8_t salt[2][16];
    size_t room;
    size_t used;
    stream streams[];
};

int vg_srtp_lengths(int profile, size_t *key, size_t *salt)
{
    if (profile < 0 || profile >= VG_SRTP_PROFILES) return VG_EINVAL;
    *key = profiles[profile].key_octets;
    *salt = profiles[profile].salt_octets;
    return VG_OK;
}

/* AES in counter mode over zeros, from the salt with the label in its eighth octet (RFC 3711 sections 4.3.1 and 4.3.3). */
static int derive(EVP_CIPHER_CTX *ctx, const uint8_t *salt, int label, uint8_t *out, int octets)
{
    uint8_t iv[16] = {0};
    int n;
    memcpy(iv, salt, 14);
    iv[7] ^= (uint8_t)label;
    memset(out, 0, (size_t)octets);
    return EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) == 1 && EVP_EncryptUpdate(ctx, out, &n, out, octets) == 1;
}

int vg_srtp_derive(int profile, const uint8_t *key, const uint8_t *salt, vg_srtp_keys *out)
{
    if (profile < 0 || profile >= VG_SRTP_PROFILES) return VG_EINVAL;
    const profile_of *p = &profiles[profile];
    uint8_t whole[16] = {0}; /* as an initialization vector */
    memcpy(whole, salt, p->salt_octets);
    vg_srtp_keys keys = {0};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *cipher = p->key_octets == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr();
    int good = ctx != NULL && EVP_EncryptInit_ex2(ctx, cipher, key, whole, NULL) == 1;
    for (int kind = 0; good && kind < 2; kind++) {
        good = derive(ctx, whole, 3 * kind, keys.cipher[kind], p->key_octets) &&
               derive(ctx, whole, 3 * kind + 1, keys.auth[kind], sizeof keys.auth[kind]) &&
               derive(ctx, whole, 3 * kind + 2, keys.salt[kind], p->salt_octets);
    }
    EVP_CIPHER_CTX_free(ctx);
    if (good) *out = keys;
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(whole, sizeof whole);
    return good ? VG_OK : VG_ESYSTEM;
}

static void pad_key(SHA_CTX *state, const uint8_t key[20], uint8_t with)
{
    uint8_t pad[HMAC_BLOCK];
    for (int i = 0; i < HMAC_BLOCK; i++) pad[i] = with ^ (i < 20 ? key[i] : 0);
    SHA1_Init(state);
    SHA1_Update(state, pad, sizeof pad);
    OPENSSL_cleanse(pad, sizeof pad);
}

static EVP_CIPHER_CTX *new_cipher(const profile_of *p, const uint8_t *key, int direction)
{
    int small = p->key_octets == 16;
    const EVP_CIPHER *cipher = p->gcm ? (small ? EVP_aes_128_gcm() : EVP_aes_256_gcm())
                                      : (small ? EVP_aes_128_ctr() : EVP_aes_256_ctr());
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL && EVP_CipherInit_ex2(ctx, cipher, key, NULL, direction == SENDING || !p->gcm, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

vg_srtp *vg_srtp_new(int profile, const vg_srtp_keys *keys, size_t streams)
{
    if (profile < 0 || profile >= VG_SRTP_PROFILES || streams < 1 || streams > 65536) return NULL;
    vg_srtp *srtp = calloc(1, sizeof *srtp + streams * sizeof(stream));
    if (srtp == NULL) return NULL;
    srtp->profile = profiles[profile];
    srtp->room = streams;
    for (int kind = 0; kind < 2; kind++) {
        memcpy(srtp->salt[kind], keys->salt[kind], srtp->profile.salt_octets);
        pad_key(&srtp->inner[kind], keys->auth[kind], 0x36);
        pad_key(&srtp->outer[kind], keys->auth[kind], 0x5c);
        for (int direction = 0; direction <= srtp->profile.gcm; direction++) {
            srtp->cipher[kind][direction] = new_cipher(&srtp->profile, keys->cipher[kind], direction);
            if (srtp->cipher[kind][direction] == NULL) {
                vg_srtp_free(srtp);
                return NULL;
            }
        }
    }
    return srtp;
}

void vg_srtp_free(vg_srtp *srtp)
{
    if (srtp == NULL) return;
    for (int kind = 0; kind < 2; kind++)
        for (int direction = 0; direction < 2; direction++) EVP_CIPHER_CTX_free(srtp->cipher[kind][direction]);
    size_t octets = sizeof *srtp + srtp->room * sizeof(stream);
    OPENSSL_cleanse(srtp, octets);
    free(srtp);
}

static stream *find(const vg_srtp *srtp, uint32_t ssrc, int direction)
{
    for (size_t i = 0; i < srtp->used; i++)
        if (srtp->streams[i].ssrc == ssrc && srtp->streams[i].direction == direction) return (stream *)&srtp->streams[i];
    return NULL;
}

/* The stream of an SSRC, taken into the table where it is not there. */
static stream *find_or_add(vg_srtp *srtp, uint32_t ssrc, int direction)
{
    stream *found = find(srtp, ssrc, direction);
    if (found != NULL || srtp->used == srtp->room) return found;
    found = &srtp->streams[srtp->used++];
    *found = (stream){.ssrc = ssrc, .direction = (uint8_t)direction};
    return found;
}

/* The index that a sequence number means, from the newest one (RFC 3711 section 3.3.1); -1 before the very first. */
static int64_t guess(const series *s, uint16_t sequence)
{
    if (s == NULL || !s->started) return sequence;
    return (int64_t)s->newest + (int16_t)(sequence - (uint16_t)s->newest);
}

static int is_replay(const series *s, uint64_t index)
{
    if (s == NULL || !s->started || s->inherited || index > s->newest) return 0;
    uint64_t behind = s->newest - index;
    return behind >= VG_SRTP_WINDOW || (s->seen[behind / 64] >> (behind % 64) & 1);
}

static void note(series *s, uint64_t index)
{
    if (!s->started || s->inherited) {
        *s = (series){.newest = index, .seen = {1}, .started = 1};
        return;
    }
    if (index <= s->newest) {
        uint64_t behind = s->newest - index;
        s->seen[behind / 64] |= UINT64_C(1) << (behind % 64);
        return;
    }
    uint64_t ahead = index - s->newest;
    if (ahead < 64) {
        s->seen[1] = s->seen[1] << ahead | s->seen[0] >> (64 - ahead);
        s->seen[0] = s->seen[0] << ahead | 1;
    } else {
        s->seen[1] = ahead == 64 ? s->seen[0] : ahead < 128 ? s->seen[0] << (ahead - 64) : 0;
        s->seen[0] = 1;
    }
    s->newest = index;
}

/* Octets before the payload: fixed header, CSRC list, extension. */
static int header_octets(const uint8_t *packet, size_t length, size_t *out)
{
    if (length < RTP_HEADER) return VG_ETRUNCATED;
    if (packet[0] >> 6 != 2) return VG_EMALFORMED;
    size_t at = RTP_HEADER + 4 * (size_t)(packet[0] & 0x0f);
    if (packet[0] & 0x10) {
        if (length < at + 4) return VG_ETRUNCATED;
        at += 4 + 4 * (size_t)vg_be16(packet + at + 2);
    }
    if (length < at) return VG_ETRUNCATED;
    *out = at;
    return VG_OK;
}

/* RFC 3711 section 4.1.1: the salt, the SSRC and the index, each in its place; the last 16 bits count blocks. */
static int counter_mode(vg_srtp *srtp, int kind, uint32_t ssrc, uint64_t index, uint8_t *data, size_t n)
{
    EVP_CIPHER_CTX *ctx = srtp->cipher[kind][0];
    uint8_t iv[16], place[10];
    int done;
    vg_put32(place, ssrc);
    vg_put16(place + 4, (uint16_t)(index >> 32));
    vg_put32(place + 6, (uint32_t)index);
    memcpy(iv, srtp->salt[kind], sizeof iv);
    for (size_t i = 0; i < sizeof place; i++) iv[4 + i] ^= place[i];
    if (EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) != 1) return VG_ESYSTEM;
    return EVP_EncryptUpdate(ctx, data, &done, data, (int)n) == 1 ? VG_OK : VG_ESYSTEM;
}

/* HMAC-SHA1 over a packet and, for RTP, the rollover counter (section 4.2.1). */
static void hmac(const vg_srtp *srtp, int kind, const uint8_t *data, size_t n, const uint8_t *rollover, uint8_t tag[20])
{
    SHA_CTX state = srtp->inner[kind];
    SHA1_Update(&state, data, n);
    if (rollover != NULL) SHA1_Update(&state, rollover, 4);
    SHA1_Final(tag, &state);
    state = srtp->outer[kind];
    SHA1_Update(&state, tag, SHA_DIGEST_LENGTH);
    SHA1_Final(tag, &state);
}

/* RFC 7714 sections 8.1 and 9.1. */
static void gcm_iv(const vg_srtp *srtp, int kind, uint32_t ssrc, uint64_t index, uint8_t iv[GCM_SALT])
{
    uint8_t place[10];
    vg_put32(place, ssrc);
    vg_put16(place + 4, (uint16_t)(index >> 32)); /* of RTCP's index zero */
    vg_put32(place + 6, (uint32_t)index);
    memcpy(iv, srtp->salt[kind], GCM_SALT);
    for (size_t i = 0; i < sizeof place; i++) iv[2 + i] ^= place[i];
}

/* Encrypts or checks and decrypts n octets at data; the tag is read from or written to tag. */
static int gcm(vg_srtp *srtp, int kind, int direction, const uint8_t *iv, const uint8_t *header, size_t header_n,
               const uint8_t *word, uint8_t *data, size_t n, uint8_t *tag)
{
    EVP_CIPHER_CTX *ctx = srtp->cipher[kind][direction];
    int done, sending = direction == SENDING;
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, iv, sending, NULL) != 1) return VG_ESYSTEM;
    if (!sending && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, tag) != 1) return VG_ESYSTEM;
    if (EVP_CipherUpdate(ctx, NULL, &done, header, (int)header_n) != 1) return VG_ESYSTEM;
    if (word != NULL && EVP_CipherUpdate(ctx, NULL, &done, word, INDEX_OCTETS) != 1) return VG_ESYSTEM;
    if (n > 0 && EVP_CipherUpdate(ctx, data, &done, data, (int)n) != 1) return VG_ESYSTEM;
    if (EVP_CipherFinal_ex(ctx, data + n, &done) != 1) {
        if (!sending) memset(data, 0, n); /* nobody may use what was not authentic */
        return sending ? VG_ESYSTEM : VG_EAUTH;
    }
    if (sending && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, tag) != 1) return VG_ESYSTEM;
    return VG_OK;
}

int vg_srtp_protect(vg_srtp *srtp, uint8_t *packet, size_t length, size_t room, size_t *out)
{
    size_t header, tag_n = srtp->profile.tag[RTP];
    int status = header_octets(packet, length, &header);
    if (status != VG_OK) return status;
    if (room < length + tag_n) return VG_EFULL;
    uint32_t ssrc = vg_be32(packet + 8);
    stream *of = find_or_add(srtp, ssrc, SENDING);
    if (of == NULL) return VG_EFULL;
    int64_t index = guess(&of->of[RTP], vg_be16(packet + 2));
    if (index < 0 || is_replay(&of->of[RTP], (uint64_t)index)) return VG_EREPLAY;
    if ((uint64_t)index > MAX_RTP_INDEX) return VG_ELIMIT;
    if (srtp->profile.gcm) {
        uint8_t iv[GCM_SALT];
        gcm_iv(srtp, RTP, ssrc, (uint64_t)index, iv);
        status = gcm(srtp, RTP, SENDING, iv, packet, header, NULL, packet + header, length - header, packet + length);
    } else {
        uint8_t tag[20], rollover[4];
        status = counter_mode(srtp, RTP, ssrc, (uint64_t)index, packet + header, length - header);
        vg_put32(rollover, (uint32_t)((uint64_t)index >> 16));
        hmac(srtp, RTP, packet, length, rollover, tag);
        memcpy(packet + length, tag, tag_n);
    }
    if (status != VG_OK) return status;
    note(&of->of[RTP], (uint64_t)index);
    *out = length + tag_n;
    return VG_OK;
}

/* Checks a packet as the one of that index, and decrypts it. */
static int open_rtp(vg_srtp *srtp, uint8_t *packet, size_t length, size_t header, uint64_t index)
{
    size_t tag_n = srtp->profile.tag[RTP], end = length - tag_n;
    uint32_t ssrc = vg_be32(packet + 8);
    if (srtp->profile.gcm) {
        uint8_t iv[GCM_SALT];
        gcm_iv(srtp, RTP, ssrc, index, iv);
        return gcm(srtp, RTP, RECEIVING, iv, packet, header, NULL, packet + header, end - header, packet + end);
    }
    uint8_t tag[20], rollover[4];
    vg_put32(rollover, (uint32_t)(index >> 16));
    hmac(srtp, RTP, packet, end, rollover, tag);
    if (CRYPTO_memcmp(packet + end, tag, tag_n) != 0) return VG_EAUTH;
    return counter_mode(srtp, RTP, ssrc, index, packet + header, end - header);
}

int vg_srtp_unprotect(vg_srtp *srtp, uint8_t *packet, size_t length, size_t *out)
{
    size_t header, tag_n = srtp->profile.tag[RTP];
    int status = header_octets(packet, length, &header);
    if (status != VG_OK) return status;
    if (length - header < tag_n) return VG_ETRUNCATED;
    uint32_t ssrc = vg_be32(packet + 8);
    stream *of = find(srtp, ssrc, RECEIVING);
    if (of == NULL && srtp->used == srtp->room) return VG_EFULL;
    series *s = of != NULL ? &of->of[RTP] : NULL;
    uint16_t sequence = vg_be16(packet + 2);
    int64_t index = guess(s, sequence);
    if (index < 0 || is_replay(s, (uint64_t)index)) return VG_EREPLAY;
    if ((uint64_t)index > MAX_RTP_INDEX) return VG_ELIMIT;
    uint8_t copy[MAX_RETRY_OCTETS];
    int anew = s != NULL && s->inherited && index != sequence && length <= sizeof copy;
    if (anew) memcpy(copy, packet, length);
    status = open_rtp(srtp, packet, length, header, (uint64_t)index);
    if (status == VG_EAUTH && anew) {
        index = sequence;
        memcpy(packet, copy, length);
        status = open_rtp(srtp, packet, length, header, (uint64_t)index);
    }
    if (status != VG_OK) return status;
    if (of == NULL) of = find_or_add(srtp, ssrc, RECEIVING);
    note(&of->of[RTP], (uint64_t)index);
    *out = length - tag_n;
    return VG_OK;
}

int vg_srtp_protect_rtcp(vg_srtp *srtp, uint8_t *packet, size_t length, size_t room, size_t *out)
{
    size_t tag_n = srtp->profile.tag[RTCP];
    if (length < RTCP_HEADER) return VG_ETRUNCATED;
    if (packet[0] >> 6 != 2) return VG_EMALFORMED;
    if (room < length + INDEX_OCTETS + tag_n) return VG_EFULL;
    uint32_t ssrc = vg_be32(packet + 4);
    stream *of = find_or_add(srtp, ssrc, SENDING);
    if (of == NULL) return VG_EFULL;
    series *s = &of->of[RTCP];
    uint64_t index = s->started ? s->newest + 1 : 1;
    if (index > MAX_RTCP_INDEX) return VG_ELIMIT;
    uint8_t word[INDEX_OCTETS];
    vg_put32(word, (uint32_t)index | 0x80000000u); /* encrypted */
    int status;
    if (srtp->profile.gcm) {
        uint8_t iv[GCM_SALT];
        gcm_iv(srtp, RTCP, ssrc, index, iv);
        status = gcm(srtp, RTCP, SENDING, iv, packet, RTCP_HEADER, word, packet + RTCP_HEADER, length - RTCP_HEADER,
                     packet + length);
        memcpy(packet + length + tag_n, word, INDEX_OCTETS);
    } else {
        uint8_t tag[20];
        status = counter_mode(srtp, RTCP, ssrc, index, packet + RTCP_HEADER, length - RTCP_HEADER);
        memcpy(packet + length, word, INDEX_OCTETS);
        hmac(srtp, RTCP, packet, length + INDEX_OCTETS, NULL, tag);
        memcpy(packet + length + INDEX_OCTETS, tag, tag_n);
    }
    if (status != VG_OK) return status;
    note(s, index);
    *out = length + INDEX_OCTETS + tag_n;
    return VG_OK;
}

int vg_srtp_unprotect_rtcp(vg_srtp *srtp, uint8_t *packet, size_t length, size_t *out)
{
    size_t tag_n = srtp->profile.tag[RTCP];
    if (length < RTCP_HEADER + INDEX_OCTETS + tag_n) return VG_ETRUNCATED;
    if (packet[0] >> 6 != 2) return VG_EMALFORMED;
    size_t end = length - INDEX_OCTETS - tag_n;
    uint8_t *word_at = packet + (srtp->profile.gcm ? length - INDEX_OCTETS : end);
    uint32_t ssrc = vg_be32(packet + 4), word = vg_be32(word_at);
    if (!(word & 0x80000000u)) return VG_EMALFORMED; /* not encrypted, as had been agreed */
    uint64_t index = word & MAX_RTCP_INDEX;
    stream *of = find(srtp, ssrc, RECEIVING);
    if (of == NULL && srtp->used == srtp->room) return VG_EFULL;
    if (of != NULL && is_replay(&of->of[RTCP], index)) return VG_EREPLAY;
    int status;
    if (srtp->profile.gcm) {
        uint8_t iv[GCM_SALT];
        gcm_iv(srtp, RTCP, ssrc, index, iv);
        status = gcm(srtp, RTCP, RECEIVING, iv, packet, RTCP_HEADER, word_at, packet + RTCP_HEADER, end - RTCP_HEADER,
                     packet + end);
    } else {
        uint8_t tag[20];
        hmac(srtp, RTCP, packet, end + INDEX_OCTETS, NULL, tag);
        if (CRYPTO_memcmp(word_at + INDEX_OCTETS, tag, tag_n) != 0) return VG_EAUTH;
        status = counter_mode(srtp, RTCP, ssrc, index, packet + RTCP_HEADER, end - RTCP_HEADER);
    }
    if (status != VG_OK) return status;
    if (of == NULL) of = find_or_add(srtp, ssrc, RECEIVING);
    note(&of->of[RTCP], index);
    *out = end;
    return VG_OK;
}

int vg_srtp_inherit(vg_srtp *srtp, const vg_srtp *old)
{
    if (old->used > srtp->room - srtp->used) return VG_EFULL;
    for (size_t i = 0; i < old->used; i++) {
        if (find(srtp, old->streams[i].ssrc, old->streams[i].direction) != NULL) continue;
        stream *of = &srtp->streams[srtp->used++];
        *of = old->streams[i];
        of->of[RTP].inherited = of->of[RTP].started;
        if (of->direction == RECEIVING) of->of[RTCP] = (series){0}; /* its index travels in the packet */
    }
    return VG_OK;
}

int vg_srtp_index(const vg_srtp *srtp, uint32_t ssrc, int sent, int rtcp, uint64_t *index)
{
    const stream *of = find(srtp, ssrc, sent ? SENDING : RECEIVING);
    if (of == NULL || !of->of[rtcp != 0].started) return VG_EEMPTY;
    *index = of->of[rtcp != 0].newest;
    return VG_OK;
}

int vg_srtp_set_index(vg_srtp *srtp, uint32_t ssrc, int sent, int rtcp, uint64_t index)
{
    if (index > (rtcp ? MAX_RTCP_INDEX : MAX_RTP_INDEX)) return VG_EINVAL;
    stream *of = find_or_add(srtp, ssrc, sent ? SENDING : RECEIVING);
    if (of == NULL) return VG_EFULL;
    of->of[rtcp != 0] = (series){0};
    note(&of->of[rtcp != 0], index);
    return VG_OK;
}
