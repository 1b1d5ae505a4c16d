#include "vg_sip.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "vg_sip_syntax.h"
#include "vg_sip_tables.h"

/* Names compare by words: letters differ from their other case in one bit, and of all other octets from 32 on none becomes
 * a letter or '-' by setting it. The tables hold names in lower case, padded with NUL. */
#define CASE 0x2020202020202020u

static uint64_t word_at(const uint8_t *octets)
{
    uint64_t word;
    memcpy(&word, octets, 8);
    return word;
}

/* Offset of the first octet below 32 from at on, or end; 16 octets a step where the machine can. */
static inline size_t next_control(const uint8_t *octets, size_t at, size_t end)
{
#if defined(__SSE2__)
    const __m128i highest = _mm_set1_epi8(0x1f);
    for (; end - at >= 16; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(octets + at));
        int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(block, highest), block));
        if (mask != 0) return at + (size_t)__builtin_ctz((unsigned)mask);
    }
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; end - at >= 8; at += 8) {
        uint64_t word = word_at(octets + at);
        uint64_t low = (word - CASE) & ~word & 0x8080808080808080u;
        if (low != 0) return at + (size_t)(__builtin_ctzll(low) >> 3);
    }
#endif
    while (at < end && octets[at] >= 0x20) at++;
    return at;
}

/* Whether a word of a name is one of a key, in any case; of the bits under the mask. */
static inline int same_word(uint64_t word, uint64_t key, uint64_t mask)
{
    int printable = ((word | word >> 1) & CASE & mask) == (CASE & mask);
    return printable && ((word | CASE) & mask) == key;
}

/* The id of a name of 2 to 21 octets, which may be no token; 8 octets are readable from it in any case. */
static inline int known_id(const uint8_t *name, size_t length)
{
    const uint8_t *candidate = by_length[length];
    uint64_t first = word_at(name), mask = ~(uint64_t)0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (length < 8) mask >>= 8 * (8 - length);
#else
    if (length < 8) mask <<= 8 * (8 - length);
#endif
    for (size_t i = 0; i < sizeof by_length[0] && candidate[i] != 0; i++) {
        const uint8_t *key = (const uint8_t *)known_fields[candidate[i]].key;
        if (!same_word(first, word_at(key), mask)) continue;
        size_t at = 8;
        while (at + 8 < length && same_word(word_at(name + at), word_at(key + at), mask)) at += 8;
        if (length <= 8 || (at + 8 >= length && same_word(word_at(name + length - 8), word_at(key + length - 8), mask)))
            return candidate[i];
    }
    return 0;
}

int vg_sip_header_id(const uint8_t *name, size_t length)
{
    uint8_t padded[LONGEST_NAME + 8] = { 0 };
    if (length == 1) {
        unsigned letter = (name[0] | 0x20u) - 'a';
        return letter < 26 ? by_compact[letter] : 0;
    }
    if (length == 0 || length > LONGEST_NAME) return 0;
    for (size_t i = 0; i < length; i++) {
        if (!vg_sip_is(name[i], VG_SIP_C_TOKEN)) return 0;
        padded[i] = name[i];
    }
    return known_id(padded, length);
}

const char *vg_sip_header_name(int id) { return id > 0 && id < KNOWN_FIELDS ? known_fields[id].name : NULL; }
int vg_sip_header_compact(int id) { return id > 0 && id < KNOWN_FIELDS ? known_fields[id].compact : 0; }
int vg_sip_header_is_list(int id) { return id > 0 && id < KNOWN_FIELDS ? known_fields[id].list : 0; }
const char *vg_sip_method_name(int method) { return method > 0 && method < KNOWN_METHODS ? known_methods[method] : NULL; }

static uint8_t method_id(const uint8_t *text, size_t length)
{
    for (int id = 1; id < KNOWN_METHODS; id++)
        if (known_methods[id][0] == (char)text[0] && strlen(known_methods[id]) == length &&
            memcmp(known_methods[id], text, length) == 0)
            return (uint8_t)id;
    return 0;
}

/* Where the line that at stands in ends (its CR); with folding, where the field ends. */
static inline int line_end(const uint8_t *octets, size_t at, size_t end, int folding, size_t *out)
{
    for (;;) {
        at = next_control(octets, at, end);
        if (at == end) {
            *out = at;
            return VG_SIP_EEND;
        }
        if (octets[at] == '\n') break;
        if (octets[at] != '\r') {
            at++;
            continue;
        }
        if (end - at < 2) {
            *out = at;
            return VG_SIP_EEND;
        }
        if (octets[at + 1] != '\n') break;
        if (folding && end - at > 2 && (octets[at + 2] == ' ' || octets[at + 2] == '\t')) {
            at += 3;
            continue;
        }
        *out = at;
        return VG_OK;
    }
    *out = at;
    return VG_SIP_EEOL;
}

/* "SIP/2.0" fills the octets: VG_OK; another version: VG_SIP_EVERSION; else VG_SIP_ESTART. */
static int version(const uint8_t *octets, size_t length)
{
    if (length < 7 || (octets[0] & 0xdf) != 'S' || (octets[1] & 0xdf) != 'I' || (octets[2] & 0xdf) != 'P' || octets[3] != '/')
        return VG_SIP_ESTART;
    if (length == 7 && memcmp(octets + 4, "2.0", 3) == 0) return VG_OK;
    size_t at = 4;
    while (at < length && vg_sip_is_digit(octets[at])) at++;
    if (at == 4 || length - at < 2 || octets[at] != '.') return VG_SIP_ESTART;
    for (at++; at < length; at++)
        if (!vg_sip_is_digit(octets[at])) return VG_SIP_ESTART;
    return VG_SIP_EVERSION;
}

static int status_line(const uint8_t *octets, size_t end, vg_sip_index *x, uint32_t *fault)
{
    const uint8_t *space = memchr(octets, ' ', end);
    if (space == NULL) return VG_SIP_ESTART;
    size_t at = (size_t)(space - octets);
    int result = version(octets, at);
    if (result != VG_OK) return result;
    *fault = (uint32_t)++at;
    unsigned status = 0;
    size_t start = at;
    while (at < end && at - start < 4 && vg_sip_is_digit(octets[at])) status = status * 10 + (octets[at++] - '0');
    if (at - start != 3 || status < 100 || status > 699) return VG_SIP_ESTATUS;
    if (at < end && octets[at++] != ' ') return VG_SIP_ESTATUS;
    x->kind = VG_SIP_RESPONSE;
    x->status = (uint16_t)status;
    x->target = (vg_sip_span){ (uint16_t)at, (uint16_t)end };
    return VG_OK;
}

static int request_line(const uint8_t *octets, size_t end, vg_sip_index *x, uint32_t *fault)
{
    size_t at = 0;
    while (at < end && vg_sip_is(octets[at], VG_SIP_C_TOKEN)) at++;
    *fault = (uint32_t)at;
    if (at == 0 || at == end || octets[at] != ' ') return VG_SIP_ESTART;
    x->kind = VG_SIP_REQUEST;
    x->method_text = (vg_sip_span){ 0, (uint16_t)at };
    size_t uri = ++at;
    const uint8_t *space = memchr(octets + at, ' ', end - at);
    if (space == NULL) return VG_SIP_ESTART;
    at = (size_t)(space - octets);
    x->target = (vg_sip_span){ (uint16_t)uri, (uint16_t)at };
    *fault = (uint32_t)at + 1;
    int result = version(octets + at + 1, end - at - 1);
    if (result != VG_OK) return result;
    *fault = (uint32_t)uri;
    if (!vg_sip_uri(octets + uri, at - uri, 0)) return VG_SIP_EURI;
    x->method = method_id(octets, x->method_text.end);
    return VG_OK;
}

static int start_line(const uint8_t *octets, size_t length, vg_sip_index *x, size_t *at, uint32_t *fault)
{
    size_t end;
    int result = line_end(octets, 0, length, 0, &end);
    *fault = (uint32_t)end;
    if (result != VG_OK) return result;
    *fault = 0;
    if (end > VG_SIP_MAX_LINE) return VG_SIP_ELIMIT_LINE;
    int response = end >= 4 && (octets[0] & 0xdf) == 'S' && (octets[1] & 0xdf) == 'I' && (octets[2] & 0xdf) == 'P' && octets[3] == '/';
    *at = end + 2;
    return response ? status_line(octets, end, x, fault) : request_line(octets, end, x, fault);
}

/* One header field as its line shows it. */
typedef struct {
    int id;
    size_t value;             /* first octet of the value, white space trimmed */
    size_t value_end;
    size_t next;              /* the next line */
} field;

static inline int read_field(const uint8_t *octets, size_t at, size_t end, field *out, uint32_t *fault)
{
    size_t start = at, stop;
    out->id = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; end - at >= 32 && at - start < LONGEST_NAME; at += 8) {   /* most names are known and end in ':' at once */
        uint64_t word = word_at(octets + at) ^ 0x3a3a3a3a3a3a3a3au;
        uint64_t colon = (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
        if (colon == 0) continue;
        at += (size_t)(__builtin_ctzll(colon) >> 3);
        if (at - start > 1 && at - start <= LONGEST_NAME) out->id = known_id(octets + start, at - start);
        break;
    }
    if (out->id == 0) at = start;
#endif
    while (at < end && vg_sip_is(octets[at], VG_SIP_C_TOKEN)) at++;
    size_t name_length = at - start;
    while (at < end && (octets[at] == ' ' || octets[at] == '\t')) at++;
    *fault = (uint32_t)at;
    if (at == end || (octets[at] == '\r' && end - at < 2)) return VG_SIP_EEND;
    if (name_length == 0 || octets[at] != ':') return VG_SIP_ENAME;
    if (name_length > VG_SIP_MAX_NAME) return VG_SIP_ELIMIT_NAME;
    if (out->id == 0) out->id = vg_sip_header_id(octets + start, name_length);
    int result = line_end(octets, ++at, end, 1, &stop);
    *fault = (uint32_t)stop;
    if (result != VG_OK) return result;
    if (stop - start > VG_SIP_MAX_LINE) return VG_SIP_ELIMIT_LINE;
    out->next = stop + 2;
    while (at < stop && vg_sip_is_lws(octets[at])) at++;
    while (stop > at && vg_sip_is_lws(octets[stop - 1])) stop--;
    out->value = at;
    out->value_end = stop;
    return VG_OK;
}

/* Read the value of a field that the index needs or that must be well formed. */
static int read_value(const uint8_t *octets, const field *f, uint32_t seen, vg_sip_index *x, int64_t *content_length, uint32_t *fault)
{
    vg_sip_cursor c = { octets, f->value, f->value_end };
    vg_sip_span other_branch = { 0, 0 }, other_sent_by = { 0, 0 };
    vg_sip_span whole = { (uint16_t)f->value, (uint16_t)f->value_end };
    uint64_t number = 0;
    int good = 1, again = (int)(seen >> f->id) & 1;
    *fault = (uint32_t)f->value;
    if (again && f->id != VG_SIP_VIA && f->id != VG_SIP_CONTACT && f->id != VG_SIP_ROUTE && f->id != VG_SIP_RECORD_ROUTE &&
        f->id != VG_SIP_DATE)
        return f->id == VG_SIP_CONTENT_LENGTH ? VG_SIP_ELENGTH : VG_SIP_EREPEATED;
    switch (f->id) {
    case VG_SIP_VIA: good = again ? vg_sip_via(&c, &other_branch, &other_sent_by) : vg_sip_via(&c, &x->branch, &x->sent_by); break;
    case VG_SIP_FROM:
        good = vg_sip_address(&c, &x->from_tag);
        x->from = whole;
        break;
    case VG_SIP_TO:
        good = vg_sip_address(&c, &x->to_tag);
        x->to = whole;
        break;
    case VG_SIP_CALL_ID:
        good = vg_sip_call_id(&c);
        if (good) x->call_id = whole;
        break;
    case VG_SIP_CSEQ: {
        vg_sip_span method = { 0, 0 };
        good = vg_sip_cseq(&c, &x->cseq, &method);
        size_t length = (size_t)(method.end - method.at);
        if (!good) break;
        if (x->kind == VG_SIP_RESPONSE) {
            x->method_text = method;
            x->method = method_id(octets + method.at, length);
        } else if (length != x->method_text.end || memcmp(octets + method.at, octets, length) != 0) {
            return VG_SIP_EMETHOD;
        }
        break;
    }
    case VG_SIP_MAX_FORWARDS:
        good = vg_sip_number(&c, 255, &number);
        x->max_forwards = (int32_t)number;
        break;
    case VG_SIP_CONTACT: good = vg_sip_contact(&c); break;
    case VG_SIP_ROUTE:
    case VG_SIP_RECORD_ROUTE: good = vg_sip_route(&c); break;
    case VG_SIP_CONTENT_LENGTH:
        if (!vg_sip_number(&c, UINT32_MAX, &number)) return VG_SIP_ELENGTH;
        *content_length = (int64_t)number;
        break;
    case VG_SIP_DATE: good = x->kind == VG_SIP_RESPONSE || vg_sip_date(&c); break;
    default: break;
    }
    *fault = (uint32_t)c.at;
    return good ? VG_OK : VG_SIP_EVALUE;
}

/* The fields from at up to the empty line: index them, check the ones of low number. */
static int read_fields(const uint8_t *octets, size_t at, size_t end, int checks, vg_sip_index *x, int64_t *content_length,
                       uint32_t *seen)
{
    uint16_t lines[VG_SIP_MAX_FIELDS + 1][3];
    int count = 0;
    while (end - at < 2 || octets[at] != '\r' || octets[at + 1] != '\n') {
        field f;
        x->fault_field = 0;
        int result = read_field(octets, at, end, &f, &x->fault_at);
        if (result != VG_OK) return result;
        if (count == VG_SIP_MAX_FIELDS) return VG_SIP_ELIMIT_FIELDS;
        if (f.id != 0 && f.id <= VG_SIP_DATE) {
            x->fault_field = (uint8_t)f.id;
            result = read_value(octets, &f, *seen, x, content_length, &x->fault_at);
            if (result != VG_OK && ((checks & VG_SIP_CHECK_VALUES) || f.id == VG_SIP_CONTENT_LENGTH)) return result;
            *seen |= 1u << f.id;
        }
        x->tail[count] = (uint8_t)f.id;
        lines[count][0] = (uint16_t)at;
        lines[count][1] = (uint16_t)f.value;
        lines[count][2] = (uint16_t)f.value_end;
        count++;
        at = f.next;
    }
    x->fields = (uint8_t)count;
    x->body_at = (uint32_t)at + 2;
    lines[count][0] = (uint16_t)at;
    memcpy(x->tail + count, lines, (size_t)count * sizeof lines[0] + sizeof lines[0][0]);
    return VG_OK;
}

/* Append a span and LF; lower drops blanks and makes capitals small. Returns the new end. */
static size_t append(char *text, size_t end, const uint8_t *octets, vg_sip_span span, int lower)
{
    size_t length = (size_t)(span.end - span.at);
    if (!lower) {
        memcpy(text + end, octets + span.at, length);
        end += length;
    }
    for (size_t i = 0; lower && i < length; i++) {
        uint8_t octet = octets[span.at + i];
        if (!vg_sip_is_lws(octet)) text[end++] = (char)(octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet);
    }
    text[end] = '\n';
    return end + 1;
}

static void write_text(const uint8_t *octets, vg_sip_index *x)
{
    static const vg_sip_span none = { 0, 0 };
    const vg_sip_span spans[7] = { x->kind == VG_SIP_REQUEST ? x->target : none, x->call_id, x->from_tag, x->to_tag, x->branch,
                                   x->sent_by, x->method == 0 ? x->method_text : none };
    size_t needed = 8, end = 0;
    for (int i = 0; i < 7; i++) needed += (size_t)(spans[i].end - spans[i].at);
    if (needed <= sizeof x->text)
        for (int i = 0; i < 7; i++) end = append(x->text, end, octets, spans[i], i == 5);
    x->text[end] = '\0';
}

int vg_sip_scan_as(const uint8_t *octets, size_t length, int checks, vg_sip_index *x)
{
    size_t start = 0, at = 0;
    while (start < length && (octets[start] == '\r' || octets[start] == '\n')) start++;
    if (start == length) return VG_SIP_EEMPTY;
    if (length - start > VG_SIP_MAX_MESSAGE) return VG_SIP_ELIMIT_MESSAGE;
    octets += start;
    length -= start;
    memset(x, 0, offsetof(vg_sip_index, tail));
    x->max_forwards = -1;
    x->start_at = (uint32_t)start;
    size_t end = length < VG_SIP_MAX_HEADERS ? length : VG_SIP_MAX_HEADERS;
    int64_t content_length = -1;
    uint32_t seen = 0;
    int result = start_line(octets, end, x, &at, &x->fault_at);
    x->fields_at = (uint16_t)at;
    if (result == VG_OK) result = read_fields(octets, at, end, checks, x, &content_length, &seen);
    if (result == VG_SIP_EEND && end < length) result = VG_SIP_ELIMIT_HEADERS;
    if (result != VG_OK) return result;
    for (int id = VG_SIP_VIA; id <= VG_SIP_CSEQ && (checks & VG_SIP_CHECK_PRESENT); id++)
        if (((seen >> id) & 1) == 0) {
            x->fault_field = (uint8_t)id;
            return VG_SIP_EMISSING;
        }
    if (content_length > (int64_t)(length - x->body_at)) return VG_SIP_EBODY;
    x->end = content_length < 0 ? (uint32_t)length : x->body_at + (uint32_t)content_length;
    write_text(octets, x);
    x->trimmed = start != 0 || x->end != length;
    return (int)(offsetof(vg_sip_index, tail) + x->fields * 7u + 2u);
}

int vg_sip_scan(const uint8_t *octets, size_t length, vg_sip_index *out)
{
    return vg_sip_scan_as(octets, length, VG_SIP_CHECK_PRESENT | VG_SIP_CHECK_VALUES, out);
}

int vg_sip_frame(const uint8_t *octets, size_t header_length, uint32_t *body_length)
{
    size_t at;
    uint64_t number = 0;
    uint32_t fault;
    int found = 0;
    if (header_length > VG_SIP_MAX_HEADERS) return VG_SIP_ELIMIT_HEADERS;
    int result = line_end(octets, 0, header_length, 0, &at);
    if (result != VG_OK) return result;
    at += 2;
    while (header_length - at < 2 || octets[at] != '\r' || octets[at + 1] != '\n') {
        field f;
        result = read_field(octets, at, header_length, &f, &fault);
        if (result != VG_OK) return result;
        if (f.id == VG_SIP_CONTENT_LENGTH) {
            vg_sip_cursor c = { octets, f.value, f.value_end };
            if (found || !vg_sip_number(&c, UINT32_MAX, &number)) return VG_SIP_ELENGTH;
            found = 1;
        }
        at = f.next;
    }
    if (header_length - at != 2) return VG_SIP_EEND;
    if (!found) return VG_SIP_EMISSING;
    *body_length = (uint32_t)number;
    return VG_OK;
}

int vg_sip_copy(const uint8_t *octets, size_t length, const uint8_t *index, size_t index_length, const uint8_t *ids,
                size_t id_count, const uint8_t *tag, size_t tag_length, uint8_t *out, size_t capacity)
{
    const size_t tail = offsetof(vg_sip_index, tail);
    if (index_length < tail + 2) return VG_EINVAL;
    size_t count = index[offsetof(vg_sip_index, fields)], end = 0;
    if (index_length != tail + 7 * count + 2) return VG_EINVAL;
    for (size_t wanted = 0; wanted < id_count; wanted++)
        for (size_t i = 0; i < count; i++) {
            if (index[tail + i] != ids[wanted]) continue;
            uint16_t line[4];                                 /* line, value, its end, next line */
            memcpy(line, index + tail + count + 6 * i, sizeof line);
            if (line[0] > line[2] || line[2] > line[3] || line[3] > length) return VG_EINVAL;
            int tagged = ids[wanted] == VG_SIP_TO && tag_length > 0;
            size_t size = (size_t)((tagged ? line[2] : line[3]) - line[0]);
            size_t extra = tagged ? 5 + tag_length + 2 : 0;
            if (capacity - end < size || capacity - end - size < extra) return VG_EFULL;
            memcpy(out + end, octets + line[0], size);
            end += size;
            if (!tagged) continue;
            memcpy(out + end, ";tag=", 5);
            memcpy(out + end + 5, tag, tag_length);
            memcpy(out + end + 5 + tag_length, "\r\n", 2);
            end += extra;
        }
    return (int)end;
}
