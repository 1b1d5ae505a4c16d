/* The header fields that vg_sip knows by number: their long names, compact forms, and whether a comma separates values.
 * (IANA registry of SIP header fields; compact forms of RFC 3261 section 7.3.3, 3515, 3841, 3892, 4028, 6665, 8224.)
 * by_length lists for each length of a name the fields that have it. */
#ifndef VG_SIP_TABLES_H
#define VG_SIP_TABLES_H

#include <stdint.h>

struct vg_sip_known {
    const char *name;
    char key[24];             /* the name in lower case, padded with NUL */
    char compact;
    uint8_t list;
};

static const struct vg_sip_known known_fields[] = {
    { "", "", 0, 0 },
    { "Via", "via", 'v', 1 }, /* 1 */
    { "From", "from", 'f', 0 },
    { "To", "to", 't', 0 },
    { "Call-ID", "call-id", 'i', 0 },
    { "CSeq", "cseq", 0, 0 },
    { "Max-Forwards", "max-forwards", 0, 0 },
    { "Contact", "contact", 'm', 1 },
    { "Route", "route", 0, 1 },
    { "Record-Route", "record-route", 0, 1 },
    { "Content-Length", "content-length", 'l', 0 }, /* 10 */
    { "Content-Type", "content-type", 'c', 0 },
    { "Date", "date", 0, 0 },
    { "Accept", "accept", 0, 1 },
    { "Accept-Contact", "accept-contact", 'a', 1 },
    { "Accept-Encoding", "accept-encoding", 0, 1 },
    { "Accept-Language", "accept-language", 0, 1 },
    { "Alert-Info", "alert-info", 0, 1 },
    { "Allow", "allow", 0, 1 },
    { "Allow-Events", "allow-events", 'u', 1 },
    { "Authentication-Info", "authentication-info", 0, 0 }, /* 20 */
    { "Authorization", "authorization", 0, 0 },
    { "Call-Info", "call-info", 0, 1 },
    { "Content-Disposition", "content-disposition", 0, 0 },
    { "Content-Encoding", "content-encoding", 'e', 1 },
    { "Content-Language", "content-language", 0, 1 },
    { "Diversion", "diversion", 0, 1 },
    { "Error-Info", "error-info", 0, 1 },
    { "Event", "event", 'o', 0 },
    { "Expires", "expires", 0, 0 },
    { "Feature-Caps", "feature-caps", 0, 1 }, /* 30 */
    { "Geolocation", "geolocation", 0, 1 },
    { "History-Info", "history-info", 0, 1 },
    { "Identity", "identity", 'y', 1 },
    { "Info-Package", "info-package", 0, 0 },
    { "In-Reply-To", "in-reply-to", 0, 1 },
    { "Join", "join", 0, 0 },
    { "MIME-Version", "mime-version", 0, 0 },
    { "Min-Expires", "min-expires", 0, 0 },
    { "Min-SE", "min-se", 0, 0 },
    { "Organization", "organization", 0, 0 }, /* 40 */
    { "P-Access-Network-Info", "p-access-network-info", 0, 1 },
    { "P-Asserted-Identity", "p-asserted-identity", 0, 1 },
    { "P-Associated-URI", "p-associated-uri", 0, 1 },
    { "P-Called-Party-ID", "p-called-party-id", 0, 0 },
    { "P-Charging-Vector", "p-charging-vector", 0, 0 },
    { "P-Early-Media", "p-early-media", 0, 1 },
    { "P-Preferred-Identity", "p-preferred-identity", 0, 1 },
    { "Path", "path", 0, 1 },
    { "Priority", "priority", 0, 0 },
    { "Privacy", "privacy", 0, 0 }, /* 50 */
    { "Proxy-Authenticate", "proxy-authenticate", 0, 0 },
    { "Proxy-Authorization", "proxy-authorization", 0, 0 },
    { "Proxy-Require", "proxy-require", 0, 1 },
    { "RAck", "rack", 0, 0 },
    { "Reason", "reason", 0, 1 },
    { "Recv-Info", "recv-info", 0, 1 },
    { "Refer-Sub", "refer-sub", 0, 0 },
    { "Refer-To", "refer-to", 'r', 0 },
    { "Referred-By", "referred-by", 'b', 0 },
    { "Reject-Contact", "reject-contact", 'j', 1 }, /* 60 */
    { "Remote-Party-ID", "remote-party-id", 0, 1 },
    { "Replaces", "replaces", 0, 0 },
    { "Reply-To", "reply-to", 0, 0 },
    { "Request-Disposition", "request-disposition", 'd', 1 },
    { "Require", "require", 0, 1 },
    { "Resource-Priority", "resource-priority", 0, 1 },
    { "Retry-After", "retry-after", 0, 0 },
    { "RSeq", "rseq", 0, 0 },
    { "Security-Client", "security-client", 0, 1 },
    { "Security-Server", "security-server", 0, 1 }, /* 70 */
    { "Security-Verify", "security-verify", 0, 1 },
    { "Server", "server", 0, 0 },
    { "Service-Route", "service-route", 0, 1 },
    { "Session-Expires", "session-expires", 'x', 0 },
    { "SIP-ETag", "sip-etag", 0, 0 },
    { "SIP-If-Match", "sip-if-match", 0, 0 },
    { "Subject", "subject", 's', 0 },
    { "Subscription-State", "subscription-state", 0, 0 },
    { "Supported", "supported", 'k', 1 },
    { "Target-Dialog", "target-dialog", 0, 0 }, /* 80 */
    { "Timestamp", "timestamp", 0, 0 },
    { "Unsupported", "unsupported", 0, 1 },
    { "User-Agent", "user-agent", 0, 0 },
    { "User-to-User", "user-to-user", 0, 1 },
    { "Warning", "warning", 0, 1 },
    { "WWW-Authenticate", "www-authenticate", 0, 0 }, /* 86 */
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
