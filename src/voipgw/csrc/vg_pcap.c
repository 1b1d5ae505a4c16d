#include "vg_pcap.h"

#include <string.h>

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32_host(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static uint32_t sum16(const uint8_t *data, size_t length, uint32_t sum)
{
    for (; length > 1; data += 2, length -= 2) sum += (uint32_t)data[0] << 8 | data[1];
    return length ? sum + ((uint32_t)data[0] << 8) : sum;
}

static uint32_t folded(uint32_t sum)
{
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* The address as 16 octets of IPv6; IPv4 is mapped (RFC 4291 section 2.5.5.2). */
static void as_ipv6(const vg_address *address, uint8_t *out)
{
    memset(out, 0, 16);
    if (address->family == 4) {
        out[10] = out[11] = 0xff;
        memcpy(out + 12, address->ip, 4);
    } else if (address->family == 6) {
        memcpy(out, address->ip, 16);
    }
}

static size_t ip_header(const vg_address *source, const vg_address *destination, size_t udp, uint8_t *ip)
{
    if (source->family == 4 && destination->family == 4) {
        memset(ip, 0, 20);
        ip[0] = 0x45;
        put16(ip + 2, (uint32_t)(20 + udp));
        ip[6] = 0x40; /* not to be fragmented, so the identification says nothing (RFC 6864) */
        ip[8] = 64;
        ip[9] = 17;
        memcpy(ip + 12, source->ip, 4);
        memcpy(ip + 16, destination->ip, 4);
        put16(ip + 10, folded(sum16(ip, 20, 0)));
        return 20;
    }
    memset(ip, 0, 8);
    ip[0] = 0x60;
    put16(ip + 4, (uint32_t)udp);
    ip[6] = 17;
    ip[7] = 64;
    as_ipv6(source, ip + 8);
    as_ipv6(destination, ip + 24);
    return 40;
}

size_t vg_pcap_udp(int64_t time_us, const vg_address *source, const vg_address *destination, const uint8_t *data,
                   size_t length, uint8_t *out)
{
    uint8_t *ip = out + 16;
    size_t header = ip_header(source, destination, 8 + length, ip);
    size_t addresses = header == 20 ? 8 : 32;
    uint8_t *udp = ip + header;
    put16(udp, source->port);
    put16(udp + 2, destination->port);
    put16(udp + 4, (uint32_t)(8 + length));
    put16(udp + 6, 0);
    if (length) memcpy(udp + 8, data, length);
    uint32_t pseudo = sum16(udp - addresses, addresses, 17 + (uint32_t)(8 + length));
    uint32_t checksum = folded(sum16(udp, 8 + length, pseudo));
    put16(udp + 6, checksum ? checksum : 0xffff); /* 0 would mean that there is none */
    uint32_t packet = (uint32_t)(header + 8 + length);
    put32_host(out, (uint32_t)(time_us / 1000000));
    put32_host(out + 4, (uint32_t)(time_us % 1000000));
    put32_host(out + 8, packet);
    put32_host(out + 12, packet);
    return 16 + packet;
}

size_t vg_pcap_take(vg_capture *capture, int64_t until_us, int64_t epoch_us, uint8_t *out, size_t room)
{
    uint8_t data[VG_MAX_PACKET_OCTETS];
    size_t used = 0;
    vg_captured about;
    while (room - used >= VG_MAX_PACKET_OCTETS + VG_PCAP_OVERHEAD && vg_capture_peek(capture, &about) &&
           about.at_us <= until_us && vg_capture_next(capture, &about, data)) {
        const vg_address *source = about.outgoing ? &about.local : &about.remote;
        const vg_address *destination = about.outgoing ? &about.remote : &about.local;
        used += vg_pcap_udp(about.at_us + epoch_us, source, destination, data, about.length, out + used);
    }
    return used;
}
