/* counters.c: what an input has counted, over a restart.
 *
 * A checkpoint is a cut between two steps, and what an input delivered beyond it comes again. So the counters that are
 * saved are those of the chunks that the circuit has consumed (input.c keeps them beside the ones that are shown);
 * errors of the transport belong to no chunk and are saved as they are. Numbers of events go on too, so that "event #n"
 * of a parse error means the same record as without the restart.
 *
 * Taking the counters is cheap (texts are shared), because the circuit thread does it inside the cut; they become JSON
 * where there is time.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/host/host_int.h"

struct hg_input_counters {
    uint64_t records, bytes, events;
    bool end_of_input;
    hg_errlist_t parse_errors, transport_errors;
};

hg_input_counters_t *hg_input_counters(hg_input_t *in)
{
    hg_input_counters_t *c = HG_NEW(hg_input_counters_t);
    pthread_mutex_lock(&in->mu);
    c->records = in->processed_records;
    c->bytes = in->processed_bytes;
    c->events = in->consumed_events;
    c->end_of_input = in->end_of_input && in->n_buffered == 0;
    hg_errlist_append(&c->parse_errors, &in->consumed_errors);
    hg_errlist_append(&c->transport_errors, &in->transport_errors);
    pthread_mutex_unlock(&in->mu);
    return c;
}

void hg_input_counters_free(hg_input_counters_t *c)
{
    if (!c) return;
    hg_errlist_release(&c->parse_errors);
    hg_errlist_release(&c->transport_errors);
    hg_free(c);
}

void hg_input_counters_json(const hg_input_counters_t *c, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "records", c->records);
    hg_jw_ku64(w, "bytes", c->bytes);
    hg_jw_ku64(w, "events", c->events);
    hg_jw_kbool(w, "end_of_input", c->end_of_input);
    hg_jw_key(w, "parse_errors");
    hg_errlist_save(&c->parse_errors, UINT64_MAX, w);
    hg_jw_key(w, "transport_errors");
    hg_errlist_save(&c->transport_errors, UINT64_MAX, w);
    hg_jw_end_obj(w);
}

void hg_input_go_on(hg_input_t *in, const hg_input_counters_t *c)
{
    pthread_mutex_lock(&in->mu);
    in->total_records = in->processed_records = c->records;
    in->total_bytes = in->processed_bytes = c->bytes;
    in->events = in->consumed_events = c->events;
    in->end_of_input = c->end_of_input;
    hg_errlist_release(&in->parse_errors);
    hg_errlist_release(&in->consumed_errors);
    hg_errlist_release(&in->transport_errors);
    hg_errlist_append(&in->parse_errors, &c->parse_errors);
    hg_errlist_append(&in->consumed_errors, &c->parse_errors);
    hg_errlist_append(&in->transport_errors, &c->transport_errors);
    in->n_parse_errors = c->parse_errors.index;
    in->n_transport_errors = c->transport_errors.index;
    pthread_mutex_unlock(&in->mu);
}

static int take_list(const hg_json_t *saved, const char *name, hg_errlist_t *ret, hg_err_t *err)
{
    int rc = hg_errlist_restore(ret, hg_json_get(saved, name), err);
    if (rc < 0) hg_err_wrap(err, "%s", name);
    return rc;
}

int hg_input_restore_counters(hg_input_t *in, const hg_json_t *saved, hg_err_t *err)
{
    hg_input_counters_t c = { 0 };
    const hg_json_t *end = hg_json_get(saved, "end_of_input");
    if (hg_json_u64(hg_json_get(saved, "records"), &c.records) < 0 ||
        hg_json_u64(hg_json_get(saved, "bytes"), &c.bytes) < 0 ||
        hg_json_u64(hg_json_get(saved, "events"), &c.events) < 0 || !end ||
        (end->kind != HG_J_TRUE && end->kind != HG_J_FALSE))
        return hg_err_set(err, HG_EPARSE,
                          "the saved counters of '%s' need the numbers 'records', 'bytes' and 'events' and the boolean "
                          "'end_of_input'",
                          in->name);
    c.end_of_input = end->kind == HG_J_TRUE;
    int rc = take_list(saved, "parse_errors", &c.parse_errors, err);
    if (rc == 0) rc = take_list(saved, "transport_errors", &c.transport_errors, err);
    if (rc == 0)
        hg_input_go_on(in, &c);
    else
        hg_err_wrap(err, "the saved counters of '%s'", in->name);
    hg_errlist_release(&c.parse_errors);
    hg_errlist_release(&c.transport_errors);
    return rc;
}
