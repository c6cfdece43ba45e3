/* ingest.c: `bench_ingest PORT [FAIL_EVERY]`: an endpoint for bulk requests, as Quickwit's: it takes lines and counts
 * them. Any GET says that the index is there; a POST is answered with the number of its lines, or, every FAIL_EVERYth,
 * with 503 (its lines do not count then). GET /count tells the lines taken, how many different "id" they had (with
 * FAIL_EVERY), and the requests. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/hash.h"
#include "net/http.h"
#include <stdlib.h>

#define SLOTS ((size_t)1 << 24) /* of g_seen; more than twice as many ids are not expected */

static uint64_t g_lines, g_posts, g_fail_every, g_distinct;
static uint64_t *g_seen; /* hashes, open addressing; 0: free */

typedef struct {
    hg_req_t *req;
    uint64_t lines;
    bool cut;      /* the last line has no end so far */
    hg_buf_t text; /* with FAIL_EVERY */
} body_t;

static void see(hg_str_t id)
{
    uint64_t h = hg_hash_bytes((hg_hashkey_t){ 1, 2 }, id.p, id.n) | 1;
    size_t at = h >> 8 & (SLOTS - 1);
    while (g_seen[at] && g_seen[at] != h) at = (at + 1) & (SLOTS - 1);
    g_distinct += !g_seen[at];
    g_seen[at] = h;
}

static void see_all(const hg_buf_t *text)
{
    static const char key[] = "\"id\":\"";
    const char *p = text->p, *end = p + text->len;
    while (p < end && (p = memmem(p, (size_t)(end - p), key, sizeof key - 1)) != NULL) {
        p += sizeof key - 1;
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote) return;
        see((hg_str_t){ p, (size_t)(quote - p) });
        p = quote;
    }
}

static void free_body(body_t *b)
{
    hg_buf_release(&b->text);
    hg_free(b);
}

static bool on_data(void *arg, const char *chunk, size_t n)
{
    body_t *b = arg;
    const char *p = chunk;
    for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) b->lines++;
    if (n) b->cut = chunk[n - 1] != '\n';
    return !g_seen || hg_buf_add(&b->text, chunk, n) == 0;
}

static void on_end(void *arg)
{
    body_t *b = arg;
    char text[64];
    b->lines += b->cut;
    bool fails = g_fail_every && ++g_posts % g_fail_every == 0;
    if (!g_fail_every) g_posts++;
    if (!fails) g_lines += b->lines;
    if (!fails && g_seen) see_all(&b->text);
    snprintf(text, sizeof text, "{\"num_docs_for_processing\":%" PRIu64 "}", b->lines);
    hg_resp_send(b->req, fails ? 503 : 200, "application/json", hg_strz(fails ? "{}" : text), NULL);
    free_body(b);
}

static void on_abort(void *arg)
{
    free_body(arg);
}

static void on_request(void *arg, hg_req_t *req)
{
    (void)arg;
    if (hg_str_eqz(hg_req_method(req), "POST")) {
        body_t *b = HG_NEW(body_t);
        b->req = req;
        hg_buf_init(&b->text, HG_BUF_NOMAX);
        hg_req_stream(req, &(hg_body_ops_t){ .data = on_data, .end = on_end, .abort = on_abort, .arg = b });
        return;
    }
    char text[128];
    snprintf(text, sizeof text, "{\"lines\":%" PRIu64 ",\"distinct\":%" PRIu64 ",\"posts\":%" PRIu64 "}", g_lines,
             g_distinct, g_posts);
    hg_resp_send(req, 200, "application/json", hg_strz(text), NULL);
}

int main(int argc, char **argv)
{
    hg_err_t err = HG_ERR_INIT;
    hg_loop_t *loop = hg_loop_new("bench");
    hg_http_server_t *s;
    hg_http_opts_t o = { .loops = &loop, .n_loops = 1, .on_request = on_request, .server_name = "bench" };
    unsigned port = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    g_fail_every = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (g_fail_every) g_seen = HG_NEWN(uint64_t, SLOTS);
    if (hg_http_server_new(&o, &s, &err) < 0 || hg_http_listen_tcp(s, "127.0.0.1", port, &port, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    printf("port %u\n", port);
    fflush(stdout);
    hg_loop_run(loop);
    return 0;
}
