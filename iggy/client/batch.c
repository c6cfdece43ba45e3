/* batch.c: messages as they are sent and as they are polled.
 *
 * A batch is built in VSR's form: frames of a 48-byte header, payload and user headers. Until it is sealed the first
 * eight bytes of a frame hold the message's own time: only then is the earliest known, which the others are told
 * relative to, and the checksum that belongs there covers that difference. */
#define XXH_INLINE_ALL
#include "base/hg.h"
#include "base/log.h"
#include "iggy/client/wire_int.h"
#include <xxhash.h>

#define MAX_SPAN UINT32_MAX /* us between the first and the last origin timestamp of a batch */

void hg_iggy_batch_init(hg_iggy_batch_t *b)
{
    *b = (hg_iggy_batch_t){ 0 };
    hg_buf_init(&b->frames, HG_IGGY_MAX_FRAME);
    hg_buf_init(&b->head, IGGY_BATCH + 1);
    hg_random(b->seed, sizeof b->seed);
}

void hg_iggy_batch_release(hg_iggy_batch_t *b)
{
    hg_buf_release(&b->frames);
    hg_buf_release(&b->head);
}

void hg_iggy_batch_clear(hg_iggy_batch_t *b)
{
    hg_buf_clear(&b->frames);
    hg_buf_clear(&b->head);
    b->count = 0;
    b->origin = b->newest = 0;
    b->sealed = false;
}

/* Random enough to be an id: two steps of a counter that is mixed well, from a seed of the system's. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* A version 4 UUID, its bytes in the order they are written down. */
static void new_id(hg_iggy_batch_t *b, uint8_t *p)
{
    iggy_put64(p, mix(&b->seed[0]));
    iggy_put64(p + 8, mix(&b->seed[1]));
    p[6] = (uint8_t)((p[6] & 0x0f) | 0x40);
    p[8] = (uint8_t)((p[8] & 0x3f) | 0x80);
}

static int check_headers(hg_str_t headers, hg_err_t *err)
{
    hg_iggy_header_t h;
    int rc;
    if (headers.n > HG_IGGY_MAX_HEADERS)
        return hg_err_set(err, HG_ETOOBIG, "the user headers of a message have %zu bytes; Iggy takes %d", headers.n,
                          HG_IGGY_MAX_HEADERS);
    while ((rc = hg_iggy_header_next(&headers, &h, err)) > 0)
        ;
    return rc < 0 ? (err->code = HG_EINVAL) : 0;
}

int hg_iggy_batch_add(hg_iggy_batch_t *b, const hg_iggy_message_t *m, hg_err_t *err)
{
    size_t size = IGGY_FRAME + m->payload.n + m->headers.n;
    if (m->payload.n > HG_IGGY_MAX_PAYLOAD)
        return hg_err_set(err, HG_ETOOBIG, "a message has %zu bytes; Iggy takes %d", m->payload.n, HG_IGGY_MAX_PAYLOAD);
    int rc = check_headers(m->headers, err);
    if (rc < 0) return rc;
    uint64_t at = m->origin_timestamp ? m->origin_timestamp : (uint64_t)hg_now_us();
    uint64_t first = b->count ? HG_MIN(b->origin, at) : at, last = b->count ? HG_MAX(b->newest, at) : at;
    if (b->sealed || (b->count && (last - first > MAX_SPAN || b->count == UINT32_MAX)) ||
        b->frames.len + size > HG_IGGY_MAX_FRAME - ((size_t)1 << 20))
        return hg_err_set(err, HG_EAGAIN, "the batch is full");
    if (hg_buf_reserve(&b->frames, size) < 0)
        return hg_err_set(err, HG_ENOMEM, "out of memory for a message of %zu bytes", m->payload.n);
    uint8_t *p = (uint8_t *)b->frames.p + b->frames.len;
    iggy_put64(p, at);
    if (m->id)
        iggy_put128(p + 8, m->id);
    else
        new_id(b, p + 8);
    iggy_put32(p + 24, b->count);
    iggy_put32(p + 28, 0);
    iggy_put32(p + 32, (uint32_t)m->headers.n);
    iggy_put32(p + 36, (uint32_t)m->payload.n);
    iggy_put64(p + 40, 0);
    if (m->payload.n) memcpy(p + IGGY_FRAME, m->payload.p, m->payload.n);
    if (m->headers.n) memcpy(p + IGGY_FRAME + m->payload.n, m->headers.p, m->headers.n);
    b->frames.len += size;
    b->frames.p[b->frames.len] = 0;
    b->count++;
    b->origin = first;
    b->newest = last;
    return 0;
}

static size_t frame_size(const uint8_t *p)
{
    return IGGY_FRAME + iggy_get32(p + 32) + iggy_get32(p + 36);
}

int iggy_batch_seal(hg_iggy_batch_t *b, hg_err_t *err)
{
    if (b->sealed) return 0;
    uint8_t head[IGGY_BATCH] = { 0 };
    iggy_put64(head + 24, b->origin);
    iggy_put64(head + 32, IGGY_BATCH + b->frames.len);
    iggy_put32(head + 48, b->count);
    /* of the header's numbers, and of the sums of the frames. It wants 64-byte alignment, which a stack may not give */
    XXH3_state_t *sum = XXH3_createState();
    if (!sum) return hg_err_set(err, HG_ENOMEM, "out of memory for a batch");
    XXH3_64bits_reset(sum);
    XXH3_64bits_update(sum, head, 40);
    XXH3_64bits_update(sum, head + 48, 4);
    uint8_t *p = (uint8_t *)b->frames.p, *end = p + b->frames.len;
    while (p < end) {
        size_t n = frame_size(p);
        iggy_put32(p + 28, (uint32_t)(iggy_get64(p) - b->origin));
        iggy_put64(p, XXH3_64bits(p + 8, n - 8));
        XXH3_64bits_update(sum, p, 8);
        p += n;
    }
    iggy_put64(head + 40, XXH3_64bits_digest(sum));
    XXH3_freeState(sum);
    hg_buf_clear(&b->head);
    if (hg_buf_add(&b->head, head, sizeof head) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory for a batch");
    b->sealed = true;
    return 0;
}

int iggy_batch_classic(const hg_iggy_batch_t *b, hg_buf_t *out, hg_err_t *err)
{
    const uint8_t *p = (const uint8_t *)b->frames.p, *end = p + b->frames.len;
    size_t grown = (size_t)b->count * (IGGY_CFRAME - IGGY_FRAME + 16) + b->frames.len;
    if (hg_buf_reserve(out, grown) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory for a batch");
    uint8_t *index = (uint8_t *)out->p + out->len, *to = index + (size_t)b->count * 16;
    uint32_t so_far = 0;
    for (; p < end; p += frame_size(p)) {
        size_t n = frame_size(p) - IGGY_FRAME;
        so_far += (uint32_t)(IGGY_CFRAME + n);
        iggy_put32(index, 0);
        iggy_put32(index + 4, so_far);
        iggy_put64(index + 8, 0);
        index += 16;
        memset(to, 0, IGGY_CFRAME);
        memcpy(to + 8, p + 8, 16);
        iggy_put64(to + 40, b->origin + iggy_get32(p + 28));
        memcpy(to + 48, p + 32, 8); /* both lengths */
        memcpy(to + IGGY_CFRAME, p + IGGY_FRAME, n);
        to += IGGY_CFRAME + n;
    }
    out->len += grown;
    out->p[out->len] = 0;
    return 0;
}

/* --- polled --- */

static int damaged(hg_err_t *err, const char *what)
{
    return hg_err_set(err, HG_EPROTO, "polled messages are not what the server says they are: %s", what);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Steps over one message: NULL when it does not fit. */
static const uint8_t *step(const uint8_t *p, const uint8_t *end, size_t head)
{
    size_t room = (size_t)(end - p);
    if (room < head) return NULL;
    size_t lengths = head == IGGY_FRAME ? 32 : 48;
    uint64_t n = (uint64_t)iggy_get32(p + lengths) + iggy_get32(p + lengths + 4);
    return n > room - head ? NULL : p + head + n;
}

static int check_batch(const uint8_t **p, const uint8_t *end, uint64_t *total, hg_err_t *err)
{
    if ((size_t)(end - *p) < IGGY_BATCH) return damaged(err, "a batch ends early");
    uint64_t length = iggy_get64(*p + 32);
    if (length < IGGY_BATCH || length > (uint64_t)(end - *p)) return damaged(err, "the length of a batch");
    if (!all_zero(*p + 52, IGGY_BATCH - 52)) return damaged(err, "a batch of a newer protocol");
    uint32_t left = iggy_get32(*p + 48);
    const uint8_t *stop = *p + length, *m = *p + IGGY_BATCH;
    *total += left;
    for (; left; left--) {
        m = step(m, stop, IGGY_FRAME);
        if (!m) return damaged(err, "a message ends early");
    }
    if (m != stop) return damaged(err, "a batch has more than its messages");
    *p = stop;
    return 0;
}

int iggy_messages_check(hg_iggy_proto_t proto, const uint8_t *p, const uint8_t *end, uint32_t count, hg_err_t *err)
{
    uint64_t total = 0;
    while (p < end) {
        if (proto == HG_IGGY_CLASSIC) {
            p = step(p, end, IGGY_CFRAME);
            if (!p) return damaged(err, "a message ends early");
            total++;
        } else {
            int rc = check_batch(&p, end, &total, err);
            if (rc < 0) return rc;
        }
    }
    return total == count ? 0 : damaged(err, "their number");
}

bool hg_iggy_messages_next(hg_iggy_messages_t *it, hg_iggy_message_t *ret)
{
    if (!it->left) return false;
    const uint8_t *p = it->p;
    it->left--;
    if (it->proto == HG_IGGY_CLASSIC) {
        uint32_t headers = iggy_get32(p + 48), payload = iggy_get32(p + 52);
        *ret = (hg_iggy_message_t){
            .id = iggy_get128(p + 8),
            .offset = iggy_get64(p + 24),
            .timestamp = iggy_get64(p + 32),
            .origin_timestamp = iggy_get64(p + 40),
            .payload = { (const char *)p + IGGY_CFRAME, payload },
            .headers = { (const char *)p + IGGY_CFRAME + payload, headers },
        };
        it->p = p + IGGY_CFRAME + payload + headers;
        return true;
    }
    while (!it->batch_left) { /* the check has seen to it that one comes */
        it->base_offset = iggy_get64(p + 8);
        it->base_timestamp = iggy_get64(p + 16);
        it->base_origin = iggy_get64(p + 24);
        it->batch_left = iggy_get32(p + 48);
        p += IGGY_BATCH;
    }
    it->batch_left--;
    uint32_t headers = iggy_get32(p + 32), payload = iggy_get32(p + 36);
    *ret = (hg_iggy_message_t){
        .id = iggy_get128(p + 8),
        .offset = it->base_offset + iggy_get32(p + 24),
        .timestamp = it->base_timestamp,
        .origin_timestamp = it->base_origin + iggy_get32(p + 28),
        .payload = { (const char *)p + IGGY_FRAME, payload },
        .headers = { (const char *)p + IGGY_FRAME + payload, headers },
    };
    it->p = p + IGGY_FRAME + payload + headers;
    return true;
}

/* --- hashes --- */

uint32_t hg_iggy_key_partition(hg_str_t key, uint32_t partitions)
{
    return XXH32(key.p, key.n, 0) % partitions;
}
