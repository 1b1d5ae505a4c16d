/* The header fields that vg_sip knows by number: their long names, compact forms, and whether a comma separates values.
 * (IANA registry of SIP header fields; compact forms of RFC 3261 section 7.3.3, 3515, 3841, 3892, 4028, 6665, 8224.)
 * by_length lists for each length of a name the fields that have it. */
#ifndef VG_SIP_TABLES_H
#define VG_SIP_TABLES_H

#include <stdint.h>

struct vg_sip_known {
    const char *name;
    char compact;
    uint8_t list;
};

static const struct vg_sip_known known_fields[] = {
    { "", 0, 0 },
    { "Via", 'v', 1 }, /* 1 */
    { "From", 'f', 0 },
    { "To", 't', 0 },
    { "Call-ID", 'i', 0 },
    { "CSeq", 0, 0 },
    { "Max-Forwards", 0, 0 },
    { "Contact", 'm', 1 },
    { "Route", 0, 1 },
    { "Record-Route", 0, 1 },
    { "Content-Length", 'l', 0 }, /* 10 */
    { "Content-Type", 'c', 0 },
    { "Date", 0, 0 },
    { "Accept", 0, 1 },
    { "Accept-Contact", 'a', 1 },
    { "Accept-Encoding", 0, 1 },
    { "Accept-Language", 0, 1 },
    { "Alert-Info", 0, 1 },
    { "Allow", 0, 1 },
    { "Allow-Events", 'u', 1 },
    { "Authentication-Info", 0, 0 }, /* 20 */
    { "Authorization", 0, 0 },
    { "Call-Info", 0, 1 },
    { "Content-Disposition", 0, 0 },
    { "Content-Encoding", 'e', 1 },
    { "Content-Language", 0, 1 },
    { "Diversion", 0, 1 },
    { "Error-Info", 0, 1 },
    { "Event", 'o', 0 },
    { "Expires", 0, 0 },
    { "Feature-Caps", 0, 1 }, /* 30 */
    { "Geolocation", 0, 1 },
    { "History-Info", 0, 1 },
    { "Identity", 'y', 1 },
    { "Info-Package", 0, 0 },
    { "In-Reply-To", 0, 1 },
    { "Join", 0, 0 },
    { "MIME-Version", 0, 0 },
    { "Min-Expires", 0, 0 },
    { "Min-SE", 0, 0 },
    { "Organization", 0, 0 }, /* 40 */
    { "P-Access-Network-Info", 0, 1 },
    { "P-Asserted-Identity", 0, 1 },
    { "P-Associated-URI", 0, 1 },
    { "P-Called-Party-ID", 0, 0 },
    { "P-Charging-Vector", 0, 0 },
    { "P-Early-Media", 0, 1 },
    { "P-Preferred-Identity", 0, 1 },
    { "Path", 0, 1 },
    { "Priority", 0, 0 },
    { "Privacy", 0, 0 }, /* 50 */
    { "Proxy-Authenticate", 0, 0 },
    { "Proxy-Authorization", 0, 0 },
    { "Proxy-Require", 0, 1 },
    { "RAck", 0, 0 },
    { "Reason", 0, 1 },
    { "Recv-Info", 0, 1 },
    { "Refer-Sub", 0, 0 },
    { "Refer-To", 'r', 0 },
    { "Referred-By", 'b', 0 },
    { "Reject-Contact", 'j', 1 }, /* 60 */
    { "Remote-Party-ID", 0, 1 },
    { "Replaces", 0, 0 },
    { "Reply-To", 0, 0 },
    { "Request-Disposition", 'd', 1 },
    { "Require", 0, 1 },
    { "Resource-Priority", 0, 1 },
    { "Retry-After", 0, 0 },
    { "RSeq", 0, 0 },
    { "Security-Client", 0, 1 },
    { "Security-Server", 0, 1 }, /* 70 */
    { "Security-Verify", 0, 1 },
    { "Server", 0, 0 },
    { "Service-Route", 0, 1 },
    { "Session-Expires", 'x', 0 },
    { "SIP-ETag", 0, 0 },
    { "SIP-If-Match", 0, 0 },
    { "Subject", 's', 0 },
    { "Subscription-State", 0, 0 },
    { "Supported", 'k', 1 },
    { "Target-Dialog", 0, 0 }, /* 80 */
    { "Timestamp", 0, 0 },
    { "Unsupported", 0, 1 },
    { "User-Agent", 0, 0 },
    { "User-to-User", 0, 1 },
    { "Warning", 0, 1 },
    { "WWW-Authenticate", 0, 0 }, /* 86 */
};

#define KNOWN_FIELDS ((int)(sizeof known_fields / sizeof known_fields[0]))
#define LONGEST_NAME 21

static const uint8_t by_length[LONGEST_NAME + 1][12] = {
    [2] = { 3 },
    [3] = { 1 },
    [4] = { 2, 5, 12, 36, 48, 54, 68 },
    [5] = { 8, 18, 28 },
    [6] = { 13, 39, 55, 72 },
    [7] = { 4, 7, 77, 29, 50, 65, 85 },
    [8] = { 58, 33, 49, 62, 63, 75 },
    [9] = { 79, 22, 26, 56, 57, 81 },
    [10] = { 83, 17, 27 },
    [11] = { 31, 35, 38, 59, 67, 82 },
    [12] = { 11, 6, 9, 19, 30, 32, 34, 37, 40, 76, 84 },
    [13] = { 21, 46, 53, 73, 80 },
    [14] = { 10, 14, 60 },
    [15] = { 74, 15, 16, 61, 69, 70, 71 },
    [16] = { 24, 25, 43, 86 },
    [17] = { 44, 45, 66 },
    [18] = { 51, 78 },
    [19] = { 42, 20, 23, 52, 64 },
    [20] = { 47 },
    [21] = { 41 },
};

static const uint8_t by_compact[26] = {
    ['a' - 'a'] = 14, ['b' - 'a'] = 59, ['c' - 'a'] = 11, ['d' - 'a'] = 64, ['e' - 'a'] = 24, ['f' - 'a'] = 2,
    ['i' - 'a'] = 4,  ['j' - 'a'] = 60, ['k' - 'a'] = 79, ['l' - 'a'] = 10, ['m' - 'a'] = 7,  ['o' - 'a'] = 28,
    ['r' - 'a'] = 58, ['s' - 'a'] = 77, ['t' - 'a'] = 3,  ['u' - 'a'] = 19, ['v' - 'a'] = 1,  ['x' - 'a'] = 74,
    ['y' - 'a'] = 33,
};

static const char *const known_methods[] = {
    "",     "INVITE", "ACK",   "BYE",       "CANCEL", "OPTIONS", "REGISTER", "PRACK",
    "UPDATE", "INFO", "REFER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH",
};
#define KNOWN_METHODS ((int)(sizeof known_methods / sizeof known_methods[0]))

#endif
