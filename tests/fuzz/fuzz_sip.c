/* libFuzzer target of vg_sip: whatever the octets, an index that points into them, and a framer that agrees with it. */
#include <stdlib.h>
#include <string.h>

#include "vg_sip.h"

#define REQUIRE(condition) do { if (!(condition)) abort(); } while (0)

static void check_span(vg_sip_span span, uint32_t body_at)
{
    REQUIRE(span.at <= span.end && span.end <= body_at);
}

static void check_lines(const uint8_t *message, const vg_sip_index *x)
{
    uint16_t line[4];
    uint32_t expected = x->fields_at;
    for (unsigned i = 0; i < x->fields; i++) {
        memcpy(line, x->tail + x->fields + 6 * i, sizeof line);
        REQUIRE(line[0] == expected && line[0] < line[1] && line[1] <= line[2] && line[2] + 2u <= line[3]);
        REQUIRE(memcmp(message + line[3] - 2, "\r\n", 2) == 0);
        REQUIRE(message[line[0]] != ' ' && message[line[0]] != '\t');
        expected = line[3];
    }
    REQUIRE(expected + 2 == x->body_at);
}

static void check_text(const vg_sip_index *x)
{
    const char *end = memchr(x->text, '\0', sizeof x->text);
    REQUIRE(end != NULL);
    int lines = 0;
    for (const char *at = x->text; at < end; at++) lines += *at == '\n';
    REQUIRE(lines == 7 || (lines == 0 && end == x->text));
}

static void check_frame(const uint8_t *message, const vg_sip_index *x)
{
    uint32_t body_length = 0;
    int result = vg_sip_frame(message, x->body_at, &body_length);
    REQUIRE(result == VG_SIP_EMISSING || (result == VG_OK && body_length == x->end - x->body_at));
    for (uint32_t at = 0; at + 4 < x->body_at; at++) REQUIRE(memcmp(message + at, "\r\n\r\n", 4) != 0);
}

/* All lines of the fields with the first 12 numbers, into room that may be too small; then an index that lies. */
static void check_copy(const uint8_t *message, vg_sip_index *x, size_t used)
{
    static const uint8_t ids[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    uint8_t *out = malloc(x->body_at + 8u);
    REQUIRE(out != NULL);
    for (size_t capacity = 0; capacity <= x->body_at + 8u; capacity += 97) {
        int copied = vg_sip_copy(message, x->end, (const uint8_t *)x, used, ids, sizeof ids, (const uint8_t *)"t", 1, out, capacity);
        REQUIRE(copied == VG_EFULL || (copied >= 0 && (size_t)copied <= capacity));
    }
    vg_sip_copy(message, x->body_at / 2, (const uint8_t *)x, used, ids, sizeof ids, NULL, 0, out, x->body_at);
    vg_sip_copy(message, x->end, message, x->end, ids, sizeof ids, NULL, 0, out, x->body_at);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vg_sip_index index;
    memset(&index, 0xa5, sizeof index);
    for (int checks = 0; checks < 4; checks++) {
        int used = vg_sip_scan_as(data, size, checks, &index);
        if (used < 0) {
            REQUIRE(used == VG_SIP_EEMPTY || used == VG_SIP_ELIMIT_MESSAGE || index.fault_at <= size);
            continue;
        }
        const uint8_t *message = data + index.start_at;
        REQUIRE(used > 0 && (size_t)used == offsetof(vg_sip_index, tail) + 7u * index.fields + 2u);
        REQUIRE(index.start_at + index.end <= size && index.body_at <= index.end);
        const vg_sip_span spans[] = { index.method_text, index.target, index.call_id, index.from_tag, index.to_tag, index.branch,
                                      index.sent_by, index.from, index.to };
        for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) check_span(spans[i], index.body_at);
        check_lines(message, &index);
        check_text(&index);
        check_frame(message, &index);
        check_copy(message, &index, (size_t)used);
        REQUIRE(vg_sip_scan_as(message, index.end, checks, &index) == used && index.trimmed == 0);
    }
    vg_sip_header_id(data, size);
    return 0;
}
