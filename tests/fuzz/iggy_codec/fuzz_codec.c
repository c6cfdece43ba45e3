/* Codecs on bytes: what is decoded can be handed on, and JSON keeps its meaning.
 *
 * byte 0 picks one of the codecs below; byte 1 says whether the rest is decoded, or (1 + kind) is a payload of that
 * kind to be encoded. With the first codecs, which are made of options in the input, the rest begins with a line of
 * them. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/codec/codec.h"
#include "iggy/codec/jobj.h"
#include "tests/lib/modules_here.h"

static const struct {
    const char *schema, *options;
} codecs[] = {
    { "json", NULL },
    { "raw", NULL },
    { "text", NULL },
    { "avro",
      "{\"avro_schema_json\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"N\\\",\\\"fields\\\":["
      "{\\\"name\\\":\\\"u\\\",\\\"type\\\":[\\\"null\\\",\\\"N\\\",\\\"string\\\",{\\\"type\\\":\\\"array\\\","
      "\\\"items\\\":\\\"long\\\"},"
      "{\\\"type\\\":\\\"map\\\",\\\"values\\\":\\\"double\\\"},\\\"boolean\\\"]},"
      "{\\\"name\\\":\\\"i\\\",\\\"type\\\":\\\"int\\\"},{\\\"name\\\":\\\"b\\\",\\\"type\\\":\\\"bytes\\\"},"
      "{\\\"name\\\":\\\"f\\\",\\\"type\\\":\\\"float\\\"},"
      "{\\\"name\\\":\\\"x\\\",\\\"type\\\":{\\\"type\\\":\\\"fixed\\\",\\\"name\\\":\\\"X\\\",\\\"size\\\":2}},"
      "{\\\"name\\\":\\\"e\\\",\\\"type\\\":{\\\"type\\\":\\\"enum\\\",\\\"name\\\":\\\"E\\\",\\\"symbols\\\":["
      "\\\"A\\\",\\\"B\\\"]}}]}\"}" },
    { "proto", NULL },
    { "proto", "{\"schema_path\":\"tests/unit/iggy_codec/event.proto\",\"message_type\":\"shop.Event\"}" },
    { "flat_buffer", NULL },
    { "flat_buffer", "{\"schema_path\":\"tests/unit/iggy_codec/event.fbs\"}" },
    { "flat_buffer", "{\"extract_as_json\":false}" },
    { "avro", NULL },
    { "avro", "{\"avro_schema_json\":\"{\\\"type\\\":\\\"fixed\\\",\\\"name\\\":\\\"U\\\",\\\"size\\\":16,"
              "\\\"logicalType\\\":\\\"uuid\\\"}\"}" },
    { "proto", "{\"use_any_wrapper\":false}" },
};
static hg_codec_t *made[HG_COUNT(codecs)];

static hg_codec_t *make(hg_str_t schema, hg_str_t options)
{
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *node = NULL;
    hg_codec_t *c = NULL;
    if (options.n == 0 || hg_json_parse(a, options, &node, &err) == 0)
        if (hg_codec_new(schema, node, &c, &err) < 0) HG_ASSERT(err.msg[0]);
    hg_arena_free(a);
    return c;
}

/* What a schema made of JSON it can make JSON of again: the same. Those that change the text are asked for less. */
static void json_keeps_its_meaning(hg_scratch_t *s, hg_str_t in, hg_str_t out)
{
    hg_str_t a, b;
    HG_ASSERT(hg_json_canonical(s, in, &a) == 0);
    a = hg_scratch_copy(s, a);
    HG_ASSERT(hg_json_canonical(s, out, &b) == 0 && hg_str_eq(a, b));
}

static void run(const hg_codec_t *c, hg_scratch_t *s, uint8_t how, hg_str_t bytes)
{
    hg_err_t err = HG_ERR_INIT;
    hg_payload_t p, q;
    hg_str_t out, again;
    if (how) {
        hg_plkind_t kind = (hg_plkind_t)((how - 1) % HG_PL_N);
        if (kind == HG_PL_PROTO && hg_utf8_valid(bytes.p, bytes.n))
            p = (hg_payload_t){ .kind = kind, .bytes = bytes };
        else if (hg_payload_from(kind, bytes, s, &p, &err) < 0)
            return;
    } else if (hg_codec_decode(c, s, bytes, &p, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        return;
    }
    hg_plkind_t kind = p.kind;
    HG_ASSERT(hg_payload_bytes(&p, s, &out, &err) == 0);
    if (kind == HG_PL_JSON) HG_ASSERT(hg_payload_from(HG_PL_JSON, out, s, &q, &err) == 0);
    if (kind == HG_PL_JSON && (hg_codec_kind(c) == HG_PL_JSON && !how)) json_keeps_its_meaning(s, bytes, out);
    if (hg_codec_encode(c, s, &p, &again, &err) < 0) HG_ASSERT(err.msg[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2) return 0;
    module_here("headgate-protobuf.so");
    uint32_t which = p[0] % (HG_COUNT(codecs) + 1);
    hg_str_t rest = { (const char *)p + 2, n - 2 };
    hg_codec_t *c;
    if (which < HG_COUNT(codecs)) {
        if (!made[which]) made[which] = make(hg_strz(codecs[which].schema), hg_strz(codecs[which].options));
        c = made[which];
        if (!c) return 0; /* a module that was not built */
    } else {
        const char *end = memchr(rest.p, '\n', rest.n), *blank;
        size_t line = end ? (size_t)(end - rest.p) : rest.n;
        if (!(blank = memchr(rest.p, ' ', line))) return 0;
        size_t word = (size_t)(blank - rest.p);
        c = make((hg_str_t){ rest.p, word }, (hg_str_t){ blank + 1, line - word - 1 });
        if (!c) return 0;
        rest = end ? (hg_str_t){ end + 1, rest.n - line - 1 } : (hg_str_t){ rest.p, 0 };
    }
    hg_scratch_t *s = hg_scratch_new();
    run(c, s, p[1], hg_scratch_copy(s, rest));
    hg_scratch_free(s);
    if (which == HG_COUNT(codecs)) hg_codec_free(c);
    return 0;
}
