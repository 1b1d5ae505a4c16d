#include "vg_sip_syntax.h"

#define ALNUM (VG_SIP_C_TOKEN | VG_SIP_C_USER | VG_SIP_C_PARAM | VG_SIP_C_HEADER | VG_SIP_C_HOST | VG_SIP_C_VALUE | VG_SIP_C_OPAQUE)
#define URI (VG_SIP_C_USER | VG_SIP_C_PARAM | VG_SIP_C_HEADER | VG_SIP_C_VALUE | VG_SIP_C_OPAQUE)   /* unreserved */
#define V (VG_SIP_C_VALUE)
#define O (VG_SIP_C_VALUE | VG_SIP_C_OPAQUE)

const uint8_t vg_sip_class[256] = {
    ['0' ... '9'] = ALNUM | VG_SIP_C_HEX,
    ['a' ... 'f'] = ALNUM | VG_SIP_C_HEX,
    ['A' ... 'F'] = ALNUM | VG_SIP_C_HEX,
    ['g' ... 'z'] = ALNUM,
    ['G' ... 'Z'] = ALNUM,
    ['-'] = ALNUM,
    ['.'] = ALNUM,
    ['_'] = URI | VG_SIP_C_TOKEN | VG_SIP_C_HOST,
    ['!'] = URI | VG_SIP_C_TOKEN,
    ['~'] = URI | VG_SIP_C_TOKEN,
    ['*'] = URI | VG_SIP_C_TOKEN,
    ['\''] = URI | VG_SIP_C_TOKEN,
    ['('] = URI,
    [')'] = URI,
    ['%'] = V | VG_SIP_C_TOKEN,
    ['`'] = V | VG_SIP_C_TOKEN,
    ['+'] = URI | VG_SIP_C_TOKEN,
    ['&'] = O | VG_SIP_C_USER | VG_SIP_C_PARAM,
    ['='] = O | VG_SIP_C_USER,
    ['$'] = O | VG_SIP_C_USER | VG_SIP_C_PARAM | VG_SIP_C_HEADER,
    [','] = VG_SIP_C_USER | VG_SIP_C_OPAQUE,
    [';'] = VG_SIP_C_USER | VG_SIP_C_OPAQUE,
    ['?'] = O | VG_SIP_C_USER | VG_SIP_C_HEADER,
    ['/'] = O | VG_SIP_C_USER | VG_SIP_C_PARAM | VG_SIP_C_HEADER,
    ['#'] = O | VG_SIP_C_USER,
    ['['] = O | VG_SIP_C_PARAM | VG_SIP_C_HEADER,
    [']'] = O | VG_SIP_C_PARAM | VG_SIP_C_HEADER,
    [':'] = O | VG_SIP_C_PARAM | VG_SIP_C_HEADER,
    ['@'] = O,
    ['^'] = V,
    ['{'] = V,
    ['|'] = V,
    ['}'] = V,
};

/* Accept characters of the classes and escapes ("%" and two hexadecimal digits); returns how many octets. */
static size_t run(vg_sip_cursor *c, int classes)
{
    const uint8_t *octets = c->octets;
    size_t at = c->at, end = c->end;
    for (;;) {                                                /* '%' is in none of the classes that are asked for here */
        while (at < end && vg_sip_is(octets[at], classes)) at++;
        if (end - at < 3 || octets[at] != '%' || !vg_sip_is(octets[at + 1], VG_SIP_C_HEX) || !vg_sip_is(octets[at + 2], VG_SIP_C_HEX))
            break;
        at += 3;
    }
    size_t length = at - c->at;
    c->at = at;
    return length;
}

static size_t plain(vg_sip_cursor *c, int classes)
{
    const uint8_t *octets = c->octets;
    size_t at = c->at, end = c->end;
    while (at < end && vg_sip_is(octets[at], classes)) at++;
    size_t length = at - c->at;
    c->at = at;
    return length;
}

static int next_is(const vg_sip_cursor *c, char octet) { return c->at < c->end && c->octets[c->at] == (uint8_t)octet; }

static int take(vg_sip_cursor *c, char octet)
{
    if (!next_is(c, octet)) return 0;
    c->at++;
    return 1;
}

/* Compare without case; word is lower case. */
static int same_word(const uint8_t *octets, size_t length, const char *word)
{
    size_t i = 0;
    for (; i < length && word[i] != '\0'; i++)
        if ((octets[i] | 0x20) != (uint8_t)word[i]) return 0;
    return i == length && word[i] == '\0';
}

static int quoted(vg_sip_cursor *c)
{
    if (!take(c, '"')) return 0;
    const uint8_t *octets = c->octets;
    size_t at = c->at, end = c->end;
    for (; at < end && octets[at] != '"'; at++) {
        uint8_t octet = octets[at];
        if (octet == '\\') {                                  /* any octet below 128 but CR and LF may be escaped */
            if (++at == end || octets[at] == '\r' || octets[at] == '\n' || octets[at] > 127) break;
        } else if ((octet < 0x20 && !vg_sip_is_lws(octet)) || octet == 0x7f) {
            break;
        }
    }
    c->at = at;
    return take(c, '"');
}

static int port(vg_sip_cursor *c)
{
    unsigned value = 0;
    size_t start = c->at;
    while (c->at < c->end && vg_sip_is_digit(c->octets[c->at])) {
        value = value * 10 + (c->octets[c->at] - '0');
        if (value > 65535 || c->at - start > 8) return 0;
        c->at++;
    }
    return c->at > start;
}

/* hostname, IPv4address or IPv6reference (its content by characters only: RFC 5118 section 4.10 wants ":::" read). */
static int host(vg_sip_cursor *c)
{
    if (!take(c, '[')) return plain(c, VG_SIP_C_HOST) > 0;
    int colons = 0;
    while (c->at < c->end && c->octets[c->at] != ']') {
        uint8_t octet = c->octets[c->at];
        if (octet == ':')
            colons++;
        else if (octet != '.' && !vg_sip_is(octet, VG_SIP_C_HEX))
            return 0;
        c->at++;
    }
    return colons >= 2 && take(c, ']');
}

/* What follows "sip:", as far as it goes. */
static int sip_uri(vg_sip_cursor *c, int headers_allowed)
{
    size_t start = c->at, user = run(c, VG_SIP_C_USER);
    if (take(c, ':')) run(c, VG_SIP_C_USER);                  /* password */
    if (!take(c, '@'))
        c->at = start;                                        /* it was the host */
    else if (user == 0)
        return 0;
    if (!host(c)) return 0;
    if (take(c, ':') && !port(c)) return 0;
    while (take(c, ';')) {
        if (run(c, VG_SIP_C_PARAM) == 0) return 0;
        if (take(c, '=') && run(c, VG_SIP_C_PARAM) == 0) return 0;
    }
    if (next_is(c, '?') && headers_allowed) {
        do {
            c->at++;
            if (run(c, VG_SIP_C_HEADER) == 0 || !take(c, '=')) return 0;
            run(c, VG_SIP_C_HEADER);
        } while (next_is(c, '&'));
    }
    return 1;
}

/* What follows "tel:" (RFC 3966), as far as it goes: a number, global with '+' or local, then parameters. */
static int tel_uri(vg_sip_cursor *c)
{
    size_t digits = 0;
    take(c, '+');
    for (; c->at < c->end; c->at++) {
        uint8_t octet = c->octets[c->at];
        if (vg_sip_is(octet, VG_SIP_C_HEX) || octet == '*' || octet == '#')
            digits++;
        else if (octet != '-' && octet != '.' && octet != '(' && octet != ')')
            break;
    }
    if (digits == 0) return 0;
    while (take(c, ';')) {
        if (run(c, VG_SIP_C_PARAM) == 0) return 0;
        if (take(c, '=') && run(c, VG_SIP_C_PARAM) == 0) return 0;
    }
    return 1;
}

/* A URI as far as it goes. */
static int uri(vg_sip_cursor *c, int headers_allowed)
{
    const uint8_t *octets = c->octets + c->at;
    size_t left = c->end - c->at, scheme = 0;
    if (left >= 4 && (octets[0] | 0x20) == 's' && (octets[1] | 0x20) == 'i' && (octets[2] | 0x20) == 'p') {
        if (octets[3] == ':') scheme = 4;
        if (left >= 5 && (octets[3] | 0x20) == 's' && octets[4] == ':') scheme = 5;
        c->at += scheme;
        if (scheme != 0) return sip_uri(c, headers_allowed);
    }
    if (left == 0 || (octets[0] | 0x20) < 'a' || (octets[0] | 0x20) > 'z') return 0;
    while (scheme < left && (vg_sip_is(octets[scheme], VG_SIP_C_HOST) || octets[scheme] == '+')) scheme++;
    c->at += scheme;
    if (!take(c, ':')) return 0;
    if (same_word(octets, scheme, "tel")) return tel_uri(c);
    return run(c, VG_SIP_C_OPAQUE) > 0;
}

int vg_sip_uri(const uint8_t *octets, size_t length, int headers_allowed)
{
    vg_sip_cursor c = { octets, 0, length };
    return uri(&c, headers_allowed) && c.at == length;
}

/* Header parameters up to a comma or the end. The value of the one that is wanted, a token (tag and branch are), goes to
 * *value; it may not stand twice or without a value. */
static int params(vg_sip_cursor *c, const char *wanted, vg_sip_span *value)
{
    for (;;) {
        vg_sip_skip_lws(c);
        if (!take(c, ';')) return 1;
        vg_sip_skip_lws(c);
        size_t name = c->at;
        size_t length = plain(c, VG_SIP_C_TOKEN);
        if (length == 0) return 0;
        int is_wanted = wanted != NULL && same_word(c->octets + name, length, wanted);
        if (is_wanted && value->at != 0) return 0;
        vg_sip_skip_lws(c);
        if (!take(c, '=')) {
            if (is_wanted) return 0;
            continue;
        }
        vg_sip_skip_lws(c);
        size_t start = c->at;
        if (is_wanted) {
            if (plain(c, VG_SIP_C_TOKEN) == 0) return 0;
            *value = (vg_sip_span){ (uint16_t)start, (uint16_t)c->at };
        } else if (next_is(c, '"')) {
            if (!quoted(c)) return 0;
        } else if (plain(c, VG_SIP_C_VALUE) == 0) {
            return 0;
        }
    }
}

/* name-addr or addr-spec; in the latter ; , and ? end the URI (RFC 3261 section 20). */
static int address(vg_sip_cursor *c, int brackets)
{
    size_t start = c->at;
    int spaces = 0;
    if (next_is(c, '"')) {
        if (!quoted(c)) return 0;
        vg_sip_skip_lws(c);
        if (!next_is(c, '<')) return 0;
    } else {
        size_t at = start, end = c->end;
        for (; at < end; at++) {                              /* a display name of tokens, or the scheme */
            uint8_t octet = c->octets[at];
            if (vg_sip_is_lws(octet))
                spaces = 1;
            else if (!vg_sip_is(octet, VG_SIP_C_TOKEN) && octet < 128)
                break;
        }
        c->at = at;
    }
    if (take(c, '<')) return uri(c, 1) && take(c, '>');
    if (brackets || spaces) return 0;
    vg_sip_cursor bare = { c->octets, start, start };
    while (bare.end < c->end && c->octets[bare.end] != ';' && c->octets[bare.end] != ',' && c->octets[bare.end] != '?' &&
           !vg_sip_is_lws(c->octets[bare.end]))
        bare.end++;
    int good = uri(&bare, 0) && bare.at == bare.end;
    c->at = bare.at;
    return good;
}

int vg_sip_address(vg_sip_cursor *c, vg_sip_span *tag)
{
    vg_sip_skip_lws(c);
    return address(c, 0) && params(c, "tag", tag) && c->at == c->end;
}

static int addresses(vg_sip_cursor *c, int brackets)
{
    do {
        vg_sip_skip_lws(c);
        if (!address(c, brackets) || !params(c, NULL, NULL)) return 0;
    } while (take(c, ','));
    return c->at == c->end;
}

int vg_sip_route(vg_sip_cursor *c) { return addresses(c, 1); }

int vg_sip_contact(vg_sip_cursor *c)
{
    if (c->end - c->at == 1 && next_is(c, '*')) {
        c->at++;
        return 1;
    }
    return addresses(c, 0);
}

static int via_value(vg_sip_cursor *c, vg_sip_span *branch, vg_sip_span *sent_by)
{
    for (int part = 0; part < 3; part++) {                    /* name "/" version "/" transport */
        vg_sip_skip_lws(c);
        if (part > 0) {
            if (!take(c, '/')) return 0;
            vg_sip_skip_lws(c);
        }
        if (plain(c, VG_SIP_C_TOKEN) == 0) return 0;
    }
    if (c->at == c->end || !vg_sip_is_lws(c->octets[c->at])) return 0;
    vg_sip_skip_lws(c);
    size_t start = c->at;
    if (!host(c)) return 0;
    size_t stop = c->at;
    vg_sip_skip_lws(c);
    if (take(c, ':')) {
        vg_sip_skip_lws(c);
        if (!port(c)) return 0;
        stop = c->at;
    }
    *sent_by = (vg_sip_span){ (uint16_t)start, (uint16_t)stop };
    return params(c, "branch", branch);
}

int vg_sip_via(vg_sip_cursor *c, vg_sip_span *branch, vg_sip_span *sent_by)
{
    if (!via_value(c, branch, sent_by)) return 0;
    while (take(c, ',')) {
        vg_sip_span other_branch = { 0, 0 }, other_sent_by;
        if (!via_value(c, &other_branch, &other_sent_by)) return 0;
    }
    return c->at == c->end;
}

int vg_sip_number(vg_sip_cursor *c, uint64_t limit, uint64_t *number)
{
    uint64_t value = 0;
    size_t start = c->at;
    for (; c->at < c->end && vg_sip_is_digit(c->octets[c->at]); c->at++) {
        value = value * 10 + (uint64_t)(c->octets[c->at] - '0');
        if (value > limit) return 0;
    }
    if (c->at == start || c->at != c->end) return 0;
    *number = value;
    return 1;
}

int vg_sip_cseq(vg_sip_cursor *c, uint32_t *number, vg_sip_span *method)
{
    vg_sip_cursor digits = *c;
    digits.end = c->at;
    while (digits.end < c->end && vg_sip_is_digit(c->octets[digits.end])) digits.end++;
    uint64_t value;
    if (!vg_sip_number(&digits, UINT32_MAX, &value)) return 0;
    c->at = digits.end;
    if (c->at == c->end || !vg_sip_is_lws(c->octets[c->at])) return 0;
    vg_sip_skip_lws(c);
    size_t start = c->at;
    if (plain(c, VG_SIP_C_TOKEN) == 0 || c->at != c->end) return 0;
    *number = (uint32_t)value;
    *method = (vg_sip_span){ (uint16_t)start, (uint16_t)c->at };
    return 1;
}

int vg_sip_call_id(vg_sip_cursor *c)
{
    size_t start = c->at;
    while (c->at < c->end && c->octets[c->at] > 0x20 && c->octets[c->at] < 0x7f) c->at++;
    return c->at > start && c->at == c->end;
}

/* Each character of the pattern: a for a letter, 0 for a digit, itself otherwise. */
int vg_sip_date(vg_sip_cursor *c)
{
    static const char pattern[] = "aaa, 00 aaa 0000 00:00:00 GMT";
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec", days[] = "montuewedthufrisatsun";
    if (c->end - c->at != sizeof pattern - 1) return 0;
    const uint8_t *text = c->octets + c->at;
    for (size_t i = 0; i < sizeof pattern - 1; i++) {
        int letter = (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z';
        if (pattern[i] == 'a' ? !letter : pattern[i] == '0' ? !vg_sip_is_digit(text[i]) : text[i] != (uint8_t)pattern[i]) return 0;
    }
    int month = 0, day = 0;
    for (size_t i = 0; i < sizeof months - 1; i += 3)
        month |= (text[8] | 0x20) == months[i] && (text[9] | 0x20) == months[i + 1] && (text[10] | 0x20) == months[i + 2];
    for (size_t i = 0; i < sizeof days - 1; i += 3)
        day |= (text[0] | 0x20) == days[i] && (text[1] | 0x20) == days[i + 1] && (text[2] | 0x20) == days[i + 2];
    return month && day;
}
