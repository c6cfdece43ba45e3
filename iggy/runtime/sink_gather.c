/* sink_gather.c: polls of one partition made into one batch, for plugins that want to be given more at once than a poll
 * brings (iggy_sink_wants). The I/O loop's.
 *
 * An open item per partition takes what is polled until it has as many messages, or as many bytes, as the plugin wants,
 * or its time has come; then it is a batch like any other, whose offset is stored behind the plugin's answer. So what
 * is gathered is in the topic until then: a stop or a lost partition drops it, and it is polled again.
 */
#include "base/hg.h"

#include "base/mem.h"
#include "iggy/runtime/sink_int.h"

#define BYTES_MOST ((uint64_t)64 << 20) /* in memory, whatever the plugin wants */

static uint64_t now(const hg_lane_t *l)
{
    return uv_now(hg_loop_uv(l->run->spec.io));
}

static uint64_t due(const hg_lane_t *l, const hg_item_t *item)
{
    return l->wants.wait_ms ? item->since_ms + l->wants.wait_ms : UINT64_MAX;
}

static void on_timer(uv_timer_t *t);

static void rearm(hg_lane_t *l)
{
    uint64_t first = UINT64_MAX;
    for (const hg_item_t *i = l->open; i; i = i->next) first = HG_MIN(first, due(l, i));
    if (first == UINT64_MAX)
        uv_timer_stop(&l->gather);
    else
        uv_timer_start(&l->gather, on_timer, first > now(l) ? first - now(l) : 0, 0);
}

static void hand_over(hg_lane_t *l, hg_item_t **at)
{
    hg_item_t *item = *at;
    *at = item->next;
    item->next = NULL;
    hg_feed_push(l, item);
}

static void on_timer(uv_timer_t *t)
{
    hg_lane_t *l = t->data;
    for (hg_item_t **at = &l->open; *at;)
        if (due(l, *at) <= now(l))
            hand_over(l, at);
        else
            at = &(*at)->next;
    rearm(l);
}

hg_item_t *hg_item_split(hg_item_t *item, uint32_t n)
{
    hg_item_t *rest = HG_NEW(hg_item_t);
    hg_piece_t *from = item->pieces, *p = HG_NEW(hg_piece_t);
    hg_iggy_message_t m;
    *p = (hg_piece_t){ .memory = from->memory, .messages = from->messages };
    atomic_fetch_add(&from->memory->refs, 1);
    for (uint32_t i = 0; i < n && hg_iggy_messages_next(&p->messages, &m); i++) {
    }
    *rest = (hg_item_t){
        .partition = item->partition,
        .count = item->count - n,
        .last = item->last,
        .newest = item->newest,
        .pieces = p,
        .pieces_end = p,
        .bytes = (uint64_t)(p->messages.end - p->messages.p),
    };
    item->bytes -= rest->bytes;
    item->count = from->messages.left = n;
    item->last = m.offset;
    return rest;
}

static void join(hg_item_t *to, hg_item_t *item)
{
    to->count += item->count;
    to->bytes += item->bytes;
    to->last = item->last;
    to->newest = item->newest;
    to->pieces_end->next = item->pieces;
    to->pieces_end = item->pieces_end;
    hg_free(item);
}

void hg_gather_add(hg_lane_t *l, hg_item_t *item)
{
    const iggy_sink_wants_t *w = &l->wants;
    uint64_t bytes = HG_MIN(w->bytes ? w->bytes : BYTES_MOST, BYTES_MOST);
    while (item) {
        hg_item_t **at = &l->open;
        while (*at && (*at)->partition != item->partition) at = &(*at)->next;
        uint64_t have = *at ? (*at)->count : 0, most = HG_MIN(w->messages ? w->messages : UINT32_MAX, UINT32_MAX);
        hg_item_t *rest = item->count > most - have ? hg_item_split(item, (uint32_t)(most - have)) : NULL;
        if (*at) {
            join(*at, item);
        } else {
            item->since_ms = now(l);
            *at = item;
        }
        if ((*at)->count >= most || (*at)->bytes >= bytes) hand_over(l, at);
        item = rest;
    }
    rearm(l);
}

void hg_gather_drop(hg_lane_t *l, const uint32_t *partitions, uint32_t n)
{
    for (hg_item_t **at = &l->open; *at;) {
        bool gone = false;
        for (uint32_t i = 0; i < n; i++) gone = gone || (*at)->partition == partitions[i];
        if (gone) {
            hg_item_t *item = *at;
            *at = item->next;
            hg_feed_free(item);
        } else {
            at = &(*at)->next;
        }
    }
    rearm(l);
}

void hg_gather_open(hg_lane_t *l)
{
    uv_timer_init(hg_loop_uv(l->run->spec.io), &l->gather);
    l->gather.data = l;
}

void hg_gather_close(hg_lane_t *l, uv_close_cb closed)
{
    while (l->open) {
        hg_item_t *item = l->open;
        l->open = item->next;
        hg_feed_free(item);
    }
    uv_close((uv_handle_t *)&l->gather, closed);
}
