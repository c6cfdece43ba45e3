/* http_tail.h: the end of an HTTP resource, read before the rest of it where the format makes an index of it (Parquet's
 * footer); what url_input and s3_input share.
 *
 *   WANTED ──a request, its answer──► MAKING (pool) ──► DONE: there is an index, or none
 *      ▲                                │
 *      └── bytes before those at hand ◄─┘
 *
 * The first request is for the last 64 KiB, whose answer also tells how long the resource is. A server that does not
 * answer with a range, or does not know the length, gets no second question: there is no index, the resource comes as
 * one chunk. The owner makes the requests and judges whether all answers are of the same resource.
 *
 * Loop thread of the input; the owner outlives MAKING.
 */
#ifndef HG_CONNECTORS_TRANSPORT_HTTP_TAIL_H
#define HG_CONNECTORS_TRANSPORT_HTTP_TAIL_H

#include "connectors/connector.h"
#include "connectors/format.h"
#include "net/client.h"

typedef enum { HG_TAIL_DONE, HG_TAIL_WANTED, HG_TAIL_MAKING } hg_tail_state_t;

typedef struct hg_http_tail {
    hg_input_t *in;
    hg_tail_state_t state;
    bool known;       /* the owner's: an answer was of the resource whose rest is to come */
    uint64_t from;    /* of what is at hand, or asked for; 0: the last bytes, however many there are */
    uint64_t size;    /* of the resource */
    uint64_t lacking; /* the first byte that the index would have needed; UINT64_MAX: it had all */
    hg_buf_t bytes;
    hg_file_index_t *index;
    hg_err_t err; /* DONE: why the resource cannot be read at all */
    void (*made)(void *arg);
    void *arg;
} hg_http_tail_t;

/* packed: compressed resources have no index. */
void hg_http_tail_init(hg_http_tail_t *t, hg_input_t *in, bool packed);
void hg_http_tail_release(hg_http_tail_t *t);
/* WANTED: what to ask for; what came of an earlier answer is forgotten. */
void hg_http_tail_ask(hg_http_tail_t *t, hg_transfer_opts_t *o);
/* The answer's head, 2xx or 416. 1: its body is the end; 0: there is no index, and no use for the body; or HG_ENET. */
int hg_http_tail_head(hg_http_tail_t *t, hg_transfer_t *transfer, int status, hg_err_t *err);
/* False: too much for an index (there is none then), or no memory. */
bool hg_http_tail_data(hg_http_tail_t *t, const char *p, size_t n);
/* All of it is there: the index is made on the pool, then made(arg) is called: DONE or, with more to ask for, WANTED.
 */
void hg_http_tail_make(hg_http_tail_t *t, void (*made)(void *arg), void *arg);
/* Opens the resource's lane with the index, if there is one. */
hg_lane_t *hg_http_tail_lane(hg_http_tail_t *t, uint64_t key, uint64_t origin);

#endif
