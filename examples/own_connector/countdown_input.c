/* countdown_input.c: a connector that is not part of headgate. It counts down from `from` to 1.
 *
 * connectors/transport/skeleton_input.c explains each function; this file has only what a small source needs: no timer,
 * no position to return to.
 */
#include "base/hg.h"
#include "connectors/connector.h"

extern const hg_input_type_t hg_input_countdown;

typedef struct {
    uint64_t from;
} countdown_cfg_t;

static const hg_opt_t countdown_opts[] = {
    { .key = "from",
      .type = HG_OPT_U64,
      .at = offsetof(countdown_cfg_t, from),
      .def = "10",
      .doc = "First number. The last one is 1." },
    { .key = NULL },
};

typedef struct {
    uint64_t given; /* numbers handed over so far */
    hg_lane_t *lane;
} countdown_t;

static int countdown_open(hg_input_t *in, hg_err_t *err)
{
    const countdown_cfg_t *cfg = hg_in_cfg(in);
    if (cfg->from == 0) return hg_err_set(err, HG_EINVALTRANSPORT, "'from' must be at least 1");
    return 0;
}

/* Gives until the host is full (a run comes when there is room again) or the countdown is over. */
static int countdown_run(hg_input_t *in, hg_err_t *err)
{
    countdown_t *c = hg_in_inst(in);
    const countdown_cfg_t *cfg = hg_in_cfg(in);
    int rc = HG_LANE_OK;
    (void)err;
    if (!c->lane) c->lane = hg_lane_open(in, 0);
    while (c->given < cfg->from && rc == HG_LANE_OK) {
        size_t room;
        char *to = hg_lane_reserve(c->lane, 40, &room);
        if (!to) return 0; /* memory is out: the host knows, and closes us */
        rc = hg_lane_fill(c->lane, (size_t)snprintf(to, room, "{\"n\":%" PRIu64 "}\n", cfg->from - c->given));
        c->given++;
    }
    hg_in_progress(in, c->given, cfg->from);
    if (rc < 0 || c->given < cfg->from) return 0;
    (void)hg_lane_close(c->lane, false);
    c->lane = NULL;
    hg_in_eoi(in);
    return 0;
}

static int countdown_hold(hg_input_t *in, hg_err_t *err)
{
    (void)in, (void)err; /* run gives only while it is running: there is nothing to stop */
    return 0;
}

static void countdown_close(hg_input_t *in)
{
    hg_in_closed(in);
}

const hg_input_type_t hg_input_countdown = {
    .abi = HG_CONNECTOR_ABI,
    .name = "countdown_input",
    .summary = "counts down",
    .opts = countdown_opts,
    .extra = HG_EXTRA_REFUSE,
    .cfg_size = sizeof(countdown_cfg_t),
    .inst_size = sizeof(countdown_t),
    .caps = HG_CAP_FINITE,
    .open = countdown_open,
    .run = countdown_run,
    .hold = countdown_hold,
    .close = countdown_close,
};
