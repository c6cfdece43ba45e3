/* empty_input.c: an input without data: it ends as soon as it runs. Carries labels, and serves tests. */
#include "base/hg.h"
#include "connectors/connector.h"
#include "connectors/transport/position.h"

extern const hg_input_type_t hg_input_empty;

static const hg_opt_t empty_opts[] = { { .key = NULL } };

static int empty_open(hg_input_t *in, hg_err_t *err)
{
    (void)in;
    (void)err;
    return 0;
}

static int empty_run(hg_input_t *in, hg_err_t *err)
{
    (void)err;
    hg_in_eoi(in);
    return 0;
}

static int empty_hold(hg_input_t *in, hg_err_t *err)
{
    (void)in;
    (void)err;
    return 0;
}

static void empty_close(hg_input_t *in)
{
    hg_in_closed(in);
}

/* There is one position: the end, which running finds at once. */
static void empty_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    (void)in;
    (void)consumed;
    (void)n;
    hg_jw_obj(w);
    hg_jw_end_obj(w);
}

static int empty_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    (void)in;
    (void)position;
    (void)err;
    return 0;
}

static int empty_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    static const char *const none[] = { NULL };
    (void)cfg;
    return hg_position_members(position, "a position of empty_input", none, err);
}

const hg_input_type_t hg_input_empty = {
    .abi = HG_CONNECTOR_ABI,
    .name = "empty_input",
    .summary = "an input without data: ends at once",
    .opts = empty_opts,
    .caps =
        HG_CAP_FINITE | HG_CAP_REPLAY | HG_CAP_BATCHES | HG_CAP_RESUME, /* nothing to parse: works without a format */
    .open = empty_open,
    .run = empty_run,
    .hold = empty_hold,
    .close = empty_close,
    .save = empty_save,
    .restore = empty_restore,
    .check_position = empty_check_position,
    .position_doc = "`{}`.",
};
