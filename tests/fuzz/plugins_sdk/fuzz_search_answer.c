/* What elasticsearch_source reads: the answer to a search (first byte even) or its own state (odd). Hits become
 * messages, each a line of JSON, and a state that reads as it was; the question that asks for what comes next is JSON.
 */
#include "plugins/elasticsearch_source/search.c"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void begin(search_t *s)
{
    *s = (search_t){ .url = "http://h/i/_search" };
    hgp_http_init(&s->http);
    hg_buf_init(&s->body, HG_BUF_NOMAX);
    hg_buf_init(&s->payload, HG_BUF_NOMAX);
    place_init(&s->at);
    place_init(&s->staged);
}

static void end(search_t *s)
{
    hgp_instance_t i = { .state = s };
    close_source(&i);
}

static bool same(const place_t *a, const place_t *b)
{
    return hg_str_eq(hg_buf_str(&a->cursor), hg_buf_str(&b->cursor)) &&
           hg_str_eq(hg_buf_str(&a->seen), hg_buf_str(&b->seen)) &&
           hg_str_eq(hg_buf_str(&a->last), hg_buf_str(&b->last)) && a->total == b->total && a->polls == b->polls;
}

/* Where it stands is written and read as the same, and the next question can be asked. */
static void goes_on(const cfg_t *c, const place_t *at)
{
    search_t next;
    hg_buf_t state;
    hg_jw_t w;
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    begin(&next);
    hg_buf_init(&state, HG_BUF_NOMAX);
    HG_ASSERT(write_state(at, &state) == 0 && read_state(&next.at, hg_buf_str(&state)) == 0 && same(at, &next.at));
    hg_jw_init(&w, &next.body);
    question(c, &next, &w);
    HG_ASSERT(hg_json_parse(a, hg_buf_str(&next.body), &v, &err) == 0 && hg_json_get(v, "query"));
    hg_buf_release(&state);
    end(&next);
    hg_arena_free(a);
}

static void answer(const cfg_t *c, search_t *s, hg_str_t text)
{
    hgp_out_t out;
    hg_str_t batch;
    hg_pc_batch_t b;
    uint32_t hits = 0;
    hg_err_t err = HG_ERR_INIT;
    hgp_out_init(&out, HG_PC_JSON);
    hg_buf_addstr(&s->http.answer, text);
    if (read_answer(c, s, &out, &hits, &err) < 0) {
        HG_ASSERT(err.msg[0]);
    } else {
        HG_ASSERT(hgp_out_finish(&out, NULL, &batch) == 0);
        HG_ASSERT(hg_pc_read_produced(batch.p, batch.n, &b, &err) == 0 && b.n == hits && s->staged.total == hits);
        goes_on(c, &s->staged);
    }
    hgp_out_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const cfg_t c = { .url = "http://h", .index = "i", .field = "@timestamp", .batch_size = 100 };
    hg_str_t rest = { (const char *)p + 1, n ? n - 1 : 0 };
    search_t s;
    if (n == 0) return 0;
    begin(&s);
    if (p[0] % 2 == 0)
        answer(&c, &s, rest);
    else if (read_state(&s.at, rest) == 0)
        goes_on(&c, &s.at);
    end(&s);
    return 0;
}
