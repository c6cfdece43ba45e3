/* format.c: `bench_format json|csv|avro FILE [ROUNDS]`: a file in memory → chunks → typed columns → dropped, on one
 * thread. Avro records stand in the file behind their length, 4 bytes little-endian, and come one by one, as messages
 * do. Prints the best round: records per second of CPU time and of wall time, and a checksum to compare with other
 * parsers.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "base/opts.h"
#include "connectors/format.h"
#include <stdlib.h>
#include <time.h>

#define CHUNK ((size_t)256 << 10)

static double now(clockid_t c)
{
    struct timespec t;
    clock_gettime(c, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rbe");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = hg_xnew(*n + 64);
    memset(p + *n, 0, 64);
    if (fread(p, 1, *n, f) != *n) {
        perror(path);
        exit(1);
    }
    fclose(f);
    return p;
}

static void on_error(hg_parse_out_t *out, const hg_parse_error_t *e)
{
    (void)out;
    fprintf(stderr, "bad record: %s\n", e->description);
    exit(1);
}
static void on_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)warning, (void)node, (void)at_key;
    fprintf(stderr, "%s\n", msg);
}

static uint64_t checksum(const hg_change_t *c, uint64_t sum)
{
    const hg_batch_t *b = c->rows;
    for (uint32_t r = 0; r < b->n_rows; r++) {
        sum += (uint64_t)HG_COL(b->cols[0], int64_t)[r] + hg_col_var(b->cols[1], r).n +
               (uint64_t)HG_COL(b->cols[2], double)[r] + (uint64_t)HG_COL(b->cols[3], int64_t)[r];
        if (b->n_cols == 5) sum += (uint64_t)(b->cols[4]->offs[r + 1] - b->cols[4]->offs[r]);
    }
    return sum;
}

/* Of an Avro file: its schema stands before the records, as they do. */
static hg_str_t options_of(hg_arena_t *a, const char *kind, const char **text, size_t *n)
{
    uint32_t len;
    hg_buf_t b;
    if (strcmp(kind, "json") == 0) return HG_S("{\"update_format\":\"raw\",\"lines\":\"single\"}");
    if (strcmp(kind, "csv") == 0) return HG_S("{}");
    memcpy(&len, *text, 4);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "{\"skip_schema_id\":true,\"schema\":");
    hg_json_quote(&b, (hg_str_t){ *text + 4, len });
    hg_buf_addc(&b, '}');
    *text += 4 + len;
    *n -= 4 + len;
    hg_str_t ret = hg_arena_str(a, hg_buf_str(&b));
    hg_buf_release(&b);
    return ret;
}

/* The next chunk of the file, parsed. Returns its length, 0 after a failure. */
static size_t parse_chunk(const hg_format_type_t *f, const hg_parser_t *p, void *scratch, const char *at, size_t left,
                          bool first, hg_parse_out_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    size_t len = HG_MIN(left, CHUNK), done = 0;
    if (f != &hg_format_avro) {
        hg_split_state_t st = { 0 }; /* each cut begins anew: nothing of the rest was seen */
        size_t cut = f->split(p, &st, at, 0, len, len == left);
        return f->parse(p, scratch, at, cut, first, out, &err) < 0 ? 0 : cut;
    }
    while (done < len) {
        uint32_t n;
        memcpy(&n, at + done, 4);
        if (f->parse(p, scratch, at + done + 4, n, true, out, &err) < 0) return 0;
        done += 4 + n;
    }
    return done;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_format json|csv|avro FILE [ROUNDS]\n");
        return 2;
    }
    bool json = strcmp(argv[1], "json") == 0, avro = strcmp(argv[1], "avro") == 0;
    const hg_format_type_t *f = json ? &hg_format_json : avro ? &hg_format_avro : &hg_format_csv;
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 5;
    size_t n;
    char *file = read_file(argv[2], &n);
    const char *text = file;

    hg_arena_t *a = hg_arena_new();
    hg_field_t cols[5] = {
        { .name = HG_S("id"), .type = hg_type_make(a, HG_T_BIGINT, false, -1, 0) },
        { .name = HG_S("name"), .type = hg_type_make(a, HG_T_VARCHAR, true, -1, 0) },
        { .name = HG_S("price"), .type = hg_type_make(a, HG_T_DOUBLE, true, -1, 0) },
        { .name = HG_S("ts"), .type = hg_type_make(a, HG_T_TIMESTAMP, true, -1, 0) },
        { .name = HG_S("tags"), .type = hg_type_array(a, hg_type_make(a, HG_T_VARCHAR, true, -1, 0), true) },
    };
    hg_schema_t schema = { .name = HG_S("t"), .cols = cols, .n_cols = json || avro ? 5 : 4 };
    hg_parse_env_t env = { .schema = &schema };
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *node = NULL;
    hg_diag_t diag = { .fn = on_diag };
    hg_parser_t *p = NULL;
    void *cfg = hg_arena_alloc(a, f->in_cfg + 1);
    hg_str_t options = options_of(a, argv[1], &text, &n);
    if (hg_json_parse(a, options, &node, &err) < 0 ||
        hg_opts_parse(f->in_opts, node, node, HG_EXTRA_REFUSE, NULL, a, cfg, &diag) < 0 ||
        f->parser_new(cfg, &env, &p, &err) < 0)
        return 1;
    p->type = f;
    void *scratch = f->scratch_new ? f->scratch_new(p) : NULL;

    double best_cpu = 1e9, best_wall = 1e9;
    uint64_t rows = 0, sum = 0;
    for (int round = 0; round < rounds; round++) {
        double cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC), checking = 0;
        rows = sum = 0;
        for (size_t at = 0; at < n;) {
            hg_parse_out_t out = { .error = on_error };
            hg_changeb_init(&out.changes, &schema);
            size_t cut = parse_chunk(f, p, scratch, text + at, n - at, at == 0, &out);
            if (!cut) return 1;
            rows += out.changes.len;
            hg_change_t *c = hg_changeb_seal(&out.changes);
            if (round == 0) { /* not part of the best: the first round also warms up */
                double t = now(CLOCK_PROCESS_CPUTIME_ID);
                sum = checksum(c, sum);
                checking += now(CLOCK_PROCESS_CPUTIME_ID) - t;
                if (at + cut == n) printf("checksum %" PRIu64 "\n", sum);
            }
            hg_change_drop(c);
            hg_changeb_release(&out.changes);
            at += cut;
        }
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu - checking;
        wall = now(CLOCK_MONOTONIC) - wall - checking;
        if (cpu < best_cpu) best_cpu = cpu;
        if (wall < best_wall) best_wall = wall;
    }
    printf("rows %" PRIu64 " cpu_s %.4f wall_s %.4f mrec_per_cpu_s %.2f\n", rows, best_cpu, best_wall,
           (double)rows / best_cpu / 1e6);
    f->parser_free(p);
    if (scratch) f->scratch_free(scratch);
    hg_arena_free(a);
    hg_free(file);
    return 0;
}
