/* http_body.c: see the header. */
#include "base/hg.h"
#include "connectors/transport/http_body.h"

#define UNPACK_ROOM (64 << 10)

void hg_http_body_init(hg_http_body_t *b, bool *running)
{
    memset(b, 0, sizeof *b);
    b->running = running;
    hg_buf_init(&b->rest, HG_BUF_NOMAX);
}

void hg_http_body_from(hg_http_body_t *b, hg_compression_t kind, hg_member_t from, uint64_t offset)
{
    hg_decompress_free(b->unpack);
    b->unpack = NULL;
    memset(&b->members, 0, sizeof b->members);
    b->packed = kind != HG_COMPRESSION_NONE;
    b->off = offset;
    b->raw = b->packed ? from.packed : offset;
    if (!b->packed) return;
    b->unpack = hg_decompress_new(kind);
    hg_decompress_from(b->unpack, from, offset);
    hg_members_note(&b->members, from);
}

void hg_http_body_drop(hg_http_body_t *b)
{
    if (b->t) hg_transfer_cancel(b->t);
    b->t = NULL;
    b->stalled = false;
}

void hg_http_body_release(hg_http_body_t *b)
{
    hg_http_body_drop(b);
    hg_decompress_free(b->unpack);
    b->unpack = NULL;
    b->more = false;
    hg_buf_release(&b->rest);
    b->rest_at = 0;
}

uint64_t hg_http_body_have(const hg_http_body_t *b)
{
    return b->raw + (b->rest.len - b->rest_at);
}

/* Of n bytes of the resource, as many as fit into room: *used are taken, *made were written. */
static int take_bytes(hg_http_body_t *b, const char *p, size_t n, size_t *used, char *to, size_t room, size_t *made,
                      hg_err_t *err)
{
    if (b->unpack) {
        int rc = hg_decompress(b->unpack, p, n, used, to, room, made, err);
        b->more = rc == 0 && *made == room;
        if (rc == 0) hg_members_note(&b->members, hg_decompress_member(b->unpack));
        return rc;
    }
    *used = *made = HG_MIN(room, n);
    memcpy(to, p, *used);
    return 0;
}

/* *done: how many of the n bytes were taken; fewer when the host wants no more. */
static int deliver(hg_http_body_t *b, const char *p, size_t n, size_t *done, hg_err_t *err)
{
    *done = 0;
    while ((*done < n || b->more) && *b->running) {
        size_t room, used, made;
        char *to = hg_lane_reserve(b->lane, b->unpack ? UNPACK_ROOM : n - *done, &room);
        if (!to) {
            *b->running = false;
            break;
        }
        int rc = take_bytes(b, p + *done, n - *done, &used, to, room, &made, err);
        if (rc < 0) return rc;
        *done += used;
        b->raw += used;
        b->off += made;
        if (made && hg_lane_fill(b->lane, made) != HG_LANE_OK) *b->running = false;
    }
    return 0;
}

int hg_http_body_data(hg_http_body_t *b, const char *p, size_t n, hg_err_t *err)
{
    size_t known = (size_t)HG_MIN(b->skip, (uint64_t)n), done = 0;
    b->skip -= known;
    p += known;
    n -= known;
    int rc = b->rest.len > b->rest_at || b->more ? 0 : deliver(b, p, n, &done, err);
    if (rc == 0 && done < n && hg_buf_add(&b->rest, p + done, n - done) < 0)
        rc = hg_err_set(err, HG_ENOMEM, "out of memory reading the answer");
    b->stalled = !*b->running;
    if (rc < 0) hg_http_body_drop(b);
    return rc < 0 ? rc : *b->running;
}

int hg_http_body_pump(hg_http_body_t *b, hg_err_t *err)
{
    size_t done = 0, left = b->rest.len - b->rest_at;
    int rc = left || b->more ? deliver(b, b->rest.p + b->rest_at, left, &done, err) : 0;
    b->rest_at += done;
    if (rc < 0) hg_http_body_drop(b);
    if (rc < 0 || !*b->running) return rc;
    hg_buf_clear(&b->rest);
    b->rest_at = 0;
    if (b->t && b->stalled) {
        b->stalled = false;
        hg_transfer_resume(b->t);
    }
    return 1;
}

int hg_http_body_end(const hg_http_body_t *b, hg_err_t *err)
{
    return b->unpack ? hg_decompress_end(b->unpack, err) : 0;
}

int hg_http_content_range(hg_transfer_t *t, uint64_t *ret_start, uint64_t *ret_total, hg_err_t *err)
{
    hg_str_t v = hg_transfer_header(t, "Content-Range");
    char text[128], tail[32] = "";
    uint64_t s, e;
    snprintf(text, sizeof text, HG_SF, HG_SA(v));
    if (!v.p || sscanf(text, "bytes %" SCNu64 "-%" SCNu64 "/%31s", &s, &e, tail) != 3 || e < s)
        return hg_err_set(err, HG_ENET,
                          "the server answered a range request with 206 but without a valid Content-Range ('%s')",
                          text);
    *ret_start = s;
    *ret_total = strcmp(tail, "*") == 0 ? 0 : strtoull(tail, NULL, 10);
    return 0;
}
