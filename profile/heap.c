/* heap.c: see heap.h. Blocks with the same stack are one sample; what they weigh together is rounded once. */
#include "base/hg.h"

#include <math.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/mem_sample.h"
#include "profile/gzip.h"
#include "profile/heap.h"
#include "profile/pprof_int.h"

typedef struct stack {
    double objects, bytes;
    unsigned n;
    uint32_t frames[HG_MEM_SAMPLE_DEPTH];
} heap_stack_t;

typedef struct heap {
    hg_arena_t *a;
    hg_symbols_t symbols;
    hg_strmap_t by_frames;
    heap_stack_t *stacks;
    uint32_t n_stacks;
    double mean;
} heap_t;

static void add_block(void *arg, size_t size, const uintptr_t *pcs, unsigned n)
{
    heap_t *h = arg;
    uint32_t frames[HG_MEM_SAMPLE_DEPTH];
    for (unsigned i = 0; i < n; i++) frames[i] = hg_symbols_frame(&h->symbols, pcs[i] - 1);
    hg_str_t key = { (const char *)frames, n * sizeof *frames };
    uint32_t id = hg_strmap_get(&h->by_frames, key);
    if (id == HG_STRMAP_NONE) {
        heap_stack_t s = { .n = n };
        memcpy(s.frames, frames, key.n);
        id = hg_strmap_put(&h->by_frames, hg_arena_str(h->a, key), h->n_stacks);
        HG_APUSH(h->a, h->stacks, h->n_stacks, s);
    }
    double stands_for = -1 / expm1(-(double)HG_MAX(size, 1u) / h->mean);
    h->stacks[id].objects += stands_for;
    h->stacks[id].bytes += stands_for * (double)size;
}

static int write_profile(const heap_t *h, hg_buf_t *out, hg_err_t *err)
{
    hg_pprof_t p;
    hg_buf_t plain;
    char comment[160];
    hg_buf_init(&plain, HG_BUF_NOMAX);
    hg_pprof_begin(&p, &plain);
    hg_pprof_value_type(&p, "inuse_objects", "count");
    hg_pprof_value_type(&p, "inuse_space", "bytes");
    for (uint32_t i = 0; i < h->n_stacks; i++) {
        const heap_stack_t *s = &h->stacks[i];
        hg_pprof_sample(&p, s->frames, s->n, (const int64_t[]){ llround(s->objects), llround(s->bytes) }, 2);
    }
    hg_pprof_period(&p, "space", "bytes", (int64_t)h->mean);
    hg_pprof_drop(
        &p, "hg_(x|try)(new|zero|grow|align|strdup|strndup|printf)|regrow|hg_mem_sample_(draw|mapped)|keep_block");
    snprintf(comment, sizeof comment,
             "headgate " HG_VERSION "; of memory that headgate's own code asked for, touched or not; process: %" PRIu64
             " bytes resident",
             hg_rss_bytes());
    hg_pprof_comment(&p, comment);
    hg_pprof_end(&p, &h->symbols, hg_now_us());
    int rc = hg_gzip(hg_buf_str(&plain), out, err);
    hg_buf_release(&plain);
    return rc;
}

int hg_heap_profile(hg_buf_t *out, hg_err_t *err)
{
    heap_t h = { .mean = (double)hg_mem_sample_mean() };
    if (h.mean <= 0)
        return hg_err_set(err, HG_EHEAPPROFILE,
                          "There are no heap profiles: this process was started with HEADGATE_HEAP_SAMPLE=0");
    h.a = hg_arena_new();
    hg_symbols_init(&h.symbols);
    hg_strmap_init(&h.by_frames);
    int rc = hg_mem_sample_each(add_block, &h) ? write_profile(&h, out, err)
                                               : hg_err_set(err, HG_ENOMEM, "no memory for a heap profile");
    hg_strmap_release(&h.by_frames);
    hg_symbols_release(&h.symbols);
    hg_arena_free(h.a);
    return rc;
}
