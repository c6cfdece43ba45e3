/* gzip and zstd streams: members, pieces of every size, damage, ends too early, places to go on from. */
#include "base/hg.h"
#include "base/mem.h"
#include "base/buf.h"
#include "connectors/transport/decompress.h"
#include <setjmp.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

static const hg_compression_t kinds[] = { HG_COMPRESSION_GZIP, HG_COMPRESSION_ZSTD };

/* One more member with these bytes. */
static void pack(hg_compression_t kind, hg_buf_t *out, const char *p, size_t n)
{
    size_t room = ZSTD_compressBound(n) + 1024;
    char *to = hg_xnew(room);
    if (kind == HG_COMPRESSION_ZSTD) {
        room = ZSTD_compress(to, room, p, n, 3);
        assert_false(ZSTD_isError(room));
    } else {
        z_stream z = {
            .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n, .next_out = (Bytef *)to, .avail_out = (uInt)room
        };
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        room = z.total_out;
        deflateEnd(&z);
    }
    hg_buf_add(out, to, room);
    hg_free(to);
}

/* All that the stream gives, read `step` bytes at a time into `room` bytes at a time. */
static int unpack(hg_decompress_t *d, hg_str_t in, size_t step, size_t room, hg_buf_t *ret, hg_err_t *err)
{
    char *to = hg_xnew(room);
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && at < in.n) {
        size_t n = HG_MIN(step, in.n - at), done = 0;
        for (bool more = true; rc == 0 && more;) {
            size_t used = 0, made = 0;
            rc = hg_decompress(d, in.p + at + done, n - done, &used, to, room, &made, err);
            assert_true(used <= n - done && made <= room);
            if (rc == 0) hg_buf_add(ret, to, made);
            done += used;
            more = done < n || made == room;
        }
        at += n;
    }
    if (rc == 0) rc = hg_decompress_end(d, err);
    hg_free(to);
    return rc;
}

static void sample(hg_buf_t *b, size_t lines)
{
    for (size_t i = 0; i < lines; i++) hg_buf_addf(b, "{\"id\":%zu,\"x\":%zu}\n", i, i * 7919 % 10007);
}

static void whatever_the_pieces(void **st)
{
    static const size_t steps[] = { 1, 7, 1000, 1 << 20 }, rooms[] = { 1, 13, 4096, 1 << 20 };
    (void)st;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        hg_buf_t plain, packed, got;
        hg_buf_init(&plain, HG_BUF_NOMAX);
        hg_buf_init(&packed, HG_BUF_NOMAX);
        hg_buf_init(&got, HG_BUF_NOMAX);
        sample(&plain, 3000);
        pack(kinds[k], &packed, plain.p, 20000);
        pack(kinds[k], &packed, "", 0); /* an empty member */
        pack(kinds[k], &packed, plain.p + 20000, plain.len - 20000);
        for (size_t i = 0; i < HG_COUNT(steps); i++)
            for (size_t j = 0; j < HG_COUNT(rooms); j++) {
                hg_err_t err = HG_ERR_INIT;
                hg_decompress_t *d = hg_decompress_new(kinds[k]);
                hg_buf_clear(&got);
                assert_int_equal(unpack(d, (hg_str_t){ packed.p, packed.len }, steps[i], rooms[j], &got, &err), 0);
                assert_int_equal(got.len, plain.len);
                assert_memory_equal(got.p, plain.p, plain.len);
                assert_int_equal(hg_decompress_in(d), packed.len);
                hg_decompress_free(d);
            }
        hg_buf_release(&plain);
        hg_buf_release(&packed);
        hg_buf_release(&got);
    }
}

static void a_cut_stream_is_no_end(void **st)
{
    (void)st;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        hg_buf_t plain, packed, got;
        hg_buf_init(&plain, HG_BUF_NOMAX);
        hg_buf_init(&packed, HG_BUF_NOMAX);
        hg_buf_init(&got, HG_BUF_NOMAX);
        sample(&plain, 50);
        pack(kinds[k], &packed, plain.p, 100);
        size_t first = packed.len;
        pack(kinds[k], &packed, plain.p + 100, plain.len - 100);
        for (size_t n = 0; n < packed.len; n++) {
            hg_err_t err = HG_ERR_INIT;
            hg_decompress_t *d = hg_decompress_new(kinds[k]);
            hg_buf_clear(&got);
            int rc = unpack(d, (hg_str_t){ packed.p, n }, 11, 64, &got, &err);
            if (n == first) {
                assert_int_equal(rc, 0); /* a member less is nothing that can be seen */
            } else {
                assert_int_equal(rc, HG_EIO);
                assert_non_null(strstr(err.msg, n ? "cut off" : "empty"));
            }
            assert_memory_equal(got.p, plain.p, got.len);
            hg_decompress_free(d);
        }
        hg_buf_release(&plain);
        hg_buf_release(&packed);
        hg_buf_release(&got);
    }
}

static void damage_is_found(void **st)
{
    (void)st;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        hg_buf_t plain, packed, got;
        hg_buf_init(&plain, HG_BUF_NOMAX);
        hg_buf_init(&packed, HG_BUF_NOMAX);
        hg_buf_init(&got, HG_BUF_NOMAX);
        sample(&plain, 3000);
        pack(kinds[k], &packed, plain.p, plain.len);
        packed.p[packed.len / 2] ^= 0x55;
        hg_err_t err = HG_ERR_INIT;
        hg_decompress_t *d = hg_decompress_new(kinds[k]);
        int rc = unpack(d, (hg_str_t){ packed.p, packed.len }, 512, 4096, &got, &err);
        if (kinds[k] == HG_COMPRESSION_GZIP || rc < 0) { /* our zstd frames have no checksum */
            assert_int_equal(rc, HG_EIO);
            assert_non_null(strstr(err.msg, "damaged"));
            assert_non_null(strstr(err.msg, "uncompressed"));
        }
        hg_decompress_free(d);
        hg_buf_release(&plain);
        hg_buf_release(&packed);
        hg_buf_release(&got);
    }
}

static void what_is_not_compressed_is_told(void **st)
{
    (void)st;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        hg_err_t err = HG_ERR_INIT;
        hg_buf_t got;
        hg_buf_init(&got, HG_BUF_NOMAX);
        hg_decompress_t *d = hg_decompress_new(kinds[k]);
        assert_int_equal(unpack(d, HG_S("id,name\n1,one\n"), 100, 100, &got, &err), HG_EIO);
        assert_non_null(strstr(err.msg, "'compression'"));
        assert_int_equal(got.len, 0);
        hg_decompress_free(d);
        hg_buf_release(&got);
    }
}

static void what_follows_a_gzip_member(void **st)
{
    static const struct {
        hg_str_t tail;
        const char *error;
    } rows[] = { { { "\0\0\0\0\0\0\0", 7 }, NULL }, { { "\0\0x", 3 }, "neither zeros" }, { { "rest", 4 }, "damaged" } };
    (void)st;
    for (size_t i = 0; i < HG_COUNT(rows); i++)
        for (size_t step = 1; step < 60; step += 29) {
            hg_err_t err = HG_ERR_INIT;
            hg_buf_t packed, got;
            hg_buf_init(&packed, HG_BUF_NOMAX);
            hg_buf_init(&got, HG_BUF_NOMAX);
            pack(HG_COMPRESSION_GZIP, &packed, "hello", 5);
            hg_buf_addstr(&packed, rows[i].tail);
            hg_decompress_t *d = hg_decompress_new(HG_COMPRESSION_GZIP);
            int rc = unpack(d, (hg_str_t){ packed.p, packed.len }, step, 100, &got, &err);
            assert_int_equal(rc, rows[i].error ? HG_EIO : 0);
            if (rows[i].error) assert_non_null(strstr(err.msg, rows[i].error));
            if (!rows[i].error) assert_int_equal(got.len, 5);
            hg_decompress_free(d);
            hg_buf_release(&packed);
            hg_buf_release(&got);
        }
}

static void a_window_that_is_too_large_is_refused(void **st)
{
    (void)st;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t got;
    hg_buf_init(&got, HG_BUF_NOMAX);
    hg_decompress_t *d = hg_decompress_new(HG_COMPRESSION_ZSTD);
    /* a frame header: no size, no checksum, window 2^31 */
    assert_int_equal(unpack(d, HG_S("\x28\xB5\x2F\xFD\x00\xA8\x01\x00\x00"), 100, 100, &got, &err), HG_EIO);
    assert_non_null(strstr(err.msg, "--long"));
    hg_decompress_free(d);
    hg_buf_release(&got);
}

/* From every offset, from the member that a position would have kept. */
static void it_goes_on_from_a_member(void **st)
{
    (void)st;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        hg_buf_t plain, packed;
        hg_member_t begins[8];
        hg_buf_init(&plain, HG_BUF_NOMAX);
        hg_buf_init(&packed, HG_BUF_NOMAX);
        sample(&plain, 300);
        size_t each = plain.len / HG_COUNT(begins);
        plain.len = each * HG_COUNT(begins);
        for (size_t i = 0; i < HG_COUNT(begins); i++) {
            begins[i] = (hg_member_t){ packed.len, i * each };
            pack(kinds[k], &packed, plain.p + i * each, each);
        }
        hg_decompress_t *d = hg_decompress_new(kinds[k]);
        for (size_t off = 0; off <= plain.len; off += 97) {
            hg_err_t err = HG_ERR_INIT;
            hg_buf_t got;
            hg_buf_init(&got, HG_BUF_NOMAX);
            hg_member_t m = begins[HG_MIN(off / each, HG_COUNT(begins) - 1)];
            hg_decompress_from(d, m, off);
            hg_str_t rest = { packed.p + m.packed, packed.len - m.packed };
            assert_int_equal(unpack(d, rest, 50, 33, &got, &err), 0);
            assert_int_equal(got.len, plain.len - off);
            assert_memory_equal(got.p, plain.p + off, got.len);
            hg_buf_release(&got);
        }
        hg_err_t err = HG_ERR_INIT;
        hg_buf_t got;
        hg_buf_init(&got, HG_BUF_NOMAX);
        hg_decompress_from(d, (hg_member_t){ 0, 0 }, plain.len + 1);
        assert_int_equal(unpack(d, (hg_str_t){ packed.p, packed.len }, 50, 33, &got, &err), HG_EIO);
        assert_non_null(strstr(err.msg, "fewer than"));
        assert_int_equal(got.len, 0);
        hg_buf_release(&got);
        hg_decompress_free(d);
        hg_buf_release(&plain);
        hg_buf_release(&packed);
    }
}

static void members_are_kept_sparsely(void **st)
{
    (void)st;
    hg_members_t m = { 0 };
    for (uint64_t i = 0; i < 1000; i++) hg_members_note(&m, (hg_member_t){ i * 100000, i * 1000000 });
    assert_int_equal(m.n, HG_MEMBERS);
    assert_int_equal(m.v[0].packed, 300000);
    assert_int_equal(hg_members_at(&m, 2999999).packed, 0);
    hg_member_t at = hg_members_at(&m, 7500000);
    assert_int_equal(at.packed, 600000);
    assert_int_equal(at.plain, 6000000);
    assert_int_equal(m.v[0].packed, 600000); /* those before it are forgotten, and there is room again */
    hg_members_note(&m, (hg_member_t){ 90000000, 900000000 });
    assert_int_equal(m.v[m.n - 1].packed, 90000000);
    assert_int_equal(hg_members_at(&m, UINT64_MAX).packed, 90000000);
}

static void names_tell(void **st)
{
    static const struct {
        const char *name;
        hg_compression_t kind;
    } rows[] = { { "/a/b.csv.gz", HG_COMPRESSION_GZIP }, { "B.GZ", HG_COMPRESSION_GZIP },
                 { "x.gzip", HG_COMPRESSION_GZIP },      { "x.zst", HG_COMPRESSION_ZSTD },
                 { "x.json.zstd", HG_COMPRESSION_ZSTD }, { "x.csv", HG_COMPRESSION_NONE },
                 { ".gz", HG_COMPRESSION_NONE },         { "", HG_COMPRESSION_NONE },
                 { "gz", HG_COMPRESSION_NONE } };
    (void)st;
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        assert_int_equal(hg_compression_of(HG_COMPRESSION_AUTO, hg_strz(rows[i].name)), rows[i].kind);
        assert_int_equal(hg_compression_of(HG_COMPRESSION_NONE, hg_strz(rows[i].name)), HG_COMPRESSION_NONE);
        assert_int_equal(hg_compression_of(HG_COMPRESSION_ZSTD, hg_strz(rows[i].name)), HG_COMPRESSION_ZSTD);
    }
}

static void positions_are_read_back(void **st)
{
    static const struct {
        const char *json;
        uint64_t offset;
        const char *error;
    } rows[] = { { "{}", 5, NULL },
                 { "{\"member_at\":10,\"member_offset\":40}", 40, NULL },
                 { "{\"member_at\":10,\"member_offset\":41}", 40, "before 'offset'" },
                 { "{\"member_offset\":4}", 40, "before 'offset'" },
                 { "{\"member_at\":-1}", 40, "whole number" } };
    (void)st;
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_err_t err = HG_ERR_INIT;
        hg_json_t *j;
        hg_member_t m = { 7, 7 };
        assert_int_equal(hg_json_parse(a, hg_strz(rows[i].json), &j, &err), 0);
        int rc = hg_member_read(j, "a position", rows[i].offset, &m, &err);
        assert_int_equal(rc, rows[i].error ? HG_EPARSE : 0);
        if (rows[i].error) assert_non_null(strstr(err.msg, rows[i].error));
        hg_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_pieces),
        cmocka_unit_test(a_cut_stream_is_no_end),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(what_is_not_compressed_is_told),
        cmocka_unit_test(what_follows_a_gzip_member),
        cmocka_unit_test(a_window_that_is_too_large_is_refused),
        cmocka_unit_test(it_goes_on_from_a_member),
        cmocka_unit_test(members_are_kept_sparsely),
        cmocka_unit_test(names_tell),
        cmocka_unit_test(positions_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
