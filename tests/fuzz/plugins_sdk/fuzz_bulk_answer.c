/* The answer to a bulk of elasticsearch_sink. The first byte says of how many documents it was; each is taken, left out
 * and told, or sent again: what is sent again are whole documents of the bulk, in their order. */
#include "plugins/elasticsearch_sink/elasticsearch.c"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void no_log(uint8_t level, const uint8_t *target, size_t n_target, const uint8_t *text, size_t n_text)
{
    (void)level, (void)target, (void)n_target, (void)text, (void)n_text;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hgp_http_worker_t *w = hgp_http_worker_new(NULL);
    hgp_batch_t b = { .n = 0 };
    uint32_t rejected = 0, docs = n ? p[0] % 8 : 0;
    hg_err_t err = HG_ERR_INIT;
    if (n == 0 || docs == 0 || reserve(w, docs) < 0) {
        hgp_http_worker_free(NULL, w);
        return 0;
    }
    hgp_log_to(no_log, "elasticsearch_sink");
    b.n = docs;
    b.v = HG_NEWN(hg_pc_raw_view_t, docs);
    for (uint32_t k = 0; k < docs; k++) {
        hg_buf_addf(&w->body, "{\"index\":{\"_id\":\"%u\"}}\n{}\n", k);
        w->ends[k] = (uint32_t)w->body.len;
        w->whose[k] = k;
    }
    w->n = docs;
    hg_buf_add(&w->http.answer, p + 1, n - 1);
    int rc = judge(w, &b, &rejected, &err);
    HG_ASSERT(rc == 0 || (err.msg[0] && err.retry));
    if (rc == HG_EAGAIN) {
        HG_ASSERT(w->n > 0 && w->n <= docs && w->ends[w->n - 1] == w->body.len && w->n + rejected <= docs);
        for (uint32_t k = 0, at = 0; k < w->n; at = w->ends[k++]) {
            char first[32];
            int len = snprintf(first, sizeof first, "{\"index\":{\"_id\":\"%u\"}}\n{}\n", w->whose[k]);
            HG_ASSERT(w->ends[k] - at == (uint32_t)len && memcmp(w->body.p + at, first, (size_t)len) == 0);
        }
    }
    hg_free(b.v);
    hgp_http_worker_free(NULL, w);
    return 0;
}
