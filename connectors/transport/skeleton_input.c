/* skeleton_input.c: the connector to copy. It yields `count` lines of text, {"n":0}, {"n":1}, …, one every `interval`.
 *
 * To make a connector of your own: copy this file, rename `skeleton`, describe the options in the table, fill in the
 * functions, and add one line to connectors/list.h. The order in which they are called is drawn in
 * connectors/connector.h; all of them run on the connector's loop, and none may block (work that blocks goes to the
 * pool with hg_in_work).
 *
 * State: `at` is the next line. It moves only when the line has been handed over, so run after hold goes on where it
 * stopped, and a line's position in the lane is its byte offset, from which restore finds the line again.
 */
#include "base/hg.h"
#include "connectors/connector.h"
#include "connectors/transport/position.h"
#include "base/mem.h"

extern const hg_input_type_t hg_input_skeleton;

/* 1. What users may configure. The host parses and checks it, and fills this struct. */
typedef struct {
    uint64_t count;
    uint64_t interval_ms;
} skeleton_cfg_t;

static const hg_opt_t skeleton_opts[] = {
    { .key = "count",
      .type = HG_OPT_U64,
      .at = offsetof(skeleton_cfg_t, count),
      .flags = HG_OPT_REQUIRED,
      .doc = "Lines to make." },
    { .key = "interval",
      .type = HG_OPT_DURATION,
      .at = offsetof(skeleton_cfg_t, interval_ms),
      .def = "0",
      .unit = "ms",
      .doc = "Pause between two lines. Without one they come as fast as they are taken." },
    { .key = NULL },
};

/* 2. What an instance remembers. It starts zeroed. */
typedef struct {
    uint64_t at, bytes; /* next line; bytes of all lines before it */
    uint64_t start;     /* where this instance began */
    bool running;
    hg_lane_t *lane;
    uv_timer_t *timer;
} skeleton_t;

/* 3. open: look at the configuration; hold nothing yet. */
static int skeleton_open(hg_input_t *in, hg_err_t *err)
{
    const skeleton_cfg_t *cfg = hg_in_cfg(in);
    if (cfg->count == 0) return hg_err_set(err, HG_EINVALTRANSPORT, "'count' must be at least 1");
    return 0;
}

static size_t line_text(uint64_t n, char out[40])
{
    return (size_t)snprintf(out, 40, "{\"n\":%" PRIu64 "}\n", n);
}

static void step(hg_input_t *in);
static void on_timer(uv_timer_t *t)
{
    step(t->data);
}

/* 4. The work: give data until the host says it is full, a hold comes, or the source has ended. */
static void step(hg_input_t *in)
{
    skeleton_t *s = hg_in_inst(in);
    const skeleton_cfg_t *cfg = hg_in_cfg(in);
    while (s->running && s->at < cfg->count) {
        char line[40];
        size_t n = line_text(s->at, line), room;
        char *to = hg_lane_reserve(s->lane, n, &room);
        if (!to) return; /* memory is out: the host knows, and closes us */
        memcpy(to, line, n);
        s->at++;
        s->bytes += n;
        int rc = hg_lane_fill(s->lane, n);
        if (rc == HG_LANE_OK && cfg->interval_ms)
            rc = hg_lane_flush(s->lane); /* slow sources do not wait for a full chunk */
        hg_in_progress(in, s->at, cfg->count);
        if (rc != HG_LANE_OK) s->running = false; /* full: a run will come */
        if (s->running && cfg->interval_ms && s->at < cfg->count) {
            uv_timer_start(s->timer, on_timer, cfg->interval_ms, 0);
            return;
        }
    }
    if (s->at < cfg->count || !s->lane) return;
    s->running = false;
    (void)hg_lane_close(s->lane, false);
    s->lane = NULL;
    hg_in_eoi(in); /* once, after all data */
}

/* 5. run connects, if there is something to connect to, and reads. */
static int skeleton_run(hg_input_t *in, hg_err_t *err)
{
    skeleton_t *s = hg_in_inst(in);
    (void)err;
    if (!s->lane) s->lane = hg_lane_open(in, s->bytes);
    if (!s->timer) {
        s->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), s->timer);
        s->timer->data = in;
    }
    s->running = true;
    step(in);
    return 0;
}

/* 6. hold: nothing is given after it. */
static int skeleton_hold(hg_input_t *in, hg_err_t *err)
{
    skeleton_t *s = hg_in_inst(in);
    (void)err;
    s->running = false;
    uv_timer_stop(s->timer);
    return 0;
}

/* 7. close: let go of everything, then say so. May come at any time after open, also when run was never called. */
static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void skeleton_close(hg_input_t *in)
{
    skeleton_t *s = hg_in_inst(in);
    s->running = false;
    if (s->timer) uv_close((uv_handle_t *)s->timer, free_timer);
    s->timer = NULL;
    hg_in_closed(in);
}

/* 8. Positions: save tells where a new instance goes on once the consumed ranges are safe; restore goes there. */
static void skeleton_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const skeleton_t *s = hg_in_inst(in);
    hg_jw_obj(w);
    hg_jw_ku64(w, "bytes",
               n ? consumed[0].end : s->start); /* not s->bytes: that is what was given, not what was taken */
    hg_jw_end_obj(w);
}

static int skeleton_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    skeleton_t *s = hg_in_inst(in);
    const skeleton_cfg_t *cfg = hg_in_cfg(in);
    uint64_t want;
    char line[40];
    int rc = hg_position_u64(position, "a position of skeleton_input", "bytes", true, &want, err);
    if (rc < 0) return rc;
    while (s->bytes < want && s->at < cfg->count) s->bytes += line_text(s->at++, line);
    s->start = s->bytes;
    return 0;
}

const hg_input_type_t hg_input_skeleton = {
    .abi = HG_CONNECTOR_ABI,
    .name = "skeleton_input",
    .summary = "counts; the connector to copy",
    .opts = skeleton_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(skeleton_cfg_t),
    .inst_size = sizeof(skeleton_t),
    .caps = HG_CAP_FINITE | HG_CAP_REPLAY,
    .open = skeleton_open,
    .run = skeleton_run,
    .hold = skeleton_hold,
    .close = skeleton_close,
    .save = skeleton_save,
    .restore = skeleton_restore,
};
