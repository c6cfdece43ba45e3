/* ipc.c: an Arrow IPC stream (ipc.h).
 *
 * A message is: FFFFFFFF, the length of the metadata, the metadata (a FlatBuffer: Message.fbs, Schema.fbs), the body.
 * The parts of the body begin at multiples of 64, as Arrow recommends, and so does the body itself in a stream that
 * holds nothing else. A record batch lists its columns (children behind their parents) as nodes, and the buffers of
 * each as places in the body. The lists are laid out first, with zeros, and filled in while the body is written behind
 * them, so nothing is measured beforehand and nothing is kept.
 *
 * A column is written from a row on, because the elements of a list may begin anywhere in its child.
 *
 * `lake` is the dialect of table formats, which numbers fields and stores two types differently (ipc.h).
 */
#include "base/hg.h"
#include "data/col_int.h"
#include "data/flat_int.h"
#include "data/ipc.h"
#include "data/text.h"

#define ALIGN        64
#define CONTINUATION UINT32_MAX

enum { VERSION_V5 = 4 };
enum { HEADER_SCHEMA = 1, HEADER_BATCH = 3 };
enum { UNIT_MICRO = 2, UNIT_NANO = 3 };          /* of Time and Timestamp */
enum { INTERVAL_MONTHS = 0, INTERVAL_DAYS = 1 }; /* days and milliseconds */
enum { SINGLE = 1, DOUBLE = 2 };                 /* of FloatingPoint */

/* Members of the union Type. */
typedef enum {
    ARROW_NULL = 1,
    ARROW_INT = 2,
    ARROW_FLOAT = 3,
    ARROW_UTF8 = 5,
    ARROW_BOOL = 6,
    ARROW_DECIMAL = 7,
    ARROW_DATE = 8,
    ARROW_TIME = 9,
    ARROW_TIMESTAMP = 10,
    ARROW_INTERVAL = 11,
    ARROW_STRUCT = 13,
    ARROW_FIXED_BINARY = 15,
    ARROW_MAP = 17,
    ARROW_LARGE_BINARY = 19,
    ARROW_LARGE_LIST = 21,
} arrow_t;

static arrow_t arrow_type(const hg_type_t *t, bool lake)
{
    switch (t->kind) {
    case HG_T_BOOLEAN:
        return ARROW_BOOL;
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_BIGINT:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
    case HG_T_UINTEGER:
    case HG_T_UBIGINT:
        return ARROW_INT;
    case HG_T_DECIMAL:
        return ARROW_DECIMAL;
    case HG_T_REAL:
    case HG_T_DOUBLE:
        return ARROW_FLOAT;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
    case HG_T_VARIANT:
        return ARROW_UTF8;
    case HG_T_UUID:
        return lake ? ARROW_FIXED_BINARY : ARROW_UTF8;
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return ARROW_LARGE_BINARY;
    case HG_T_DATE:
        return ARROW_DATE;
    case HG_T_TIME:
        return ARROW_TIME;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return ARROW_TIMESTAMP;
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        return ARROW_INTERVAL;
    case HG_T_ARRAY:
        return ARROW_LARGE_LIST;
    case HG_T_MAP:
        return ARROW_MAP;
    case HG_T_ROW:
        return ARROW_STRUCT;
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
    default:
        return ARROW_NULL;
    }
}

/* --- messages --- */

/* The metadata up to the header, a table that the caller links to the place returned. *body_length: where it goes. */
static size_t message_begin(hg_flat_t *f, hg_buf_t *out, uint8_t header, size_t *body_length)
{
    static const uint8_t widths[] = { 2, 1, 4, 8 }; /* version, header_type, header, bodyLength */
    size_t at[HG_COUNT(widths)];
    *f = (hg_flat_t){ .b = out, .base = out->len };
    hg_flat_zeros(f, 8);
    hg_flat_u32(f, f->base, CONTINUATION);
    size_t root = hg_flat_root(f);
    hg_flat_link(f, root, hg_flat_table(f, widths, HG_COUNT(widths), at));
    hg_flat_u16(f, at[0], VERSION_V5);
    hg_flat_u8(f, at[1], header);
    *body_length = at[3];
    return at[2];
}

static void metadata_end(hg_flat_t *f)
{
    hg_flat_align(f, ALIGN);
    hg_flat_u32(f, f->base + 4, (uint32_t)(f->b->len - f->base - 8));
}

static int fail(int rc, hg_err_t *err)
{
    return hg_err_set(err, (hg_code_t)rc,
                      rc == HG_ETOOBIG ? "the result is too large for the Arrow format"
                                       : "out of memory writing Arrow data");
}

/* --- the schema --- */

static size_t put_int(hg_flat_t *f, const hg_type_t *t)
{
    static const uint8_t widths[] = { 4, 1 }; /* bitWidth, is_signed */
    size_t at[2], table = hg_flat_table(f, widths, 2, at);
    hg_flat_u32(f, at[0], (uint32_t)(8 * hg_phys_width(hg_type_phys(t))));
    hg_flat_u8(f, at[1], !hg_kind_is_unsigned(t->kind));
    return table;
}

static size_t put_decimal(hg_flat_t *f, const hg_type_t *t)
{
    static const uint8_t widths[] = { 4, 4, 4 }; /* precision, scale, bitWidth */
    size_t at[3], table = hg_flat_table(f, widths, 3, at);
    hg_flat_u32(f, at[0], (uint32_t)t->precision);
    hg_flat_u32(f, at[1], (uint32_t)t->scale);
    hg_flat_u32(f, at[2], 128);
    return table;
}

/* A table of one 16-bit number: precision of a float, unit of a date or an interval. */
static size_t put_small(hg_flat_t *f, uint16_t v)
{
    static const uint8_t widths[] = { 2 };
    size_t at, table = hg_flat_table(f, widths, 1, &at);
    hg_flat_u16(f, at, v);
    return table;
}

static size_t put_time(hg_flat_t *f, bool lake)
{
    static const uint8_t widths[] = { 2, 4 }; /* unit, bitWidth */
    size_t at[2], table = hg_flat_table(f, widths, 2, at);
    hg_flat_u16(f, at[0], lake ? UNIT_MICRO : UNIT_NANO);
    hg_flat_u32(f, at[1], 64);
    return table;
}

static size_t put_timestamp(hg_flat_t *f, bool zone)
{
    const uint8_t widths[] = { 2, zone ? 4 : 0 }; /* unit, timezone */
    size_t at[2], table = hg_flat_table(f, widths, 2, at);
    hg_flat_u16(f, at[0], UNIT_MICRO);
    if (zone) hg_flat_link(f, at[1], hg_flat_string(f, HG_S("UTC")));
    return table;
}

/* Of a FixedSizeBinary. */
static size_t put_width(hg_flat_t *f, uint32_t bytes)
{
    static const uint8_t widths[] = { 4 };
    size_t at, table = hg_flat_table(f, widths, 1, &at);
    hg_flat_u32(f, at, bytes);
    return table;
}

typedef struct {
    hg_flat_t f;
    const int32_t *ids; /* of the fields to come; NULL: they have none */
} fields_t;

static size_t put_type(fields_t *w, const hg_type_t *t)
{
    hg_flat_t *f = &w->f;
    arrow_t a = arrow_type(t, w->ids);
    if (a == ARROW_INT) return put_int(f, t);
    if (a == ARROW_DECIMAL) return put_decimal(f, t);
    if (a == ARROW_FLOAT) return put_small(f, t->kind == HG_T_REAL ? SINGLE : DOUBLE);
    if (a == ARROW_DATE) return put_small(f, 0); /* days */
    if (a == ARROW_INTERVAL) return put_small(f, t->kind == HG_T_INTERVAL ? INTERVAL_DAYS : INTERVAL_MONTHS);
    if (a == ARROW_TIME) return put_time(f, w->ids);
    if (a == ARROW_TIMESTAMP) return put_timestamp(f, t->kind == HG_T_TIMESTAMP_TZ);
    if (a == ARROW_FIXED_BINARY) return put_width(f, 16);
    return hg_flat_table(f, NULL, 0, NULL); /* the others have no parameters */
}

static size_t put_field(fields_t *w, hg_str_t name, const hg_type_t *t, bool numbered);

/* Map has one child, a struct of key and value, which is no field of the table's: it has no number. */
static void put_entries(fields_t *w, size_t at, const hg_type_t *t)
{
    const hg_field_t kv[] = { { .name = HG_S("key"), .type = t->key }, { .name = HG_S("value"), .type = t->elem } };
    const hg_type_t entries = { .kind = HG_T_ROW, .precision = -1, .fields = kv, .n_fields = 2 };
    hg_flat_link(&w->f, at, put_field(w, HG_S("entries"), &entries, false));
}

static void put_children(fields_t *w, size_t at, const hg_type_t *t)
{
    size_t first;
    uint32_t n = t->kind == HG_T_ROW ? t->n_fields : t->kind == HG_T_ARRAY || t->kind == HG_T_MAP;
    hg_flat_link(&w->f, at, hg_flat_vector(&w->f, n, 4, &first));
    if (t->kind == HG_T_ARRAY) hg_flat_link(&w->f, first, put_field(w, HG_S("item"), t->elem, true));
    if (t->kind == HG_T_MAP) put_entries(w, first, t);
    for (uint32_t i = 0; t->kind == HG_T_ROW && i < n; i++)
        hg_flat_link(&w->f, first + 4 * (size_t)i, put_field(w, t->fields[i].name, t->fields[i].type, true));
}

/* Where Arrow's own readers and writers of Parquet look for it. */
static void put_id(hg_flat_t *f, size_t at, int32_t id)
{
    static const uint8_t widths[] = { 4, 4 }; /* key, value */
    size_t first, kv[2];
    char t[16];
    int n = snprintf(t, sizeof t, "%" PRId32, id);
    hg_flat_link(f, at, hg_flat_vector(f, 1, 4, &first));
    hg_flat_link(f, first, hg_flat_table(f, widths, 2, kv));
    hg_flat_link(f, kv[0], hg_flat_string(f, HG_S("PARQUET:field_id")));
    hg_flat_link(f, kv[1], hg_flat_string(f, (hg_str_t){ t, (size_t)n }));
}

static size_t put_field(fields_t *w, hg_str_t name, const hg_type_t *t, bool numbered)
{
    numbered = numbered && w->ids;
    /* name, nullable, type_type, type, dictionary, children, custom_metadata */
    const uint8_t widths[] = { 4, 1, 1, 4, 0, 4, numbered ? 4 : 0 };
    hg_flat_t *f = &w->f;
    size_t at[HG_COUNT(widths)], table = hg_flat_table(f, widths, HG_COUNT(widths), at);
    arrow_t a = arrow_type(t, w->ids);
    hg_flat_u8(f, at[1], t->nullable || a == ARROW_NULL);
    hg_flat_u8(f, at[2], (uint8_t)a);
    hg_flat_link(f, at[0], hg_flat_string(f, name));
    if (numbered) put_id(f, at[6], *w->ids++);
    hg_flat_link(f, at[3], put_type(w, t));
    put_children(w, at[5], t);
    return table;
}

int hg_ipc_lake_schema(hg_buf_t *out, const hg_schema_t *s, const int32_t *ids, hg_err_t *err)
{
    static const uint8_t widths[] = { 2, 4 }; /* endianness, fields */
    size_t at[2], first, length;
    fields_t w = { .ids = ids };
    hg_flat_t *f = &w.f;
    size_t header = message_begin(f, out, HEADER_SCHEMA, &length);
    hg_flat_link(f, header, hg_flat_table(f, widths, 2, at));
    hg_flat_link(f, at[1], hg_flat_vector(f, s->n_cols, 4, &first));
    for (uint32_t i = 0; i < s->n_cols; i++)
        hg_flat_link(f, first + 4 * (size_t)i, put_field(&w, s->cols[i].name, s->cols[i].type, true));
    metadata_end(f);
    return f->rc < 0 ? fail(f->rc, err) : 0;
}

int hg_ipc_schema(hg_buf_t *out, const hg_schema_t *s, hg_err_t *err)
{
    return hg_ipc_lake_schema(out, s, NULL, err);
}

/* --- record batches --- */

typedef struct {
    hg_flat_t f;
    bool lake;
    size_t body;         /* place of the body */
    size_t node, buffer; /* places of the next entries of the two lists */
    hg_str_t column;     /* the top one, for errors */
    hg_err_t *err;
} writer_t;

/* Entries that a column of this type needs, its children included. */
static void count_parts(const hg_type_t *t, bool lake, uint32_t *nodes, uint32_t *buffers)
{
    arrow_t a = arrow_type(t, lake);
    ++*nodes;
    if (a == ARROW_NULL) return;
    *buffers += a == ARROW_STRUCT ? 1 : a == ARROW_UTF8 || a == ARROW_LARGE_BINARY ? 3 : 2;
    if (a == ARROW_MAP) { /* and the struct of its entries */
        ++*nodes;
        ++*buffers;
        count_parts(t->key, lake, nodes, buffers);
    }
    if (a == ARROW_MAP || a == ARROW_LARGE_LIST) count_parts(t->elem, lake, nodes, buffers);
    for (uint32_t i = 0; a == ARROW_STRUCT && i < t->n_fields; i++)
        count_parts(t->fields[i].type, lake, nodes, buffers);
}

static void add_node(writer_t *w, uint32_t n, uint32_t nulls)
{
    hg_flat_u64(&w->f, w->node, n);
    hg_flat_u64(&w->f, w->node + 8, nulls);
    w->node += 16;
}

/* Room for a buffer of n bytes, all zero, listed. NULL: w->f.rc says why. */
static void *add_buffer(writer_t *w, size_t n)
{
    size_t at = w->f.b->len;
    hg_flat_u64(&w->f, w->buffer, at - w->body);
    hg_flat_u64(&w->f, w->buffer + 8, n);
    w->buffer += 16;
    hg_flat_zeros(&w->f, n);
    hg_flat_align(&w->f, ALIGN);
    return w->f.rc < 0 ? NULL : w->f.b->p + at;
}

/* Bits [from, from + n) to the beginning of dst, zeros behind them up to the byte's end. */
static void copy_bits(uint8_t *dst, const uint8_t *src, size_t from, size_t n)
{
    unsigned shift = from & 7;
    size_t bytes = hg_bitmap_bytes(n), last = hg_bitmap_bytes(from + n);
    src += from / 8;
    last -= from / 8;
    for (size_t i = 0; i < bytes; i++) {
        unsigned v = src[i] | (i + 1 < last ? (unsigned)src[i + 1] << 8 : 0);
        dst[i] = (uint8_t)(v >> shift);
    }
    if (n & 7) dst[bytes - 1] &= (uint8_t)((1u << (n & 7)) - 1);
}

/* The node and its validity; without nulls the bitmap is empty. What is NOT NULL is null only inside of a ROW that is
 * null, which says it for both: readers, and Parquet's writer, refuse a null in such a field. */
static void put_validity(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    uint32_t nulls =
        c->type->nullable && c->validity && c->nulls ? hg_bits_zeros(c->validity, from, (size_t)from + n) : 0;
    add_node(w, n, nulls);
    uint8_t *bits = add_buffer(w, nulls ? hg_bitmap_bytes(n) : 0);
    if (bits && nulls) copy_bits(bits, c->validity, from, n);
}

static void put_bools(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    uint8_t *bits = add_buffer(w, hg_bitmap_bytes(n));
    if (bits && n) copy_bits(bits, c->data, from, n);
}

static void put_fixed(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    size_t width = hg_phys_width(hg_type_phys(c->type));
    char *p = add_buffer(w, n * width);
    if (p && n) memcpy(p, HG_COL(c, char) + from * width, n * width);
}

/* Nanoseconds to microseconds. */
static void put_micros(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    int64_t *p = add_buffer(w, (size_t)n * sizeof *p);
    for (uint32_t i = 0; p && i < n; i++) p[i] = HG_COL(c, int64_t)[from + i] / 1000;
}

/* Offsets that begin with 0, narrow or wide. */
static void put_offsets(writer_t *w, const int32_t *offs, uint32_t from, uint32_t n, bool wide)
{
    char *p = add_buffer(w, ((size_t)n + 1) * (wide ? 8 : 4));
    for (uint32_t i = 0; p && i <= n; i++) {
        int32_t v = offs[from + i] - offs[from];
        int64_t v64 = v;
        memcpy(p + (size_t)i * (wide ? 8 : 4), wide ? (void *)&v64 : (void *)&v, wide ? 8 : 4);
    }
}

static void put_bytes(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n, bool wide)
{
    put_offsets(w, c->offs, from, n, wide);
    size_t size = (size_t)(c->offs[from + n] - c->offs[from]);
    char *p = add_buffer(w, size);
    if (p && size) memcpy(p, c->bytes + c->offs[from], size);
}

#define UUID_TEXT 36
static void put_uuids(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    int32_t *offs = add_buffer(w, ((size_t)n + 1) * sizeof *offs), at = 0;
    for (uint32_t i = 0; offs && i < n; i++) {
        offs[i] = at;
        if (hg_col_null(c, from + i)) continue;
        if (at > INT32_MAX - UUID_TEXT) w->f.rc = HG_ETOOBIG;
        if (w->f.rc < 0) return;
        at += UUID_TEXT;
    }
    if (offs) offs[n] = at;
    char *p = add_buffer(w, (size_t)at);
    for (uint32_t i = from; p && i < from + n; i++)
        if (!hg_col_null(c, i)) p += hg_uuid_print(p, HG_COL(c, uint8_t) + 16 * (size_t)i);
}

/* Microseconds to days and milliseconds; both have the sign. */
static void put_intervals(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    const int64_t day = INT64_C(86400000);
    int32_t *p = add_buffer(w, (size_t)n * 8);
    for (uint32_t i = 0; p && i < n; i++) {
        if (hg_col_null(c, from + i)) continue;
        int64_t v = HG_COL(c, int64_t)[from + i], days = v / 1000 / day;
        if (v % 1000 || days < INT32_MIN || days > INT32_MAX) {
            char t[HG_TIME_TEXT];
            int len = (int)hg_interval_print(t, v, c->type->unit);
            w->f.rc = hg_err_set(w->err, HG_EEVAL,
                                 "column '" HG_SF
                                 "': the interval %.*s does not fit Arrow's, which has days and milliseconds",
                                 HG_SA(w->column), len, t);
            return;
        }
        p[2 * (size_t)i] = (int32_t)days;
        p[2 * (size_t)i + 1] = (int32_t)(v / 1000 % day);
    }
}

static void put_column(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n);

/* What the lists in rows [from, from + n) hold is one stretch of the child. */
static void put_list(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    bool map = c->type->kind == HG_T_MAP;
    put_offsets(w, c->offs, from, n, !map);
    uint32_t first = (uint32_t)c->offs[from], len = (uint32_t)(c->offs[from + n] - c->offs[from]);
    if (map) {
        add_node(w, len, 0);
        add_buffer(w, 0);
    }
    for (uint32_t i = 0; i < c->n_child; i++) put_column(w, c->child[i], first, len);
}

static void put_column(writer_t *w, const hg_col_t *c, uint32_t from, uint32_t n)
{
    arrow_t a = arrow_type(c->type, w->lake);
    if (w->f.rc < 0) return;
    if (a == ARROW_NULL) {
        add_node(w, n, n);
        return;
    }
    put_validity(w, c, from, n);
    if (a == ARROW_BOOL)
        put_bools(w, c, from, n);
    else if (c->type->kind == HG_T_UUID && !w->lake)
        put_uuids(w, c, from, n);
    else if (a == ARROW_UTF8 || a == ARROW_LARGE_BINARY)
        put_bytes(w, c, from, n, a == ARROW_LARGE_BINARY);
    else if (c->type->kind == HG_T_INTERVAL)
        put_intervals(w, c, from, n);
    else if (c->type->kind == HG_T_TIME && w->lake)
        put_micros(w, c, from, n);
    else if (a == ARROW_LARGE_LIST || a == ARROW_MAP)
        put_list(w, c, from, n);
    else if (a != ARROW_STRUCT)
        put_fixed(w, c, from, n);
    for (uint32_t i = 0; a == ARROW_STRUCT && i < c->n_child; i++) put_column(w, c->child[i], from, n);
}

static int put_batch(hg_buf_t *out, const hg_schema_t *s, const hg_batch_t *b, bool lake, hg_err_t *err)
{
    static const uint8_t widths[] = { 8, 4, 4 }; /* length, nodes, buffers */
    size_t at[3], length;
    uint32_t nodes = 0, buffers = 0;
    writer_t w = { .lake = lake, .err = err };
    for (uint32_t i = 0; i < b->n_cols; i++) count_parts(b->cols[i]->type, lake, &nodes, &buffers);
    size_t header = message_begin(&w.f, out, HEADER_BATCH, &length);
    hg_flat_link(&w.f, header, hg_flat_table(&w.f, widths, 3, at));
    hg_flat_u64(&w.f, at[0], b->n_rows);
    hg_flat_link(&w.f, at[1], hg_flat_vector(&w.f, nodes, 16, &w.node));
    hg_flat_link(&w.f, at[2], hg_flat_vector(&w.f, buffers, 16, &w.buffer));
    metadata_end(&w.f);
    w.body = out->len;
    for (uint32_t i = 0; i < b->n_cols && w.f.rc == 0; i++) {
        w.column = s->cols[i].name;
        put_column(&w, b->cols[i], 0, b->n_rows);
    }
    hg_flat_u64(&w.f, length, out->len - w.body);
    if (w.f.rc == HG_EEVAL) return HG_EEVAL; /* it has said why */
    return w.f.rc < 0 ? fail(w.f.rc, err) : 0;
}

int hg_ipc_batch(hg_buf_t *out, const hg_schema_t *s, const hg_batch_t *b, hg_err_t *err)
{
    return put_batch(out, s, b, false, err);
}

int hg_ipc_lake_batch(hg_buf_t *out, const hg_schema_t *s, const hg_batch_t *b, hg_err_t *err)
{
    return put_batch(out, s, b, true, err);
}

int hg_ipc_end(hg_buf_t *out, hg_err_t *err)
{
    static const uint32_t end[] = { CONTINUATION, 0 };
    int rc = hg_buf_add(out, end, sizeof end);
    return rc < 0 ? fail(rc, err) : 0;
}
