/* Checkpoints from bytes: refused as damaged, or a table that can be read and described again.
 *
 * byte 0, bit 4 set: the rest is the description of a checkpoint whose file pack-1.hgp holds a piece of 4 rows and a
 * bitmap; seg-1-1.hgs is a copy of it, so its head is wrong. Else the rest is a piece whose checksum is right; bit 0:
 * of a bag, bit 1: a bitmap of dead rows follows, bits 2 and 3: the number of origins - 1; byte 1: rows (up to 64);
 * then the piece, and at the end the 8 bytes of the bitmap. With bit 5 the piece is made: two bytes per row, how much
 * greater its key is and how long its text (odd: NULL), then changes of it, three bytes each: where, and what. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/block.h"
#include "engine/state.h"
#include "tests/fuzz/folder.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HEAD = 16 };

typedef struct {
    hg_arena_t *a;
    hg_relation_t rel;
    hg_plan_t plan;
} prog_t;

static void prog_init(prog_t *g, bool bag)
{
    static const uint32_t key[] = { 0 };
    g->a = hg_arena_new();
    hg_field_t *f = HG_ANEWN(g->a, hg_field_t, 2);
    f[0] = (hg_field_t){ .name = HG_S("k"), .type = hg_type_make(g->a, HG_T_BIGINT, false, -1, 0) };
    f[1] = (hg_field_t){ .name = HG_S("s"), .type = hg_type_make(g->a, HG_T_VARCHAR, true, -1, 0) };
    g->rel = (hg_relation_t){
        .kind = HG_REL_TABLE,
        .schema = { .name = HG_S("t"), .cols = f, .n_cols = 2, .key = bag ? NULL : key, .n_key = !bag },
        .materialized = true,
        .stored = true
    };
    hg_expr_t *less = HG_ANEW(g->a, hg_expr_t); /* LATENESS 0 */
    *less = (hg_expr_t){ .kind = HG_X_COL, .type = f[0].type };
    g->rel.late = HG_ANEWN(g->a, const hg_expr_t *, 2);
    g->rel.late[0] = less;
    g->plan = (hg_plan_t){ &g->rel, 1 };
}

static hg_circuit_t *circuit(const prog_t *g)
{
    hg_circuit_opts_t o = { .hashkey = { 1, 2 } };
    hg_circuit_t *c;
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(hg_circuit_new(&g->plan, &o, &c, &err) == 0);
    return c;
}

static void write_pack(const char *name, const char *head, const void *p, size_t n)
{
    char path[128], whole[HEAD] = { 0 };
    snprintf(path, sizeof path, "%s/%s", fuzz_folder("state"), name);
    memcpy(whole, head, 9);
    FILE *f = fopen(path, "wb");
    HG_ASSERT(f && fwrite(whole, 1, HEAD, f) == HEAD && (n == 0 || fwrite(p, 1, n, f) == n));
    fclose(f);
}

static uint64_t rows_of(hg_circuit_t *c)
{
    hg_snap_t *s = hg_circuit_snap(c, 0);
    uint64_t cursor = 0, rows = 0;
    hg_part_t *part;
    hg_err_t err = HG_ERR_INIT;
    while (hg_snap_scan(s, &cursor, NULL, 0, &part, &err) == 0 && part) {
        rows += part->n;
        hg_part_drop(part);
    }
    HG_ASSERT(err.code == 0 && rows == hg_snap_rows(s));
    hg_snap_drop(s);
    return rows;
}

/* *ret: a circuit in any case. The message has to say `names`. */
static int restore(const prog_t *g, hg_str_t text, const char *names, hg_circuit_t **ret)
{
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    hg_restore_opts_t o = { .dir = fuzz_folder("state"), .threads = 1 };
    hg_arena_t *a = hg_arena_new();
    *ret = circuit(g);
    int rc = hg_json_parse(a, text, &j, &err);
    if (rc == 0) {
        rc = hg_circuit_restore(*ret, j, &o, &err);
        HG_ASSERT(rc == 0 || (rc == HG_EDAMAGED && strstr(err.msg, names)));
    }
    hg_arena_free(a);
    return rc;
}

/* A restored circuit has nothing to write, and its description gives the same table. */
static void again(const prog_t *g, hg_circuit_t *c, uint64_t rows)
{
    hg_buf_t text;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_cut_stats_t stats;
    hg_circuit_t *d;
    hg_cut_t *k = hg_circuit_cut(c);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    HG_ASSERT(hg_cut_write(k, fuzz_folder("state"), 2, NULL, &w, &err) == 0);
    hg_cut_get_stats(k, &stats);
    hg_cut_done(c, k, true);
    HG_ASSERT(stats.rows == rows && stats.files_written == 0);
    HG_ASSERT(restore(g, hg_buf_str(&text), "", &d) == 0 && rows_of(d) == rows);
    hg_circuit_free(d);
    hg_buf_release(&text);
}

/* Appends a piece as a checkpoint has it. rows: two bytes each, as above. */
static void put_piece(const prog_t *g, const uint8_t *rows, uint32_t n, hg_buf_t *out)
{
    const uint32_t head[4] = { 0x31435048, n, 1, 0 };
    const hg_type_t *types[] = { g->rel.schema.cols[0].type, g->rel.schema.cols[1].type };
    static const char text[] = "text that is longer than what a cell holds itself";
    hg_changeb_t b;
    hg_err_t err = HG_ERR_INIT;
    int64_t key = 0;
    hg_changeb_init(&b, &g->rel.schema);
    for (uint32_t i = 0; i < n; i++) {
        key += rows[2 * i];
        size_t len = HG_MIN((size_t)rows[2 * i + 1] / 2, sizeof text - 1);
        HG_ASSERT(hg_colb_i64(&b.cols[0], key) == 0);
        HG_ASSERT((rows[2 * i + 1] & 1 ? hg_colb_null(&b.cols[1]) : hg_colb_var(&b.cols[1], text, len)) == 0);
        HG_ASSERT(hg_changeb_row(&b, HG_OP_INSERT, NULL) == 0);
    }
    hg_change_t *c = hg_changeb_seal(&b);
    hg_buf_add(out, head, sizeof head);
    HG_ASSERT(hg_block_write(out, c->rows, types, NULL, n, NULL, &err) == 0);
    hg_change_drop(c);
    hg_changeb_release(&b);
}

static void four_rows(const prog_t *g)
{
    static const uint8_t dead[8] = { 5 }, rows[] = { 0, 0, 1, 2, 1, 4, 1, 6 };
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    put_piece(g, rows, 4, &out);
    hg_buf_add(&out, dead, sizeof dead);
    write_pack("pack-1.hgp", "HGPACK\n\0\1", out.p, out.len);
    write_pack("seg-1-1.hgs", "HGPACK\n\0\1", out.p, out.len);
    if (getenv("FUZZ_STATE_SHOW")) /* what a description has to say, for whoever writes one */
        printf("size %zu, piece %zu %" PRIu64 ", bitmap %" PRIu64 ", fingerprint %" PRIu64 "\n", out.len + HEAD,
               out.len - 8, (uint64_t)XXH3_64bits(out.p, out.len - 8), (uint64_t)XXH3_64bits(dead, 8),
               hg_relation_fingerprint(&g->rel));
    hg_buf_release(&out);
}

static void description(const char *p, size_t n)
{
    prog_t g;
    hg_circuit_t *c;
    prog_init(&g, false);
    four_rows(&g);
    if (restore(&g, (hg_str_t){ p, n }, "", &c) == 0) again(&g, c, rows_of(c));
    hg_circuit_free(c);
    hg_arena_free(g.a);
}

/* A piece of so many rows, changed as what follows them says. */
static void made_piece(const prog_t *g, const uint8_t *p, size_t n, uint32_t rows, hg_buf_t *out)
{
    put_piece(g, p, rows, out);
    for (size_t at = 2 * rows; at + 3 <= n; at += 3) {
        size_t where = (size_t)p[at] << 8 | p[at + 1];
        if (where < out->len) out->p[where] = (char)p[at + 2];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2 + 8 || n > 100000) return 0;
    if (p[0] & 16) {
        description((const char *)p + 1, n - 1);
        return 0;
    }
    bool bag = p[0] & 1, bitmap = p[0] & 2, made = p[0] & 32;
    uint32_t n_origins = 1 + (p[0] >> 2 & 3), rows = 1 + p[1] % 64, dead = 0;
    p += 2;
    n -= 2;
    size_t piece = bitmap ? n - 8 : n;
    for (uint32_t i = 0; bitmap && i < rows; i++) dead += p[piece + i / 8] >> (i & 7) & 1;
    if ((bitmap && (dead == 0 || dead == rows)) || (made && piece < 2 * rows)) return 0;

    prog_t g;
    hg_buf_t own;
    prog_init(&g, bag);
    hg_buf_init(&own, HG_BUF_NOMAX);
    if (made) {
        made_piece(&g, p, piece, rows, &own);
        hg_buf_add(&own, p + piece, n - piece);
        piece = own.len - (n - piece);
        p = (const uint8_t *)own.p;
        n = own.len;
    }
    write_pack("pack-1.hgp", "HGPACK\n\0\1", p, n);
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_buf_addf(
        &text,
        "{\"format\":1,\"files\":[{\"name\":\"pack-1.hgp\",\"size\":%zu}],\"relations\":[{\"name\":\"t\","
        "\"fingerprint\":%" PRIu64 ",\"rows\":%u,\"origins\":[],\"segments\":[[{\"rows\":%u,\"file\":0,\"offset\":%d,"
        "\"length\":%zu,\"xxh3\":%" PRIu64 ",\"origins\":[0%s%s%s]",
        n + HEAD, hg_relation_fingerprint(&g.rel), rows - dead, rows, HEAD, piece, (uint64_t)XXH3_64bits(p, piece),
        n_origins > 1 ? ",1" : "", n_origins > 2 ? ",2" : "", n_origins > 3 ? ",3" : "");
    if (bitmap)
        hg_buf_addf(&text, ",\"dead\":{\"rows\":%u,\"file\":0,\"offset\":%zu,\"length\":8,\"xxh3\":%" PRIu64 "}", dead,
                    piece + HEAD, (uint64_t)XXH3_64bits(p + piece, 8));
    hg_buf_adds(&text, "}]]}]}");
    hg_circuit_t *c;
    if (restore(&g, hg_buf_str(&text), "pack-1.hgp is damaged at offset ", &c) == 0) {
        uint64_t live = rows_of(c);
        HG_ASSERT(live == rows - dead);
        again(&g, c, live);
    }
    hg_circuit_free(c);
    hg_buf_release(&text);
    hg_buf_release(&own);
    hg_arena_free(g.a);
    return 0;
}
