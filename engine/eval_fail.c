/* eval_fail.c: how evaluation errors read: the operation with its types, then the values that broke it. */
#include "base/hg.h"
#include "engine/eval_int.h"

int hg_call_fail(const hg_call_t *c, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return hg_err_at(c->err, HG_EEVAL, c->pos, "%s", text);
}

int hg_call_mem(const hg_call_t *c, int rc)
{
    if (rc == HG_ETOOBIG)
        return hg_err_at(c->err, rc, c->pos, "the values of one column would be longer than 2^31-1 bytes");
    return hg_err_at(c->err, HG_ENOMEM, c->pos, "out of memory while evaluating %s", c->fn ? c->fn->name : "a cast");
}

static size_t show_text(const hg_col_t *col, uint32_t row, char *out, size_t room)
{
    hg_str_t s = hg_col_var(col, row);
    size_t keep = HG_MIN(s.n, room > 8 ? room - 8 : 0);
    while (keep < s.n && keep > 0 && ((unsigned char)s.p[keep] & 0xc0) == 0x80) keep--; /* not inside a character */
    int n = hg_kind_is_bytes(col->type->kind)
                ? snprintf(out, room, "%zu bytes", s.n)
                : snprintf(out, room, "'%.*s%s'", (int)keep, s.p, keep < s.n ? "..." : "");
    return n < 0 ? 0 : HG_MIN((size_t)n, room - 1);
}

void hg_cell_show(const hg_col_t *col, uint32_t row, char *out, size_t room)
{
    char text[HG_TIME_TEXT + HG_DEC_TEXT];
    const hg_type_t *t = col->type;
    size_t n = 0;
    out[0] = 0;
    if (t->kind == HG_T_NULL || hg_col_null(col, row)) {
        snprintf(out, room, "NULL");
        return;
    }
    switch ((int)t->kind) {
    case HG_T_BOOLEAN:
        snprintf(out, room, "%s", hg_bit_get(col->data, row) ? "TRUE" : "FALSE");
        return;
    case HG_T_TINYINT:
        snprintf(out, room, "%d", HG_COL(col, int8_t)[row]);
        return;
    case HG_T_SMALLINT:
        snprintf(out, room, "%d", HG_COL(col, int16_t)[row]);
        return;
    case HG_T_INTEGER:
        snprintf(out, room, "%" PRId32, HG_COL(col, int32_t)[row]);
        return;
    case HG_T_BIGINT:
        snprintf(out, room, "%" PRId64, HG_COL(col, int64_t)[row]);
        return;
    case HG_T_UTINYINT:
        snprintf(out, room, "%u", HG_COL(col, uint8_t)[row]);
        return;
    case HG_T_USMALLINT:
        snprintf(out, room, "%u", HG_COL(col, uint16_t)[row]);
        return;
    case HG_T_UINTEGER:
        snprintf(out, room, "%" PRIu32, HG_COL(col, uint32_t)[row]);
        return;
    case HG_T_UBIGINT:
        snprintf(out, room, "%" PRIu64, HG_COL(col, uint64_t)[row]);
        return;
    case HG_T_DECIMAL:
        n = hg_dec_print(text, HG_COL(col, hg_i128)[row], t->scale, false);
        break;
    case HG_T_REAL:
        n = hg_f32_print(text, HG_COL(col, float)[row]);
        break;
    case HG_T_DOUBLE:
        n = hg_f64_print(text, HG_COL(col, double)[row]);
        break;
    case HG_T_DATE:
        n = hg_date_print(text, HG_COL(col, int32_t)[row]);
        break;
    case HG_T_TIME:
        n = hg_time_print(text, HG_COL(col, int64_t)[row]);
        break;
    case HG_T_TIMESTAMP:
        n = hg_ts_print(text, HG_COL(col, int64_t)[row], ' ', "");
        break;
    case HG_T_TIMESTAMP_TZ:
        n = hg_ts_print(text, HG_COL(col, int64_t)[row], ' ', "+00:00");
        break;
    case HG_T_INTERVAL:
        n = hg_interval_print(text, HG_COL(col, int64_t)[row], t->unit);
        break;
    case HG_T_INTERVAL_YM:
        n = hg_interval_print(text, HG_COL(col, int32_t)[row], t->unit);
        break;
    case HG_T_UUID:
        n = hg_uuid_print(text, (const uint8_t *)col->data + (size_t)16 * row);
        break;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
    case HG_T_VARIANT:
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        show_text(col, row, out, room);
        return;
    default:
        snprintf(out, room, "%s", hg_kind_name(t->kind));
        return;
    }
    snprintf(out, room, "%.*s", (int)n, text);
}

static void show_arg(hg_buf_t *out, const hg_call_t *c, const hg_vec_t *args, uint32_t i, bool types, uint32_t row)
{
    char text[64];
    if (types) {
        hg_type_text(out, c->types[i]);
        return;
    }
    hg_cell_show(args[i].col, hg_vec_at(&args[i], row), text, sizeof text);
    hg_buf_adds(out, text);
}

/* "BIGINT + BIGINT" or "5 + 7"; "ROUND(DECIMAL(4, 2), BIGINT)"; "- BIGINT". */
static void show_call(hg_buf_t *out, const hg_call_t *c, const hg_vec_t *args, bool types, uint32_t row)
{
    const char *name = c->fn ? c->fn->name : "cast";
    if (c->fn && c->fn->flags & HG_F_INFIX && c->n_args == 2) {
        show_arg(out, c, args, 0, types, row);
        hg_buf_addf(out, " %s ", name);
        show_arg(out, c, args, 1, types, row);
        return;
    }
    bool neg = strcmp(name, "neg") == 0;
    if (neg)
        hg_buf_adds(out, "- ");
    else {
        for (const char *p = name; *p; p++) hg_buf_addc(out, *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p);
        hg_buf_addc(out, '(');
        if (c->fn && c->fn->flags & HG_F_UNIT) hg_buf_addf(out, "%s, ", hg_unit_name((hg_unit_t)c->fn->unit));
    }
    for (uint32_t i = 0; i < c->n_args; i++) {
        if (i) hg_buf_adds(out, ", ");
        show_arg(out, c, args, i, types, row);
    }
    if (!neg) hg_buf_addc(out, ')');
}

int hg_call_fail_row(const hg_call_t *c, const hg_vec_t *args, uint32_t row, const char *what)
{
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    show_call(&text, c, args, true, row);
    hg_buf_addf(&text, " %s: ", what);
    show_call(&text, c, args, false, row);
    int rc = hg_err_at(c->err, HG_EEVAL, c->pos, "%s", text.p);
    hg_buf_release(&text);
    return rc;
}
