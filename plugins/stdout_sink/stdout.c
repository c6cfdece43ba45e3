/* stdout.c: tells in the log what comes. An example of a sink. (The standard output is the host's.) */
#include "base/hg.h"
#include "plugins/sdk/sink.h"

typedef struct cfg {
    bool print_payload;
} cfg_t;

static const hg_opt_t options[] = {
    { .key = "print_payload",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, print_payload),
      .def = "false",
      .doc = "A line for each message too, with its payload." },
    { .key = NULL },
};

typedef struct state {
    _Atomic uint64_t calls;
} state_t;

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    (void)err;
    i->state = hg_arena_alloc(i->arena, sizeof(state_t));
    return 0;
}

static void print(const hgp_batch_t *b, uint32_t k)
{
    const hg_pc_raw_t *m = &b->v[k].m;
    if (hg_utf8_valid(m->payload.p, m->payload.n))
        hgp_log(IGGY_LOG_INFO, "offset %" PRIu64 ": " HG_SF, m->offset, HG_SA(m->payload));
    else
        hgp_log(IGGY_LOG_INFO, "offset %" PRIu64 ": %zu bytes that are no text", m->offset, m->payload.n);
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = i->state;
    (void)worker;
    (void)err;
    hgp_log(IGGY_LOG_INFO,
            "%u messages of " HG_SF "/" HG_SF ", partition %u, offset %" PRIu64 ", schema %s, call %" PRIu64, b->n,
            HG_SA(b->stream), HG_SA(b->topic), b->partition, b->v[0].m.offset, hgp_schema_name(b->schema),
            atomic_fetch_add(&s->calls, 1) + 1);
    for (uint32_t k = 0; c->print_payload && k < b->n; k++) print(b, k);
    return 0;
}

static const hgp_sink_t sink = {
    .name = "stdout_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .write = write_batch,
};
HGP_SINK(sink)
