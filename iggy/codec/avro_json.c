/* avro_json.c: a datum → JSON text, in one pass over the bytes. Records, maps → objects, enums → their symbol, unions →
 * the bare value, bytes and fixed → arrays of numbers; what a number means (a date, a decimal) is left to the reader.
 */
#include "base/hg.h"
#include "base/json.h"
#include "connectors/format/avro_scan.h"
#include "data/text.h"
#include "iggy/codec/avro.h"
#include <math.h>

static int value(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out);

static int text(hg_ascan_t *s, hg_str_t v, hg_buf_t *out)
{
    if (!hg_utf8_valid(v.p, v.n)) return hg_as_refuse(s, HG_EPARSE, "a string that is not UTF-8");
    return hg_json_quote(out, v);
}

static int numbers(hg_str_t v, hg_buf_t *out)
{
    int rc = hg_buf_addc(out, '[');
    for (size_t i = 0; i < v.n && rc == 0; i++) {
        if (i) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_buf_addu64(out, (uint8_t)v.p[i]);
    }
    return rc < 0 ? rc : hg_buf_addc(out, ']');
}

static int real(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out)
{
    hg_str_t b;
    char text_of[HG_F64_TEXT];
    size_t n;
    bool finite;
    int rc = hg_as_take(s, t->kind == HG_AV_FLOAT ? 4 : 8, &b);
    if (rc < 0) return rc;
    if (t->kind == HG_AV_FLOAT) {
        float f;
        memcpy(&f, b.p, 4);
        finite = isfinite(f);
        n = hg_f32_print(text_of, f);
    } else {
        double d;
        memcpy(&d, b.p, 8);
        finite = isfinite(d);
        n = hg_f64_print(text_of, d);
    }
    return finite ? hg_buf_add(out, text_of, n) : hg_buf_adds(out, "null");
}

static int record(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out)
{
    int rc = hg_buf_addc(out, '{');
    for (uint32_t i = 0; i < t->n && rc == 0; i++) {
        s->field = t->fields[i].name;
        if (i) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_json_quote(out, t->fields[i].name);
        if (rc == 0) rc = hg_buf_addc(out, ':');
        if (rc == 0) rc = value(s, t->fields[i].type, out);
    }
    return rc < 0 ? rc : hg_buf_addc(out, '}');
}

static int item(hg_ascan_t *s, const hg_avro_t *t, bool first, hg_buf_t *out)
{
    hg_str_t key;
    int rc = first ? 0 : hg_buf_addc(out, ',');
    if (rc == 0 && t->kind == HG_AV_MAP) {
        rc = hg_as_bytes(s, &key);
        if (rc == 0) rc = text(s, key, out);
        if (rc == 0) rc = hg_buf_addc(out, ':');
    }
    return rc < 0 ? rc : value(s, t->of[0], out);
}

static int blocks(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out)
{
    uint64_t n, bytes;
    bool first = true;
    int rc = hg_buf_addc(out, t->kind == HG_AV_MAP ? '{' : '[');
    while (rc == 0) {
        rc = hg_as_block(s, t->of[0]->min + (t->kind == HG_AV_MAP), &n, &bytes);
        if (rc < 0 || n == 0) break;
        for (; n > 0 && rc == 0; n--, first = false) rc = item(s, t, first, out);
    }
    return rc < 0 ? rc : hg_buf_addc(out, t->kind == HG_AV_MAP ? '}' : ']');
}

static int uuid(hg_str_t v, hg_buf_t *out)
{
    char p[36];
    hg_uuid_print(p, (const uint8_t *)v.p);
    return hg_json_quote(out, (hg_str_t){ p, sizeof p });
}

static int symbol(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out)
{
    int64_t at;
    int rc = hg_as_long(s, &at);
    if (rc < 0) return rc;
    if (at < 0 || at >= t->n) return hg_as_refuse(s, HG_EPARSE, "symbol %" PRId64 " of an enum of %u", at, t->n);
    return hg_json_quote(out, t->symbols[at]);
}

static int scalar(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out)
{
    hg_str_t v;
    int32_t i32;
    int64_t i64;
    int rc;
    switch (t->kind) {
    case HG_AV_NULL:
        return hg_buf_adds(out, "null");
    case HG_AV_BOOLEAN:
        rc = hg_as_take(s, 1, &v);
        if (rc < 0) return rc;
        if ((uint8_t)v.p[0] > 1) return hg_as_refuse(s, HG_EPARSE, "a boolean of %u", (uint8_t)v.p[0]);
        return hg_buf_adds(out, v.p[0] ? "true" : "false");
    case HG_AV_INT:
        rc = hg_as_int(s, &i32);
        return rc < 0 ? rc : hg_buf_addi64(out, i32);
    case HG_AV_LONG:
        rc = hg_as_long(s, &i64);
        return rc < 0 ? rc : hg_buf_addi64(out, i64);
    case HG_AV_STRING:
        rc = hg_as_bytes(s, &v);
        return rc < 0 ? rc : text(s, v, out);
    case HG_AV_BYTES:
        rc = hg_as_bytes(s, &v);
        return rc < 0 ? rc : numbers(v, out);
    case HG_AV_FIXED:
    case HG_AV_ENUM:
    case HG_AV_FLOAT:
    case HG_AV_DOUBLE:
    case HG_AV_ARRAY:
    case HG_AV_MAP:
    case HG_AV_RECORD:
    case HG_AV_UNION:
    case HG_AV_N:
    default: /* the others are value()'s */
        rc = hg_as_take(s, t->size, &v);
        if (rc < 0) return rc;
        return t->mean == HG_AM_UUID ? uuid(v, out) : numbers(v, out);
    }
}

static int value(hg_ascan_t *s, const hg_avro_t *t, hg_buf_t *out)
{
    uint32_t at;
    int rc;
    if (s->depth == HG_AVRO_DEPTH) return hg_as_refuse(s, HG_EPARSE, "nested deeper than %u levels", HG_AVRO_DEPTH);
    s->depth++;
    switch (t->kind) {
    case HG_AV_RECORD:
        rc = record(s, t, out);
        break;
    case HG_AV_ARRAY:
    case HG_AV_MAP:
        rc = blocks(s, t, out);
        break;
    case HG_AV_UNION:
        rc = hg_as_branch(s, t->n, &at);
        if (rc == 0) rc = value(s, t->of[at], out);
        break;
    case HG_AV_ENUM:
        rc = symbol(s, t, out);
        break;
    case HG_AV_FLOAT:
    case HG_AV_DOUBLE:
        rc = real(s, t, out);
        break;
    case HG_AV_NULL:
    case HG_AV_BOOLEAN:
    case HG_AV_INT:
    case HG_AV_LONG:
    case HG_AV_STRING:
    case HG_AV_BYTES:
    case HG_AV_FIXED:
    case HG_AV_N:
    default:
        rc = scalar(s, t, out);
    }
    s->depth--;
    return rc;
}

int hg_avro_to_json(const hg_avro_t *t, hg_str_t datum, hg_buf_t *out, hg_err_t *err)
{
    hg_ascan_t s = { .p = datum.p, .end = datum.p + datum.n };
    int rc = value(&s, t, out);
    if (rc == 0 && s.p != s.end) rc = hg_as_refuse(&s, HG_EPARSE, "%zu bytes follow the value", (size_t)(s.end - s.p));
    if (rc == 0) return 0;
    if (rc != HG_EPARSE && rc != HG_ERANGE) return hg_err_set(err, rc, "out of memory while reading Avro");
    if (s.field.n)
        return hg_err_set(err, HG_EPARSE, "not of the Avro schema: field '" HG_SF "': %s", HG_SA(s.field), s.msg);
    return hg_err_set(err, HG_EPARSE, "not of the Avro schema: %s", s.msg);
}
