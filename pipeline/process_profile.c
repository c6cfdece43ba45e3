/* process_profile.c: where the process's memory and time go: profile/. */
#include "base/hg.h"

#include "pipeline/server_int.h"
#include "profile/cpu.h"
#include "profile/heap.h"

static void do_heap_profile(call_t *c)
{
    c->content_type = "application/protobuf";
    hg_heap_profile(&c->body, &c->err);
}

void hg_serve_heap_profile(hg_pipeline_server_t *s, hg_req_t *r)
{
    hg_call_pool(s, r, do_heap_profile, NULL, false, 0);
}

/* Which process of the pipeline: there is one. */
static int first_process(hg_req_t *r, hg_err_t *err)
{
    uint64_t ordinal;
    if (hg_req_param_u64(r, "ordinal", 0, &ordinal, err) < 0) return err->code;
    if (ordinal == 0) return 0;
    return hg_err_set(err, HG_EINVAL, "parameter 'ordinal' is %" PRIu64 "; the pipeline has one process, 0", ordinal);
}

void hg_serve_cpu_profile_start(hg_req_t *r)
{
    hg_err_t err = HG_ERR_INIT;
    uint64_t seconds;
    if (first_process(r, &err) < 0 || hg_req_param_u64(r, "duration_secs", 30, &seconds, &err) < 0 ||
        hg_cpu_profile_start(seconds, &err) < 0)
        hg_resp_err(r, &err);
    else
        hg_resp_send(r, 202, NULL, HG_S(""), NULL);
}

void hg_serve_cpu_profile(hg_req_t *r)
{
    hg_err_t err = HG_ERR_INIT;
    uint64_t wait_s = 0;
    bool latest;
    char again[48];
    hg_buf_t profile;
    hg_buf_init(&profile, HG_BUF_NOMAX);
    if (first_process(r, &err) < 0 || hg_req_param_bool(r, "latest", false, &latest, &err) < 0 ||
        hg_cpu_profile_get(latest, &profile, &wait_s, &err) < 0) {
        snprintf(again, sizeof again, "Retry-After: %" PRIu64 "\r\n", wait_s);
        if (wait_s)
            hg_resp_send(r, 204, NULL, HG_S(""), again);
        else
            hg_resp_err(r, &err);
    } else {
        hg_resp_send(r, 200, "application/gzip", hg_buf_str(&profile),
                     "Content-Disposition: attachment; filename=\"samply_profile.json.gz\"\r\n");
    }
    hg_buf_release(&profile);
}
