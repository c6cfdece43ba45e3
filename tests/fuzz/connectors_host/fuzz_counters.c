/* What a checkpoint says about endpoints, from bytes: refused without change, or what is saved of it then is restored
 * and saved again the same.
 *
 * The first byte: 0 the counters of an input, else the state of an output; the rest is JSON. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/host/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const hg_opt_t g_no_opts[] = { { .key = NULL } };
static const hg_input_type_t g_in = {
    .abi = HG_CONNECTOR_ABI, .name = "in", .opts = g_no_opts, .inst_size = 1, .caps = HG_CAP_BATCHES
};
static const hg_output_type_t g_out = {
    .abi = HG_CONNECTOR_ABI, .name = "out", .opts = g_no_opts, .inst_size = 1, .no_format = true
};

typedef struct {
    hg_loop_t *control;
    hg_host_t *host;
    hg_schema_t schema;
    hg_conn_spec_t spec;
} world_t;

/* Endpoints are made and freed, never opened: no loop needs to run. */
static world_t *world(void)
{
    static world_t w;
    if (w.host) return &w;
    static const hg_host_events_t ev = { 0 };
    w.control = hg_loop_new("control");
    w.host = hg_host_new(&(hg_host_opts_t){ .io_loops = 1, .pool_threads = 1, .control = w.control, .keep_owed = true },
                         &ev);
    w.spec = (hg_conn_spec_t){ .name = HG_S("c"), .endpoint = HG_S("t.c"), .in_type = &g_in, .out_type = &g_out };
    return &w;
}

static void text_of_input(hg_input_t *in, hg_buf_t *ret)
{
    hg_jw_t w;
    hg_buf_init(ret, HG_BUF_NOMAX);
    hg_jw_init(&w, ret);
    hg_input_counters_t *c = hg_input_counters(in);
    hg_input_counters_json(c, &w);
    hg_input_counters_free(c);
    HG_ASSERT(w.rc == 0);
}

static void text_of_output(hg_output_t *out, hg_buf_t *ret)
{
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(ret, HG_BUF_NOMAX);
    hg_jw_init(&w, ret);
    HG_ASSERT(hg_output_owed(out, hg_output_delivered_step(out), NULL, NULL, &w, &err) == 0 && w.rc == 0);
}

static bool same(const hg_buf_t *a, const hg_buf_t *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

typedef struct {
    bool output;
    hg_input_t *in;
    hg_output_t *out;
} subject_t;

static void make(world_t *w, subject_t *s)
{
    hg_err_t err = HG_ERR_INIT;
    hg_table_env_t env = { .schema = &w->schema };
    int rc = s->output ? hg_output_new(w->host, &w->spec, 0, &w->schema, &s->out, &err)
                       : hg_input_new(w->host, &w->spec, 0, &env, &s->in, &err);
    HG_ASSERT(rc == 0);
}

static void text_of(const subject_t *s, hg_buf_t *ret)
{
    if (s->output)
        text_of_output(s->out, ret);
    else
        text_of_input(s->in, ret);
}

static int restore(const subject_t *s, const hg_json_t *v, hg_err_t *err)
{
    return s->output ? hg_output_restore(s->out, v, err) : hg_input_restore_counters(s->in, v, err);
}

static void drop(subject_t *s)
{
    hg_input_free(s->in);
    hg_output_free(s->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t before, first, second;
    if (n < 2) return 0;
    world_t *w = world();
    subject_t a = { .output = p[0] != 0 && p[0] != '0' }, b = { .output = a.output };
    hg_arena_t *arena = hg_arena_new();
    make(w, &a);
    make(w, &b);
    text_of(&a, &before);
    if (hg_json_parse(arena, (hg_str_t){ (const char *)p + 1, n - 1 }, &v, &err) == 0) {
        int rc = restore(&a, v, &err);
        text_of(&a, &first);
        if (rc < 0) {
            HG_ASSERT(rc == HG_EPARSE && err.msg[0] && same(&before, &first));
        } else {
            HG_ASSERT(hg_json_parse(arena, hg_buf_str(&first), &v, &err) == 0 && restore(&b, v, &err) == 0);
            text_of(&b, &second);
            HG_ASSERT(same(&first, &second));
            hg_buf_release(&second);
        }
        hg_buf_release(&first);
    }
    hg_buf_release(&before);
    drop(&a);
    drop(&b);
    hg_arena_free(arena);
    return 0;
}
