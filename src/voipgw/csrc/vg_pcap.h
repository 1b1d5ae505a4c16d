/* Captured media as records of a classic pcap file of raw IP packets (LINKTYPE_RAW 101, microseconds).
 *
 * Each datagram gets the IPv4 or IPv6 and UDP headers that it travelled under, with right checksums (RFC 1071, 768, 8200);
 * identification and hop limit are fixed. Left out: the file's header, and anything but UDP. */
#ifndef VG_PCAP_H
#define VG_PCAP_H

#include "vg_core.h"

/* cffi: begin */
#define VG_PCAP_OVERHEAD 64 /* octets of a record before the payload, at most */

/* One datagram as a record into out, which has room for length + VG_PCAP_OVERHEAD octets; octets written. time_us counts
 * from 1970. Addresses of different families, or of none, are shown as IPv6 (mapped, or unspecified). */
size_t vg_pcap_udp(int64_t time_us, const vg_address *source, const vg_address *destination, const uint8_t *data,
                   size_t length, uint8_t *out);
/* The packets of a capture up to until_us (of its clock), oldest first, as long as out has room for the largest; octets
 * written. epoch_us is added to every time. */
size_t vg_pcap_take(vg_capture *capture, int64_t until_us, int64_t epoch_us, uint8_t *out, size_t room);
/* cffi: end */

#endif
