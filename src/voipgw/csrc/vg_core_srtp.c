/* The keys of a leg: what it sends is protected, what it receives is opened before anything is learnt from it. */
#include "vg_core_state.h"

#include <string.h>

void vg_secure_drop(const vg_command *command)
{
    vg_srtp_free(command->srtp_send);
    vg_srtp_free(command->srtp_receive);
}

void vg_secure_free(vg_leg *leg)
{
    vg_srtp_free(leg->srtp_send);
    vg_srtp_free(leg->srtp_receive);
    vg_srtp_free(leg->srtp_before);
    leg->srtp_send = leg->srtp_receive = leg->srtp_before = NULL;
    leg->secure = 0;
}

/* Another key for what we send goes on with our index. One for what we receive takes over with the first packet under it:
 * until then, what the peer had sent before our answer reached it is still opened with the old one. */
int vg_secure_start(vg_leg *leg, const vg_command *command)
{
    if (!command->secure) {
        vg_secure_drop(command);
        vg_secure_free(leg);
        return VG_OK;
    }
    vg_srtp *send = command->srtp_send, *receive = command->srtp_receive;
    if ((send == NULL && leg->srtp_send == NULL) || (receive == NULL && leg->srtp_receive == NULL)) {
        vg_secure_drop(command);
        return VG_EINVAL;
    }
    if (send != NULL) {
        if (leg->srtp_send != NULL) vg_srtp_inherit(send, leg->srtp_send);
        vg_srtp_free(leg->srtp_send);
        leg->srtp_send = send;
        if (!leg->tx.started) leg->tx.sequence &= 0x7fff; /* far from the first wrap (RFC 3711 section 3.3.1) */
    }
    if (receive != NULL) {
        if (leg->srtp_receive != NULL) vg_srtp_inherit(receive, leg->srtp_receive);
        vg_srtp_free(leg->srtp_before);
        leg->srtp_before = leg->srtp_receive;
        leg->srtp_receive = receive;
    }
    leg->secure = 1;
    return VG_OK;
}

static int unprotect(vg_srtp *srtp, int rtcp, uint8_t *data, size_t length, size_t *out)
{
    return rtcp ? vg_srtp_unprotect_rtcp(srtp, data, length, out) : vg_srtp_unprotect(srtp, data, length, out);
}

int vg_secure_open(vg_leg *leg, int rtcp, uint8_t *data, size_t *length)
{
    uint8_t copy[VG_MAX_PACKET_OCTETS];
    if (leg->srtp_before != NULL) memcpy(copy, data, *length);
    int status = unprotect(leg->srtp_receive, rtcp, data, *length, length);
    if (leg->srtp_before != NULL && status == VG_OK) {
        vg_srtp_free(leg->srtp_before);
        leg->srtp_before = NULL;
    } else if (leg->srtp_before != NULL) {
        memcpy(data, copy, *length);
        int before = unprotect(leg->srtp_before, rtcp, data, *length, length);
        if (before == VG_OK || status == VG_EAUTH) status = before;
    }
    switch (status) {
    case VG_OK: return VG_OK;
    case VG_ETRUNCATED: return VG_REJECT_TRUNCATED + 1;
    case VG_EMALFORMED: return VG_REJECT_MALFORMED + 1;
    case VG_EREPLAY: return VG_REJECT_REPLAY + 1;
    case VG_EFULL: return VG_REJECT_SSRC + 1;
    default: return VG_REJECT_AUTHENTICATION + 1;
    }
}

int vg_secure_seal(vg_leg *leg, int channel, uint8_t *data, size_t *length)
{
    size_t room = *length + VG_SRTP_TRAILER_OCTETS;
    if (room > VG_MAX_PACKET_OCTETS) return VG_ELIMIT;
    return channel == VG_CHANNEL_RTCP ? vg_srtp_protect_rtcp(leg->srtp_send, data, *length, room, length)
                                      : vg_srtp_protect(leg->srtp_send, data, *length, room, length);
}
