/* hub.c: what all connections of one server on one loop share.
 *
 * One read buffer (libuv reads into it and hands it over before the next read, so idle connections hold none), one
 * timer for all deadlines, one idle handle for deferred work. Every kind of deadline has a list of its own whose
 * members all got the same time, so the oldest stands first and a tick looks at the expired ones only. The timer runs
 * only while there are connections: an idle process sleeps.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_int.h"

#define TICK_MAX_MS 500u
#define TICK_MIN_MS 10u

void hg_hub_init(hg_hub_t *h, hg_http_server_t *srv, hg_loop_t *loop)
{
    memset(h, 0, sizeof *h);
    h->srv = srv;
    h->loop = loop;
    h->uv = hg_loop_uv(loop);
    hg_list_init(&h->ready);
    hg_list_init(&h->held);
    hg_list_init(&h->conns);
    hg_list_init(&h->wait_idle);
    hg_list_init(&h->wait_head);
    hg_list_init(&h->wait_linger);
    hg_buf_init(&h->scratch, HG_BUF_NOMAX);
    const hg_http_opts_t *o = hg_server_opts(srv);
    uint64_t shortest = HG_MIN(o->idle_timeout_ms, o->head_timeout_ms) / 4;
    h->tick_ms = HG_MAX(HG_MIN(shortest, TICK_MAX_MS), TICK_MIN_MS);
}

void hg_hub_release(hg_hub_t *h)
{
    hg_free(h->rbuf);
    hg_free(h->tbuf);
    hg_buf_release(&h->scratch);
}

static void expire(hg_hub_t *h, hg_list_t *list, uint64_t now)
{
    while (!hg_list_empty(list)) {
        hg_conn_t *c = HG_ENTRY(list->next, hg_conn_t, wait);
        if (c->deadline > now) return;
        hg_list_del(&c->wait);
        hg_conn_expired(c, list);
    }
    (void)h;
}

static void on_tick(uv_timer_t *t)
{
    hg_hub_t *h = t->data;
    uint64_t now = uv_now(h->uv);
    expire(h, &h->wait_idle, now);
    expire(h, &h->wait_head, now);
    expire(h, &h->wait_linger, now);
    HG_LIST_EACH(it, &h->held) hg_sock_poll_left(HG_ENTRY(it, hg_sock_t, held));
}

static void on_idle(uv_idle_t *idle)
{
    hg_hub_t *h = idle->data;
    hg_list_t now;
    hg_list_init(&now);
    while (!hg_list_empty(&h->ready)) hg_list_add_tail(&now, hg_list_pop(&h->ready));
    for (hg_list_t *it; (it = hg_list_pop(&now)) != NULL;) hg_sock_turn(HG_ENTRY(it, hg_sock_t, ready));
    if (hg_list_empty(&h->ready)) uv_idle_stop(idle);
}

void hg_hub_up(hg_hub_t *h)
{
    uv_timer_init(h->uv, &h->tick);
    uv_idle_init(h->uv, &h->idle);
    h->tick.data = h;
    h->idle.data = h;
    h->open_handles = 2;
    h->rbuf = hg_xnew(HG_NET_READ_BUF);
    h->up = true;
}

static void on_handle_closed(uv_handle_t *handle)
{
    hg_hub_t *h = handle->data;
    if (--h->open_handles == 0) hg_server_hub_closed(h->srv);
}

static void maybe_close(hg_hub_t *h)
{
    if (!h->shutting || h->n_socks > 0 || h->closing_handles) return;
    h->closing_handles = true;
    uv_close((uv_handle_t *)&h->tick, on_handle_closed);
    uv_close((uv_handle_t *)&h->idle, on_handle_closed);
}

void hg_hub_sock_added(hg_hub_t *h)
{
    if (h->n_socks++ == 0) uv_timer_start(&h->tick, on_tick, h->tick_ms, h->tick_ms);
}

void hg_hub_sock_gone(hg_hub_t *h)
{
    if (--h->n_socks == 0) uv_timer_stop(&h->tick);
    maybe_close(h);
}

void hg_sock_defer(hg_sock_t *s)
{
    if (s->deferred || s->closing) return;
    s->deferred = 1;
    if (hg_list_empty(&s->hub->ready)) uv_idle_start(&s->hub->idle, on_idle);
    hg_list_add_tail(&s->hub->ready, &s->ready);
}

void hg_hub_shut(hg_hub_t *h)
{
    h->shutting = true;
    HG_LIST_EACH(it, &h->conns) hg_conn_shut(HG_ENTRY(it, hg_conn_t, link));
    maybe_close(h);
}

void hg_hub_cut(hg_hub_t *h)
{
    h->cutting = true;
    HG_LIST_EACH(it, &h->conns) hg_conn_cut(HG_ENTRY(it, hg_conn_t, link));
}

const char *hg_hub_date(hg_hub_t *h)
{
    int64_t sec = hg_now_us() / 1000000;
    if (sec != h->date_sec) {
        struct tm tm;
        time_t t = (time_t)sec;
        gmtime_r(&t, &tm);
        strftime(h->date, sizeof h->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        h->date_sec = sec;
    }
    return h->date;
}
