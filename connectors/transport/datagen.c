/* datagen.c: an input that makes its rows up.
 *
 * The loop hands out ranges of row numbers, plan by plan, at most 2 × workers of them at a time; each is a job on the
 * pool that builds one change batch. Finished batches are delivered in the order of their ranges, so what arrives does
 * not depend on the number of workers or on timing. A hold stops the handing out; what is finished meanwhile waits here
 * for the next run.
 *
 * Rate: a plan may hand out 1 + elapsed × rate rows since it last began to run, never more than a second's worth at
 * once; a timer hands out the next ones. (Several jobs at a time per instance are safe: they share only the immutable
 * plan.)
 *
 * One lane; positions count the rows of all plans, from the first row ever made. In a replay batches end where they
 * ended then, whatever chunk sizes and rates say now.
 */
#include "base/hg.h"
#include "connectors/transport/datagen_int.h"
#include "connectors/connector.h"
#include "connectors/transport/position.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

extern const hg_input_type_t hg_input_datagen;

#define TICK_MS 20

typedef struct {
    const hg_json_t *plan;
    uint32_t workers;
    uint64_t seed;
    bool has_seed;
    uint64_t transaction_size;
} datagen_cfg_t;

static const hg_opt_t datagen_opts[] = {
    { .key = "plan",
      .type = HG_OPT_JSON,
      .at = offsetof(datagen_cfg_t, plan),
      .doc = "List of plans, run one after the other: {\"limit\", \"rate\", \"worker_chunk_size\", \"fields\": "
             "{column: {\"strategy\", \"range\", "
             "\"scale\", \"values\", \"null_percentage\", \"e\", \"fields\", \"key\", \"value\"}}}. Default: one plan "
             "without limit." },
    { .key = "workers",
      .type = HG_OPT_U32,
      .at = offsetof(datagen_cfg_t, workers),
      .def = "1",
      .min = 1,
      .max = 1024,
      .doc = "How many batches are made at the same time. The rows and their order do not depend on it." },
    { .key = "seed",
      .type = HG_OPT_U64,
      .at = offsetof(datagen_cfg_t, seed),
      .set_at = offsetof(datagen_cfg_t, has_seed),
      .doc = "Seed of the random values; equal seeds make equal rows. Default: another one at every start." },
    { .key = "transaction_size",
      .type = HG_OPT_U64,
      .at = offsetof(datagen_cfg_t, transaction_size),
      .doc =
          "Rows per transaction: what they change shows at once; the last one may have fewer. 0: every step shows by "
          "itself. Default: 0." },
    { .key = NULL },
};

typedef struct {
    hg_list_t link; /* datagen_t.flights */
    hg_input_t *in;
    uint32_t plan, n;
    uint64_t first, bytes;
    bool done; /* set on the loop */
    hg_change_t *change;
    hg_err_t err;
} flight_t;

typedef struct {
    uint64_t next, end; /* rows [next, end) are not handed out yet */
    int64_t since_us;   /* rate: rows are counted from here */
    uint64_t since_row;
} cursor_t;

typedef struct {
    hg_arena_t *arena;
    dg_plan_t *plans;
    uint32_t n_plans, at; /* plan that is handed out now */
    cursor_t *cursors;
    uint64_t seed;
    uint64_t start;         /* rows made by earlier instances */
    uint64_t handed, given; /* rows up to here are in flight, are delivered: the lane's position */
    uint64_t total;         /* rows in all, 0 = no end */
    hg_lane_t *lane;
    hg_list_t flights;
    uint32_t n_flights;
    bool running, closing, ended;
    bool in_transaction; /* of what was delivered */
    uv_timer_t *timer;
} datagen_t;

static void proceed(hg_input_t *in);

static void datagen_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    (void)obj;
    dg_plans_check(((const datagen_cfg_t *)cfg)->plan, d);
}

static void datagen_check_table(const void *cfg, const hg_json_t *obj, const hg_schema_t *schema, hg_diag_t *d)
{
    (void)obj;
    dg_plans_check_table(((const datagen_cfg_t *)cfg)->plan, schema, d);
}

static bool datagen_is_finite(const void *cfg)
{
    const hg_json_t *plan = ((const datagen_cfg_t *)cfg)->plan;
    uint64_t n;
    if (!plan || plan->kind != HG_J_ARRAY) return false;
    for (const hg_json_t *p = plan->child; p; p = p->next)
        if (hg_json_u64(hg_json_get(p, "limit") ? hg_json_get(p, "limit") : p, &n) < 0) return false;
    return true;
}

static int datagen_open(hg_input_t *in, hg_err_t *err)
{
    datagen_t *g = hg_in_inst(in);
    const datagen_cfg_t *cfg = hg_in_cfg(in);
    hg_list_init(&g->flights);
    g->arena = hg_arena_new();
    int rc = dg_plans_make(g->arena, cfg->plan, hg_in_schema(in), &g->plans, &g->n_plans, err);
    if (rc < 0) return rc;
    g->seed = cfg->seed;
    if (!cfg->has_seed) hg_random(&g->seed, sizeof g->seed);
    g->cursors = HG_ANEWN(g->arena, cursor_t, g->n_plans + 1);
    for (uint32_t i = 0; i < g->n_plans; i++) {
        g->cursors[i].end = g->plans[i].limit;
        g->total =
            g->plans[i].limit == UINT64_MAX || g->total == UINT64_MAX ? UINT64_MAX : g->total + g->plans[i].limit;
    }
    if (g->total == UINT64_MAX) g->total = 0;
    return 0;
}

/* --- pool --- */

static void make_batch(void *arg, unsigned worker)
{
    flight_t *f = arg;
    datagen_t *g = hg_in_inst(f->in);
    hg_changeb_t b;
    (void)worker;
    hg_changeb_init(&b, hg_in_schema(f->in));
    if (dg_rows(&g->plans[f->plan], g->seed, f->first, f->n, &b, &f->bytes, &f->err) == 0)
        f->change = hg_changeb_seal(&b);
    hg_changeb_release(&b);
}

/* --- loop --- */

static void drop_flight(datagen_t *g, flight_t *f)
{
    hg_list_del(&f->link);
    g->n_flights--;
    hg_change_drop(f->change);
    hg_free(f);
}

static void finish_close(hg_input_t *in)
{
    datagen_t *g = hg_in_inst(in);
    hg_arena_free(g->arena);
    g->arena = NULL;
    hg_in_closed(in);
}

static void drop_done(datagen_t *g)
{
    HG_LIST_EACH(it, &g->flights)
    {
        flight_t *f = HG_ENTRY(it, flight_t, link);
        if (f->done) drop_flight(g, f);
    }
}

static void batch_done(void *arg)
{
    flight_t *f = arg;
    hg_input_t *in = f->in;
    datagen_t *g = hg_in_inst(in);
    f->done = true;
    if (!g->closing) {
        proceed(in);
        return;
    }
    drop_done(g);
    if (hg_list_empty(&g->flights)) finish_close(in);
}

/* Transactions end at multiples of their size, counted from the first row ever made, so that a replay and an instance
 * that goes on later have the same ones. */
static uint64_t left_in_transaction(uint64_t size, uint64_t row)
{
    return size ? size - row % size : UINT64_MAX;
}

static void mark_transaction(datagen_t *g, uint64_t size)
{
    bool begin = !g->in_transaction, end = g->given % size == 0 || (g->total && g->given >= g->total);
    g->in_transaction = !end;
    hg_lane_transaction(g->lane, begin, end);
}

/* Finished batches from the front of the line. */
static void deliver(hg_input_t *in)
{
    datagen_t *g = hg_in_inst(in);
    const datagen_cfg_t *cfg = hg_in_cfg(in);
    while (g->running && !hg_list_empty(&g->flights)) {
        flight_t *f = HG_ENTRY(g->flights.next, flight_t, link);
        if (!f->done) return;
        if (f->err.code) {
            f->err.fatal = 1;
            g->running = false;
            hg_in_error(in, "generate", &f->err);
            return;
        }
        hg_change_t *change = f->change;
        uint64_t from = g->given;
        f->change = NULL;
        g->given += f->n;
        hg_in_progress(in, g->given, g->total);
        if (cfg->transaction_size) mark_transaction(g, cfg->transaction_size);
        if (hg_lane_change(g->lane, change, from, g->given, f->bytes) != HG_LANE_OK) g->running = false;
        drop_flight(g, f);
    }
}

static void on_timer(uv_timer_t *t)
{
    proceed(t->data);
}

static void wait_tick(hg_input_t *in)
{
    datagen_t *g = hg_in_inst(in);
    if (!g->timer) {
        g->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), g->timer);
        g->timer->data = in;
    }
    if (!uv_is_active((uv_handle_t *)g->timer)) uv_timer_start(g->timer, on_timer, TICK_MS, 0);
}

/* Rows that the plan's rate allows now; UINT64_MAX without a rate. */
static uint64_t allowed(const dg_plan_t *p, cursor_t *c)
{
    if (!p->rate) return UINT64_MAX;
    int64_t now = hg_mono_us();
    if (!c->since_us) {
        c->since_us = now;
        c->since_row = c->next;
    }
    uint64_t due = c->since_row + 1 + (uint64_t)((hg_u128)(uint64_t)(now - c->since_us) * p->rate / 1000000);
    if (due > c->next + p->rate) { /* far behind: what was missed is not caught up */
        c->since_us = now;
        c->since_row = c->next + p->rate - 1;
        due = c->next + p->rate;
    }
    return due > c->next ? due - c->next : 0;
}

static void hand_out(hg_input_t *in)
{
    datagen_t *g = hg_in_inst(in);
    const datagen_cfg_t *cfg = hg_in_cfg(in);
    if (!g->lane) g->lane = hg_lane_open(in, g->start);
    while (g->running && g->at < g->n_plans && g->n_flights < 2 * cfg->workers) {
        const dg_plan_t *p = &g->plans[g->at];
        cursor_t *c = &g->cursors[g->at];
        if (c->next == c->end) {
            g->at++;
            continue;
        }
        uint64_t end = hg_lane_batch_end(g->lane, g->handed), n = end - g->handed;
        if (end == UINT64_MAX) n = HG_MIN(HG_MIN(p->chunk, hg_in_max_batch(in)), allowed(p, c));
        n = HG_MIN(n, left_in_transaction(cfg->transaction_size, g->handed));
        n = HG_MIN(n, c->end - c->next);
        if (n == 0) {
            wait_tick(in);
            return;
        }
        flight_t *f = HG_NEW(flight_t);
        *f = (flight_t){ .in = in, .plan = g->at, .first = c->next, .n = (uint32_t)n };
        hg_list_init(&f->link);
        hg_list_add_tail(&g->flights, &f->link);
        g->n_flights++;
        c->next += n;
        g->handed += n;
        hg_in_work(in, make_batch, batch_done, f);
    }
}

static void proceed(hg_input_t *in)
{
    datagen_t *g = hg_in_inst(in);
    if (!g->running || g->closing || g->ended) return;
    deliver(in);
    hand_out(in);
    if (!g->running || g->at < g->n_plans || !hg_list_empty(&g->flights)) return;
    g->ended = true;
    g->running = false;
    if (g->lane) (void)hg_lane_close(g->lane, false);
    g->lane = NULL;
    hg_in_eoi(in);
}

static int datagen_run(hg_input_t *in, hg_err_t *err)
{
    datagen_t *g = hg_in_inst(in);
    (void)err;
    g->running = true;
    for (uint32_t i = g->at; i < g->n_plans; i++)
        g->cursors[i].since_us = 0; /* time spent on hold counts for nothing */
    proceed(in);
    return 0;
}

static int datagen_hold(hg_input_t *in, hg_err_t *err)
{
    datagen_t *g = hg_in_inst(in);
    (void)err;
    g->running = false;
    if (g->timer) uv_timer_stop(g->timer);
    return 0;
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void datagen_close(hg_input_t *in)
{
    datagen_t *g = hg_in_inst(in);
    g->closing = true;
    g->running = false;
    if (g->timer) {
        uv_close((uv_handle_t *)g->timer, free_timer);
        g->timer = NULL;
    }
    drop_done(g);
    if (hg_list_empty(&g->flights)) finish_close(in);
}

static void datagen_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const datagen_t *g = hg_in_inst(in);
    hg_jw_obj(w);
    hg_jw_ku64(w, "rows", n ? consumed[0].end : g->start);
    hg_jw_ku64(w, "seed", g->seed);
    hg_jw_end_obj(w);
}

static int read_position(const hg_json_t *position, uint64_t *rows, uint64_t *seed, hg_err_t *err)
{
    static const char *const names[] = { "rows", "seed", NULL };
    static const char what[] = "a position of datagen";
    int rc = hg_position_members(position, what, names, err);
    if (rc == 0) rc = hg_position_u64(position, what, "rows", true, rows, err);
    if (rc == 0) rc = hg_position_u64(position, what, "seed", false, seed, err);
    return rc;
}

static int datagen_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    const hg_json_t *plan = ((const datagen_cfg_t *)cfg)->plan;
    uint64_t rows, seed, n, total = 0;
    int rc = read_position(position, &rows, &seed, err);
    if (rc < 0 || !datagen_is_finite(cfg)) return rc;
    for (const hg_json_t *p = plan->child; p; p = p->next)
        if (hg_json_u64(hg_json_get(p, "limit"), &n) == 0) total = n > UINT64_MAX - total ? UINT64_MAX : total + n;
    if (rows <= total) return 0;
    return hg_err_set(err, HG_ERANGE, "row %" PRIu64 " is behind the last one: the plans make %" PRIu64 " rows", rows,
                      total);
}

static int datagen_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    datagen_t *g = hg_in_inst(in);
    uint64_t rows;
    int rc = read_position(position, &rows, &g->seed, err);
    if (rc < 0) return rc;
    for (uint32_t p = 0; p < g->n_plans; p++) {
        cursor_t *c = &g->cursors[p];
        c->next = HG_MIN(rows, c->end);
        g->start += c->next;
        rows -= c->next;
    }
    g->handed = g->given = g->start;
    return 0;
}

const hg_input_type_t hg_input_datagen = {
    .abi = HG_CONNECTOR_ABI,
    .name = "datagen",
    .summary = "makes up rows: counters, random numbers, plausible names and texts",
    .opts = datagen_opts,
    .extra = HG_EXTRA_REFUSE,
    .cfg_size = sizeof(datagen_cfg_t),
    .inst_size = sizeof(datagen_t),
    .caps = HG_CAP_FINITE | HG_CAP_REPLAY | HG_CAP_BATCHES | HG_CAP_RESUME,
    .check = datagen_check,
    .check_table = datagen_check_table,
    .is_finite = datagen_is_finite,
    .open = datagen_open,
    .run = datagen_run,
    .hold = datagen_hold,
    .close = datagen_close,
    .save = datagen_save,
    .restore = datagen_restore,
    .check_position = datagen_check_position,
    .position_doc =
        "`{\"rows\": n, \"seed\": s}`: the next row is number n, counted from 0 over all plans. Without `seed`: the "
        "configured one, or another one at every start.",
};
