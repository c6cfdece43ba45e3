/* The framing of Arrow IPC streams: messages, alignment, lists of buffers, bitmaps that begin anywhere. What the values
 * look like to Arrow itself is in tests/e2e/test_arrow.py. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "base/fault.h"
#include "base/mem.h"
#include "data/ipc.h"
#include "data/text.h"

static hg_arena_t *arena;

static int setup(void **state)
{
    (void)state;
    arena = hg_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hg_arena_free(arena);
    return 0;
}

static const hg_type_t *type(hg_kind_t k)
{
    return hg_type_make(arena, k, true, -1, 0);
}

static hg_col_t *seal(hg_colb_t *b)
{
    hg_col_t *c = hg_colb_seal(b);
    hg_colb_release(b);
    return c;
}

/* --- a reader of FlatBuffers that checks what it touches --- */

static hg_str_t meta; /* the message that is read */

static uint64_t num(size_t at, size_t width)
{
    uint64_t v = 0;
    assert_true(at % width == 0 && at + width <= meta.n);
    memcpy(&v, meta.p + at, width);
    return v;
}

static size_t ref(size_t at)
{
    size_t to = at + num(at, 4);
    assert_true(to > at && to + 4 <= meta.n && to % 4 == 0);
    return to;
}

/* Where field i of the table is, 0 = absent. */
static size_t field(size_t table, unsigned i)
{
    int32_t back = (int32_t)num(table, 4);
    assert_true(back > 0 && (size_t)back <= table);
    size_t fields = table - (size_t)back, n = num(fields, 2);
    assert_true(n >= 4 && fields + n <= table + 4);
    if (4 + 2 * i + 2 > n) return 0;
    size_t off = num(fields + 4 + 2 * i, 2);
    assert_true(off < num(fields + 2, 2));
    return off ? table + off : 0;
}

typedef struct {
    uint64_t type, body_len;
    size_t header; /* a table in meta */
    const char *body;
    size_t size;
} message_t;

static message_t message(const hg_buf_t *b, size_t at)
{
    uint32_t head[2];
    assert_true(at % 8 == 0 && at + 8 <= b->len);
    memcpy(head, b->p + at, 8);
    assert_int_equal(head[0], UINT32_MAX);
    assert_true(head[1] > 0 && head[1] % 8 == 0 && at + 8 + head[1] <= b->len);
    meta = (hg_str_t){ b->p + at + 8, head[1] };
    size_t root = ref(0);
    assert_int_equal(num(field(root, 0), 2), 4); /* V5 */
    message_t m = { .type = num(field(root, 1), 1), .header = ref(field(root, 2)), .body = b->p + at + 8 + head[1] };
    m.body_len = num(field(root, 3), 8);
    m.size = 8 + head[1] + m.body_len;
    assert_true(at + m.size <= b->len && m.size % 64 == 0);
    return m;
}

/* Entry i of list `which` (1 = nodes, 2 = buffers) of a record batch. */
static void entry(const message_t *m, unsigned which, uint32_t i, uint64_t ret[2])
{
    size_t list = ref(field(m->header, which));
    assert_true(i < num(list, 4));
    for (unsigned k = 0; k < 2; k++) ret[k] = num(list + 4 + 16 * (size_t)i + 8 * k, 8);
}

static const void *buffer(const message_t *m, uint32_t i, uint64_t len)
{
    uint64_t e[2];
    entry(m, 2, i, e);
    assert_int_equal(e[1], len);
    assert_true(e[0] % 64 == 0 && e[0] + e[1] <= m->body_len);
    return m->body + e[0];
}

static void node(const message_t *m, uint32_t i, uint64_t len, uint64_t nulls)
{
    uint64_t e[2];
    entry(m, 1, i, e);
    assert_int_equal(e[0], len);
    assert_int_equal(e[1], nulls);
}

static hg_schema_t schema_of(const hg_field_t *f, uint32_t n)
{
    return (hg_schema_t){ .cols = f, .n_cols = n };
}

static message_t one_column(hg_buf_t *out, hg_col_t *c)
{
    hg_err_t err = HG_ERR_INIT;
    hg_field_t *f = HG_ANEW(arena, hg_field_t);
    *f = (hg_field_t){ .name = HG_S("c"), .type = c->type };
    hg_schema_t s = schema_of(f, 1);
    hg_batch_t *b = hg_batch_new(c->len, 1);
    b->cols[0] = c;
    hg_buf_clear(out);
    assert_int_equal(hg_ipc_batch(out, &s, b, &err), 0);
    hg_batch_drop(b);
    message_t m = message(out, 0);
    assert_int_equal(m.type, 3);
    assert_int_equal(m.size, out->len);
    return m;
}

static void a_stream_is_schema_batches_end(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    const hg_field_t f[] = { { .name = HG_S("id"), .type = type(HG_T_BIGINT) },
                             { .name = HG_S(""), .type = hg_type_array(arena, type(HG_T_VARCHAR), false) } };
    hg_schema_t s = schema_of(f, 2);
    assert_int_equal(hg_ipc_schema(&out, &s, &err), 0);
    message_t m = message(&out, 0);
    assert_int_equal(m.type, 1);
    assert_int_equal(m.body_len, 0);
    size_t fields = ref(field(m.header, 1));
    assert_int_equal(num(fields, 4), 2);
    size_t id = ref(fields + 4), list = ref(fields + 8);
    assert_memory_equal(meta.p + ref(field(id, 0)) + 4, "id", 3);
    assert_int_equal(num(field(id, 1), 1), 1); /* nullable */
    assert_int_equal(num(field(id, 2), 1), 2); /* Int */
    assert_int_equal(num(field(ref(field(id, 3)), 0), 4), 64);
    assert_int_equal(num(ref(field(list, 0)), 4), 0); /* an empty name */
    assert_int_equal(num(field(list, 1), 1), 0);
    assert_int_equal(num(field(list, 2), 1), 21); /* LargeList */
    size_t children = ref(field(list, 5));
    assert_int_equal(num(children, 4), 1);
    assert_int_equal(num(field(ref(children + 4), 2), 1), 5); /* Utf8 */

    size_t at = out.len;
    hg_colb_t a, b;
    hg_colb_init(&a, f[0].type);
    hg_colb_init(&b, f[1].type);
    hg_batch_t *rows = hg_batch_new(0, 2);
    rows->cols[0] = seal(&a);
    rows->cols[1] = seal(&b);
    assert_int_equal(hg_ipc_batch(&out, &s, rows, &err), 0);
    hg_batch_drop(rows);
    m = message(&out, at);
    assert_int_equal(num(field(m.header, 0), 8), 0);
    for (uint32_t i = 0; i < 3; i++) node(&m, i, 0, 0);
    buffer(&m, 0, 0);
    buffer(&m, 1, 0);
    buffer(&m, 2, 0);
    assert_int_equal(*(const int64_t *)buffer(&m, 3, 8), 0); /* offsets have one more than rows */
    at += m.size;
    assert_int_equal(hg_ipc_end(&out, &err), 0);
    assert_int_equal(out.len, at + 8);
    assert_memory_equal(out.p + at, "\xff\xff\xff\xff\0\0\0\0", 8);
    hg_buf_release(&out);
}

/* Lists of booleans: the child begins at every bit of a byte, has every length, nulls anywhere. */
static void bitmaps_begin_anywhere(void **state)
{
    (void)state;
    const hg_type_t *t = hg_type_array(arena, type(HG_T_BOOLEAN), true), *slice = hg_type_with_null(arena, t, false);
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    for (uint32_t skip = 0; skip < 10; skip++)
        for (uint32_t n = 0; n < 70; n += n < 20 ? 1 : 11)
            for (unsigned every = 1; every < 5; every++) { /* each of so many is null; 1 = none is */
                hg_colb_t b;
                hg_colb_init(&b, t);
                uint32_t nulls = 0;
                for (uint32_t i = 0; i < skip + n; i++) {
                    bool null = every > 1 && i % every == 1;
                    assert_int_equal(null ? hg_colb_null(&b.child[0]) : hg_colb_bool(&b.child[0], i % 3 == 0), 0);
                    nulls += null && i >= skip;
                    if (i + 1 == skip) assert_int_equal(hg_colb_close_list(&b), 0);
                }
                assert_int_equal(hg_colb_close_list(&b), 0);
                hg_col_t *whole = seal(&b), *c = hg_col_retype(whole, slice);
                hg_col_drop(whole);
                if (skip) { /* the second row alone */
                    c->offs++;
                    c->len--;
                }
                message_t m = one_column(&out, c);
                node(&m, 0, 1, 0);
                node(&m, 1, n, nulls);
                const int64_t *offs = buffer(&m, 1, 16);
                assert_true(offs[0] == 0 && offs[1] == n);
                const uint8_t *valid = buffer(&m, 2, nulls ? (n + 7) / 8 : 0), *bits = buffer(&m, 3, (n + 7) / 8);
                for (uint32_t i = 0; i < n; i++) {
                    bool null = every > 1 && (i + skip) % every == 1;
                    if (nulls) assert_int_equal(hg_bit_get(valid, i), !null);
                    if (!null) assert_int_equal(hg_bit_get(bits, i), (i + skip) % 3 == 0);
                }
                for (uint32_t i = n; i % 8; i++) {
                    assert_false(hg_bit_get(bits, i));
                    if (nulls) assert_false(hg_bit_get(valid, i));
                }
            }
    hg_buf_release(&out);
}

/* Text offsets begin with 0 though the column's do not; UUIDs are text, those of nulls empty. */
static void text_is_rebased(void **state)
{
    (void)state;
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_colb_t b;
    hg_colb_init(&b, type(HG_T_VARBINARY));
    for (int i = 0; i < 3; i++) assert_int_equal(hg_colb_var(&b, "abcdef", (size_t)i + 2), 0);
    hg_col_t *whole = seal(&b), *c = hg_col_retype(whole, hg_type_with_null(arena, whole->type, false));
    hg_col_drop(whole);
    c->offs++;
    c->len--;
    message_t m = one_column(&out, c);
    const int64_t *wide = buffer(&m, 1, 24);
    assert_true(wide[0] == 0 && wide[1] == 3 && wide[2] == 7);
    assert_memory_equal(buffer(&m, 2, 7), "abcabcd", 7);

    uint8_t id[16] = { 0x55, 0x0e, [15] = 1 };
    hg_colb_init(&b, type(HG_T_UUID));
    assert_int_equal(hg_colb_fixed(&b, id), 0);
    assert_int_equal(hg_colb_null(&b), 0);
    assert_int_equal(hg_colb_fixed(&b, id), 0);
    m = one_column(&out, seal(&b));
    node(&m, 0, 3, 1);
    assert_int_equal(*(const uint8_t *)buffer(&m, 0, 1), 5);
    const int32_t *offs = buffer(&m, 1, 16);
    assert_true(offs[0] == 0 && offs[1] == 36 && offs[2] == 36 && offs[3] == 72);
    assert_memory_equal((const char *)buffer(&m, 2, 72) + 36, "550e0000-0000-0000-0000-000000000001", 36);
    hg_buf_release(&out);
}

static void maps_and_rows_have_children(void **state)
{
    (void)state;
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    const hg_field_t fields[] = { { .name = HG_S("x"), .type = type(HG_T_NULL) },
                                  { .name = HG_S("y"), .type = type(HG_T_SMALLINT) } };
    const hg_type_t row = { .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = fields, .n_fields = 2 };
    const hg_type_t map = { .kind = HG_T_MAP, .precision = -1, .key = type(HG_T_VARCHAR), .elem = &row };
    hg_colb_t b;
    hg_colb_init(&b, &map);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hg_colb_var(&b.child[0], "key", 3), 0);
        assert_int_equal(hg_colb_null(&b.child[1].child[0]), 0);
        assert_int_equal(hg_colb_i16(&b.child[1].child[1], (int16_t)-i), 0);
        assert_int_equal(hg_colb_close_struct(&b.child[1]), 0);
    }
    assert_int_equal(hg_colb_close_list(&b), 0);
    message_t m = one_column(&out, seal(&b));
    const uint64_t lens[] = { 1, 3, 3, 3, 3, 3 }; /* map, entries, key, value, x, y */
    for (uint32_t i = 0; i < 6; i++) node(&m, i, lens[i], i == 4 ? 3 : 0);
    const int32_t *offs = buffer(&m, 1, 8);
    assert_true(offs[0] == 0 && offs[1] == 3);
    assert_memory_equal(buffer(&m, 5, 9), "keykeykey", 9);
    const int16_t *y = buffer(&m, 8, 6);
    assert_true(y[0] == 0 && y[2] == -2);
    uint64_t n = num(ref(field(m.header, 2)), 4);
    assert_int_equal(n, 9); /* x has none */
    hg_buf_release(&out);
}

static void intervals_are_days_and_milliseconds(void **state)
{
    (void)state;
    const int64_t day = INT64_C(86400000000);
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_colb_t b;
    hg_colb_init(&b, type(HG_T_INTERVAL));
    assert_int_equal(hg_colb_i64(&b, 3 * day + 1000), 0);
    assert_int_equal(hg_colb_i64(&b, -3 * day - 1000), 0);
    message_t m = one_column(&out, seal(&b));
    const int32_t *v = buffer(&m, 1, 16);
    assert_true(v[0] == 3 && v[1] == 1 && v[2] == -3 && v[3] == -1);

    const hg_field_t f = { .name = HG_S("wait"), .type = type(HG_T_INTERVAL) };
    hg_schema_t s = schema_of(&f, 1);
    hg_colb_init(&b, f.type);
    assert_int_equal(hg_colb_i64(&b, 1), 0);
    hg_batch_t *rows = hg_batch_new(1, 1);
    rows->cols[0] = seal(&b);
    hg_buf_clear(&out);
    assert_int_equal(hg_ipc_batch(&out, &s, rows, &err), HG_EEVAL);
    assert_non_null(strstr(err.msg, "column 'wait': the interval"));
    hg_batch_drop(rows);
    hg_buf_release(&out);
}

/* Every allocation fails once; a full buffer says so. */
static void without_memory_it_says_so(void **state)
{
    (void)state;
    const hg_field_t f = { .name = HG_S("s"), .type = type(HG_T_VARCHAR) };
    hg_schema_t s = schema_of(&f, 1);
    hg_colb_t b;
    hg_colb_init(&b, f.type);
    for (int i = 0; i < 100; i++) assert_int_equal(hg_colb_var(&b, "some text", 9), 0);
    hg_batch_t *rows = hg_batch_new(100, 1);
    rows->cols[0] = seal(&b);
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        hg_err_t err = HG_ERR_INIT;
        hg_buf_t out;
        hg_buf_init(&out, HG_BUF_NOMAX);
        hg_fault_arm(HG_FAULT_ALLOC, n);
        int rc = hg_ipc_schema(&out, &s, &err);
        if (rc == 0) rc = hg_ipc_batch(&out, &s, rows, &err);
        if (rc == 0) rc = hg_ipc_end(&out, &err);
        fired = hg_fault_fired();
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        assert_int_equal(rc, fired ? HG_ENOMEM : 0);
        hg_buf_release(&out);
    }
    for (size_t max = 1; max < 1000; max += 50) {
        hg_err_t err = HG_ERR_INIT;
        hg_buf_t out;
        hg_buf_init(&out, max);
        assert_int_equal(hg_ipc_batch(&out, &s, rows, &err), HG_ETOOBIG);
        hg_buf_release(&out);
    }
    hg_batch_drop(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_schema_batches_end),
        cmocka_unit_test(bitmaps_begin_anywhere),
        cmocka_unit_test(text_is_rebased),
        cmocka_unit_test(maps_and_rows_have_children),
        cmocka_unit_test(intervals_are_days_and_milliseconds),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
