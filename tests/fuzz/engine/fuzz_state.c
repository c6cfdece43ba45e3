/* Pieces of a checkpoint from bytes whose checksums are right: refused with the file's name, or a table that can be
 * read and described again.
 *
 * byte 0: bit 0 a bag, bit 1 a bitmap of dead rows follows, bits 2 and 3 the number of origins − 1; byte 1: rows (up to
 * 64); then the piece, and at the end the 8 bytes of the bitmap. */
#include "base/hg.h"
#include "base/mem.h"
#include "engine/state.h"
#include <unistd.h>
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

static const char *folder(void)
{
    static char dir[64];
    if (dir[0]) return dir;
    snprintf(dir, sizeof dir, "/tmp/hg-fuzz-state-XXXXXX");
    HG_ASSERT(mkdtemp(dir));
    return dir;
}

static void write_pack(const uint8_t *p, size_t n)
{
    static const char head[HEAD] = "HGPACK\n\0\1";
    char path[96];
    snprintf(path, sizeof path, "%s/pack-1.hgp", folder());
    FILE *f = fopen(path, "wb");
    HG_ASSERT(f && fwrite(head, 1, HEAD, f) == HEAD && (n == 0 || fwrite(p, 1, n, f) == n));
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

static int restore(const prog_t *g, hg_str_t text, hg_circuit_t **ret)
{
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    hg_restore_opts_t o = { .dir = folder(), .threads = 1 };
    hg_arena_t *a = hg_arena_new();
    HG_ASSERT(hg_json_parse(a, text, &j, &err) == 0);
    *ret = circuit(g);
    int rc = hg_circuit_restore(*ret, j, &o, &err);
    HG_ASSERT(rc == 0 || (rc == HG_EDAMAGED && strstr(err.msg, "pack-1.hgp is damaged at offset ")));
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
    HG_ASSERT(hg_cut_write(k, folder(), 2, NULL, &w, &err) == 0);
    hg_cut_get_stats(k, &stats);
    hg_cut_done(c, k, true);
    HG_ASSERT(stats.rows == rows && stats.files_written == 0);
    HG_ASSERT(restore(g, hg_buf_str(&text), &d) == 0 && rows_of(d) == rows);
    hg_circuit_free(d);
    hg_buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2 + 8 || n > 100000) return 0;
    bool bag = p[0] & 1, bitmap = p[0] & 2;
    uint32_t n_origins = 1 + (p[0] >> 2 & 3), rows = 1 + p[1] % 64, dead = 0;
    p += 2;
    n -= 2;
    size_t piece = bitmap ? n - 8 : n;
    for (uint32_t i = 0; bitmap && i < rows; i++) dead += p[piece + i / 8] >> (i & 7) & 1;
    if (bitmap && (dead == 0 || dead == rows)) return 0;

    prog_t g;
    prog_init(&g, bag);
    write_pack(p, n);
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
    if (restore(&g, hg_buf_str(&text), &c) == 0) {
        uint64_t live = rows_of(c);
        HG_ASSERT(live == rows - dead);
        again(&g, c, live);
    }
    hg_circuit_free(c);
    hg_buf_release(&text);
    hg_arena_free(g.a);
    return 0;
}
