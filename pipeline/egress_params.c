/* egress_params.c: what the query parameters of a change stream ask for. No state: whether there is such a stream to go
 * on from is egress.c's question. Request's loop. */
#include "base/hg.h"
#include "pipeline/server_int.h"

/* The stream's own options, whatever the client says: an array per chunk. */
static const char *forced(bool json)
{
    return json ? "{\"array\":true}" : NULL;
}

/* resumable, after, stream; the others are known. */
static int parse_resuming(hg_req_t *r, hg_egress_ask_t *k, hg_err_t *err)
{
    bool explicit = hg_req_param(r, "backpressure").p != NULL;
    k->stream = hg_req_param(r, "stream");
    k->resumes = hg_req_param(r, "after").p != NULL;
    int rc = hg_req_param_bool(r, "resumable", k->resumes, &k->resumable, err);
    if (rc == 0) rc = hg_req_param_u64(r, "after", 0, &k->after, err);
    if (rc < 0) return rc;
    if (k->resumes != (k->stream.p != NULL))
        return hg_err_set(err, HG_EINVAL,
                          "'after' and 'stream' belong together: the sequence number of the last line that was "
                          "received with \"snapshot\":false, and its member \"stream\"");
    if (!k->resumable)
        return k->resumes ? hg_err_set(err, HG_EINVAL, "'after' needs a stream with 'resumable=true'") : 0;
    if (explicit && !k->backpressure)
        return hg_err_set(err, HG_EINVAL,
                          "a resumable stream loses nothing: leave 'backpressure=false' or 'resumable=true' out");
    if (k->resumes && k->snapshot)
        return hg_err_set(err, HG_EINVAL,
                          "'after' goes on from a sequence number, 'send_snapshot' begins anew: leave one of them out");
    k->backpressure = true;
    return 0;
}

int hg_egress_ask(hg_req_t *r, hg_arena_t *a, hg_str_t relation, bool materialized, hg_egress_ask_t *ret, hg_err_t *err)
{
    *ret = (hg_egress_ask_t){ .json = hg_str_eqz(hg_req_param(r, "format"), "json") };
    int rc = hg_req_param_bool(r, "backpressure", false, &ret->backpressure, err);
    if (rc == 0) rc = hg_req_param_bool(r, "send_snapshot", false, &ret->snapshot, err);
    if (rc < 0) return rc;
    if (ret->snapshot && !materialized)
        return hg_err_set(err, HG_EINVALTRANSPORT,
                          "'send_snapshot' needs a materialized table or view: '" HG_SF "' keeps no contents",
                          HG_SA(relation));
    rc = hg_request_format(r, a, false, "csv", forced(ret->json), &ret->type, &ret->cfg, &ret->text, err);
    return rc == 0 ? parse_resuming(r, ret, err) : rc;
}
