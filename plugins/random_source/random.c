/* random.c: messages that look like something, for trying things out. An example of a source: its state is how many it
 * has produced. */
#include "base/hg.h"
#include "base/log.h"
#include "plugins/sdk/source.h"

typedef struct cfg {
    uint64_t interval, max_count;
    const hg_json_t *range;
    uint32_t payload_size;
} cfg_t;

static const hg_opt_t options[] = {
    { .key = "interval",
      .type = HG_OPT_DURATION,
      .at = offsetof(cfg_t, interval),
      .def = "1s",
      .doc = "Pause before each batch." },
    { .key = "max_count",
      .type = HG_OPT_U64,
      .at = offsetof(cfg_t, max_count),
      .doc = "Messages in all, over restarts: then the source has ended. Without one (or 0) it never does." },
    { .key = "messages_range",
      .type = HG_OPT_JSON,
      .at = offsetof(cfg_t, range),
      .doc = "Messages of a batch, `[least, above]`: the upper bound is excluded. Without one: `[10, 50]`." },
    { .key = "payload_size",
      .type = HG_OPT_U32,
      .at = offsetof(cfg_t, payload_size),
      .def = "100",
      .max = 10000000,
      .unit = "bytes",
      .doc = "Length of `text`." },
    { .key = NULL },
};

typedef struct random {
    uint64_t least, above;
    uint64_t produced;
    hg_buf_t payload;
    uint64_t seed[2];
} random_t;

static uint64_t next(random_t *r) /* xoroshiro128+ */
{
    uint64_t a = r->seed[0], b = r->seed[1], sum = a + b;
    b ^= a;
    r->seed[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    r->seed[1] = b << 37 | b >> 27;
    return sum;
}

static int read_range(random_t *r, const hg_json_t *v, hg_err_t *err)
{
    r->least = 10;
    r->above = 50;
    if (!v) return 0;
    if (v->kind != HG_J_ARRAY || v->n != 2 || hg_json_u64(hg_json_at(v, 0), &r->least) < 0 ||
        hg_json_u64(hg_json_at(v, 1), &r->above) < 0 || r->least >= r->above || r->above > 1000000)
        return hg_err_set(err, HG_EINVAL,
                          "option 'messages_range': expected two numbers, the first below the second, up to 1000000");
    return 0;
}

static void rewind_to(hgp_instance_t *i, hg_str_t state)
{
    random_t *r = i->state;
    hgp_mp_value_t v;
    bool given = state.n > 0;
    r->produced = 0;
    if (given && hgp_mp_take(&state, HGP_MP_ARRAY, &v) == 0 && v.u == 1 && hgp_mp_take(&state, HGP_MP_UINT, &v) == 0)
        r->produced = v.u;
    else if (given)
        hgp_log(IGGY_LOG_WARN, "the state cannot be read: counting from 0");
}

static int open_source(hgp_instance_t *i, hg_str_t state, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    random_t *r = HG_ANEW(i->arena, random_t);
    i->state = r;
    hg_buf_init(&r->payload, HG_BUF_NOMAX);
    hg_random(r->seed, sizeof r->seed);
    rewind_to(i, state);
    return read_range(r, c->range, err);
}

static void close_source(hgp_instance_t *i)
{
    random_t *r = i->state;
    hg_buf_release(&r->payload);
}

static int make(random_t *r, uint32_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t hi = (next(r) & ~(uint64_t)0xf000) | 0x4000,
             lo = next(r) >> 2 | (uint64_t)1 << 63; /* a UUID of version 4 */
    hg_buf_clear(&r->payload);
    int rc = hg_buf_addf(&r->payload,
                         "{\"id\":\"%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64
                         "\",\"title\":\"Hello\",\"name\":\"World\",\"text\":\"",
                         hi >> 32, hi >> 16 & 0xffff, hi & 0xffff, lo >> 48, lo & 0xffffffffffff);
    if (rc == 0) rc = hg_buf_reserve(&r->payload, (size_t)size + 2);
    if (rc < 0) return rc;
    for (uint32_t k = 0; k < size; k++) r->payload.p[r->payload.len++] = letters[next(r) % (sizeof letters - 1)];
    return hg_buf_adds(&r->payload, "\"}");
}

static int poll(hgp_instance_t *i, hgp_out_t *out, hg_buf_t *state, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    random_t *r = i->state;
    uint64_t n = r->least + next(r) % (r->above - r->least);
    if (c->max_count) n = HG_MIN(n, c->max_count - HG_MIN(r->produced, c->max_count));
    int rc = 0;
    for (uint64_t k = 0; rc == 0 && k < n; k++) {
        rc = make(r, c->payload_size);
        if (rc == 0) rc = hgp_out_message(out, 0, NULL, 0, hg_buf_str(&r->payload));
    }
    r->produced += n;
    if (rc == 0) rc = hgp_mp_array(state, 1);
    if (rc == 0) rc = hgp_mp_u64(state, r->produced);
    if (rc < 0) return hg_err_retry(err, rc, "no memory for a batch");
    return c->max_count && r->produced >= c->max_count ? HGP_POLL_END : HGP_POLL_LATER;
}

static uint64_t pause_ms(hgp_instance_t *i)
{
    const cfg_t *c = i->cfg;
    return c->interval;
}

static const hgp_source_t source = {
    .name = "random_source",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_source,
    .poll = poll,
    .rewind = rewind_to,
    .close = close_source,
    .pause_ms = pause_ms,
};
HGP_SOURCE(source)
