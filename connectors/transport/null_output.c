/* null_output.c: accepts everything and discards it; the host's counters still count. Without a format nothing is
 * encoded. */
#include "base/hg.h"
#include "connectors/connector.h"

extern const hg_output_type_t hg_output_null;

static const hg_opt_t null_opts[] = { { .key = NULL } };

static int null_open(hg_output_t *out, hg_err_t *err)
{
    (void)out;
    (void)err;
    return 0;
}

static int null_start(hg_output_t *out, hg_err_t *err)
{
    (void)err;
    hg_out_ready(out);
    return 0;
}

static int null_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n_records,
                      hg_err_t *err)
{
    (void)out;
    (void)step;
    (void)key;
    (void)payload;
    (void)n_records;
    (void)err;
    return 0;
}

static int null_end_batch(hg_output_t *out, uint64_t step, hg_err_t *err)
{
    (void)err;
    hg_out_delivered(out, step);
    return 0;
}

static void null_stop(hg_output_t *out)
{
    hg_out_stopped(out);
}
static void null_close(hg_output_t *out)
{
    hg_out_closed(out);
}

const hg_output_type_t hg_output_null = {
    .abi = HG_CONNECTOR_ABI,
    .name = "null_output",
    .summary = "discards everything",
    .opts = null_opts,
    .no_format = true,
    .open = null_open,
    .start = null_start,
    .write = null_write,
    .end_batch = null_end_batch,
    .stop = null_stop,
    .close = null_close,
    .caps = HG_OUT_EXACT, /* what is discarded twice is discarded once */
};
