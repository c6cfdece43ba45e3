/* http_body.h: the body of an HTTP answer on its way into a lane; what url_input and s3_input share.
 *
 * curl hands over whole buffers, and the host may say stop in the middle of one: `rest` keeps what was handed over and
 * not delivered. `skip` bytes at the start of an answer are known already (a server that ignores ranges sends them
 * again). A compressed resource is decompressed on the way: `off` counts uncompressed bytes, as positions do, and `raw`
 * those of the resource; otherwise both are the same. Bytes that the decompressor has taken but not given (`more`) are
 * asked for again when the host wants more.
 *
 * Loop thread of the input. The owner opens and closes the lane and starts the transfer.
 */
#ifndef HG_CONNECTORS_TRANSPORT_HTTP_BODY_H
#define HG_CONNECTORS_TRANSPORT_HTTP_BODY_H

#include "connectors/connector.h"
#include "connectors/transport/decompress.h"
#include "net/client.h"

typedef struct hg_http_body {
    hg_lane_t *lane;
    hg_transfer_t *t; /* NULL = none */
    bool *running;    /* the input's: cleared when the host wants no more */
    bool stalled;     /* curl waits for hg_http_body_pump */
    bool packed;      /* the resource is compressed, also when unpack is gone */
    bool more;        /* the decompressor may have more to give without new bytes */
    uint64_t off;     /* bytes delivered to the lane */
    uint64_t raw;     /* bytes of the resource taken */
    uint64_t skip;    /* bytes of this answer that are known already */
    hg_decompress_t *unpack;
    hg_members_t members;
    hg_buf_t rest; /* delivered by curl, not yet by us */
    size_t rest_at;
} hg_http_body_t;

void hg_http_body_init(hg_http_body_t *b, bool *running);
/* Where it begins, before the first byte: at byte `offset` (uncompressed). kind GZIP or ZSTD: it is read from this
 * member. */
void hg_http_body_from(hg_http_body_t *b, hg_compression_t kind, hg_member_t from, uint64_t offset);
void hg_http_body_drop(hg_http_body_t *b);           /* ends the transfer, keeps the rest */
void hg_http_body_release(hg_http_body_t *b);        /* also drops; off, raw and members stay */
uint64_t hg_http_body_have(const hg_http_body_t *b); /* bytes of the resource that we have, delivered or not */
/* From the transfer's data call-back, whose answer is `> 0`. Errors (no memory, a damaged stream) end the transfer. */
int hg_http_body_data(hg_http_body_t *b, const char *p, size_t n, hg_err_t *err);
/* Delivers what is left over, then lets curl go on. 1: all is delivered; 0: the host wants no more; errors as above. */
int hg_http_body_pump(hg_http_body_t *b, hg_err_t *err);
/* There are no more bytes: does the compressed stream end here as well? */
int hg_http_body_end(const hg_http_body_t *b, hg_err_t *err);

/* Content-Range: bytes s-e/total of a 206; total 0 = not told. */
int hg_http_content_range(hg_transfer_t *t, uint64_t *ret_start, uint64_t *ret_total, hg_err_t *err);

#endif
