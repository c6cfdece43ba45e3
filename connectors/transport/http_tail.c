/* http_tail.c: see the header. */
#include "base/hg.h"
#include "connectors/transport/http_body.h"
#include "connectors/transport/http_tail.h"

#define FIRST ((uint64_t)64 << 10)  /* asked for first */
#define MOST  ((uint64_t)128 << 20) /* at most */

void hg_http_tail_init(hg_http_tail_t *t, hg_input_t *in, bool packed)
{
    *t = (hg_http_tail_t){ .in = in, .lacking = UINT64_MAX };
    t->state = !packed && hg_in_wants_index(in) ? HG_TAIL_WANTED : HG_TAIL_DONE;
    hg_buf_init(&t->bytes, MOST);
}

void hg_http_tail_release(hg_http_tail_t *t)
{
    hg_buf_release(&t->bytes);
    if (t->index) t->index->free(t->index);
    t->index = NULL;
}

void hg_http_tail_ask(hg_http_tail_t *t, hg_transfer_opts_t *o)
{
    hg_buf_clear(&t->bytes);
    o->range_from = t->from;
    o->range_last = t->from ? 0 : FIRST;
}

static int none(hg_http_tail_t *t)
{
    hg_buf_release(&t->bytes);
    t->state = HG_TAIL_DONE;
    return 0;
}

int hg_http_tail_head(hg_http_tail_t *t, hg_transfer_t *transfer, int status, hg_err_t *err)
{
    hg_str_t encoded = hg_transfer_header(transfer, "Content-Encoding");
    uint64_t start, total;
    if (status != 206 || (encoded.n && !hg_str_ieq(encoded, HG_S("identity")))) return none(t);
    int rc = hg_http_content_range(transfer, &start, &total, err);
    if (rc < 0) return rc;
    if (!total) return none(t);
    if (t->from && start != t->from)
        return hg_err_set(err, HG_ENET, "bytes from %" PRIu64 " were asked for and come from %" PRIu64, t->from, start);
    if (total - HG_MIN(start, total) > MOST) return none(t);
    t->from = start;
    t->size = total;
    return 1;
}

bool hg_http_tail_data(hg_http_tail_t *t, const char *p, size_t n)
{
    if (hg_buf_add(&t->bytes, p, n) == 0) return true;
    (void)none(t);
    return false;
}

static int read_bytes(void *arg, uint64_t at, void *to, uint64_t n)
{
    hg_http_tail_t *t = arg;
    if (at < t->from) {
        t->lacking = HG_MIN(t->lacking, at);
        return -1;
    }
    if (at - t->from > t->bytes.len || n > t->bytes.len - (at - t->from)) return -1;
    memcpy(to, t->bytes.p + (at - t->from), n);
    return 0;
}

static void work(void *arg, unsigned worker)
{
    hg_http_tail_t *t = arg;
    const hg_file_reader_t file = { .size = t->size, .read = read_bytes, .arg = t };
    (void)worker;
    t->lacking = UINT64_MAX;
    t->err = HG_ERR_INIT;
    (void)hg_in_index(t->in, &file, &t->index, &t->err);
}

static void work_done(void *arg)
{
    hg_http_tail_t *t = arg;
    hg_buf_release(&t->bytes);
    bool more = t->err.code && t->lacking > 0 && t->lacking < t->from;
    t->state = more ? HG_TAIL_WANTED : HG_TAIL_DONE;
    if (more) {
        t->from = t->lacking;
        t->err = HG_ERR_INIT;
    }
    t->made(t->arg);
}

void hg_http_tail_make(hg_http_tail_t *t, void (*made)(void *arg), void *arg)
{
    t->state = HG_TAIL_MAKING;
    t->made = made;
    t->arg = arg;
    hg_in_work(t->in, work, work_done, t);
}

hg_lane_t *hg_http_tail_lane(hg_http_tail_t *t, uint64_t key, uint64_t origin)
{
    hg_lane_t *l = hg_lane_open_key(t->in, key, origin);
    if (t->index) hg_lane_index(l, t->index);
    t->index = NULL;
    return l;
}
