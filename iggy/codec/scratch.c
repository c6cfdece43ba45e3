/* scratch.c: see scratch.h. An area is a list of blocks that is filled from the front; emptying it goes back to the
 * first and keeps the others up to KEEP bytes, so that one batch of giants does not stay resident for ever.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "iggy/codec/scratch_int.h"

#define BLOCK ((size_t)16 * 1024)
#define KEEP  ((size_t)2 * 1024 * 1024)

static void use(hg_bump_t *b, hg_bump_block_t *block)
{
    b->now = block;
    b->p = block->data;
    b->end = block->data + block->cap;
}

void *hg_bump_slow(hg_bump_t *b, size_t n)
{
    while (b->now && b->now->next) {
        use(b, b->now->next);
        if ((size_t)(b->end - b->p) >= n) return hg_bump(b, n);
    }
    size_t cap = b->now ? HG_MIN(b->now->cap * 2, KEEP / 4) : BLOCK;
    cap = HG_MAX(cap, n);
    if (cap > SIZE_MAX / 2) return NULL;
    hg_bump_block_t *block = hg_trynew(sizeof *block + cap);
    if (!block) return NULL;
    block->next = NULL;
    block->cap = cap;
    *(b->now ? &b->now->next : &b->first) = block;
    use(b, block);
    return hg_bump(b, n);
}

static void bump_trim(hg_bump_t *b, size_t keep)
{
    hg_bump_block_t **at = &b->first;
    for (size_t held = 0; *at;) {
        hg_bump_block_t *block = *at;
        held += block->cap;
        if (held <= keep) {
            at = &block->next;
            continue;
        }
        held -= block->cap;
        *at = block->next;
        hg_free(block);
    }
    if (b->first)
        use(b, b->first);
    else
        *b = (hg_bump_t){ 0 };
}

static void bump_reset(hg_bump_t *b)
{
    if (b->first) bump_trim(b, KEEP);
}

static size_t bump_bytes(const hg_bump_t *b)
{
    size_t n = 0;
    for (const hg_bump_block_t *block = b->first; block; block = block->next) n += sizeof *block + block->cap;
    return n;
}

hg_scratch_t *hg_scratch_new(void)
{
    hg_scratch_t *s = HG_NEW(hg_scratch_t);
    hg_buf_init(&s->out, (size_t)1 << 31);
    hg_buf_init(&s->tmp, (size_t)1 << 31);
    hg_buf_init(&s->canon, (size_t)1 << 31);
    hg_jscan_init(&s->scan);
    return s;
}

void hg_scratch_free(hg_scratch_t *s)
{
    if (!s) return;
    bump_trim(&s->batch, 0);
    bump_trim(&s->work, 0);
    hg_buf_release(&s->out);
    hg_buf_release(&s->tmp);
    hg_buf_release(&s->canon);
    hg_jscan_release(&s->scan);
    hg_variant_free(s->variant);
    hg_free(s);
}

void hg_scratch_next(hg_scratch_t *s)
{
    if (HG_LIKELY(s->work.now == s->work.first)) {
        if (s->work.first) s->work.p = s->work.first->data;
    } else {
        bump_reset(&s->work);
    }
}

/* A buffer that a giant has passed through gives its memory back. */
static void shrink(hg_buf_t *b)
{
    if (b->cap > KEEP) hg_buf_release(b);
}

void hg_scratch_reset(hg_scratch_t *s)
{
    bump_reset(&s->batch);
    bump_reset(&s->work);
    shrink(&s->out);
    shrink(&s->tmp);
    shrink(&s->canon);
    shrink(&s->scan.tmp);
}

void *hg_scratch_alloc(hg_scratch_t *s, size_t n)
{
    return n > SIZE_MAX / 2 ? NULL : hg_bump(&s->batch, n + HG_PAYLOAD_PAD);
}

void *hg_scratch_value(hg_scratch_t *s, size_t n)
{
    return n > SIZE_MAX / 2 ? NULL : hg_scratch_work(s, n);
}

hg_str_t hg_scratch_copy(hg_scratch_t *s, hg_str_t bytes)
{
    char *p = hg_scratch_alloc(s, bytes.n);
    if (!p) return (hg_str_t){ NULL, 0 };
    if (bytes.n) memcpy(p, bytes.p, bytes.n);
    return (hg_str_t){ p, bytes.n };
}

hg_buf_t *hg_scratch_out(hg_scratch_t *s)
{
    hg_buf_clear(&s->out);
    return &s->out;
}

int hg_scratch_keep(hg_scratch_t *s, hg_str_t *ret)
{
    hg_str_t kept = hg_scratch_copy(s, hg_buf_str(&s->out));
    if (!kept.p) return HG_ENOMEM;
    *ret = kept;
    return 0;
}

size_t hg_scratch_bytes(const hg_scratch_t *s)
{
    return sizeof *s + bump_bytes(&s->batch) + bump_bytes(&s->work) + s->out.cap + s->tmp.cap + s->canon.cap +
           s->scan.tmp.cap;
}

hg_jscan_t *hg_scratch_scan(hg_scratch_t *s, hg_str_t text)
{
    s->scan.end = text.p + text.n;
    s->scan.e = HG_JE_NONE;
    return &s->scan;
}

/* --- time and chance --- */

int64_t hg_scratch_now(hg_scratch_t *s)
{
    if (s->fixed_now) return s->fixed_now;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void hg_scratch_fix(hg_scratch_t *s, int64_t now_ns, uint64_t seed)
{
    s->fixed_now = now_ns;
    s->seed = seed;
    s->dice_left = 0;
    s->last_ms = 0;
}

uint64_t hg_scratch_rising(hg_scratch_t *s, uint32_t *ret_tick)
{
    uint64_t ms = (uint64_t)(hg_scratch_now(s) / 1000000);
    if (ms > s->last_ms) {
        s->last_ms = ms;
        s->tick = 0;
    } else if (++s->tick > 0xfff) {
        s->last_ms++;
        s->tick = 0;
    }
    *ret_tick = s->tick;
    return s->last_ms;
}

/* splitmix64: the same bytes for the same seed. */
static uint64_t next_fixed(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void roll(hg_scratch_t *s)
{
    if (!s->fixed_now) {
        hg_random(s->dice, sizeof s->dice);
    } else {
        for (size_t i = 0; i < sizeof s->dice; i += 8) {
            uint64_t v = next_fixed(&s->seed);
            memcpy(s->dice + i, &v, 8);
        }
    }
    s->dice_left = sizeof s->dice;
}

void hg_scratch_random(hg_scratch_t *s, void *to, size_t n)
{
    for (uint8_t *p = to; n;) {
        if (s->dice_left == 0) roll(s);
        size_t k = HG_MIN(n, s->dice_left);
        memcpy(p, s->dice + sizeof s->dice - s->dice_left, k);
        s->dice_left -= (uint32_t)k;
        p += k;
        n -= k;
    }
}
