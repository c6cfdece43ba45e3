/* decompress.c: gzip by zlib, zstd by libzstd, behind one interface. See decompress.h. */
#include "base/hg.h"
#include "connectors/transport/decompress.h"
#include "connectors/transport/position.h"
#include "base/mem.h"
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG  27          /* zstd: 128 MiB */
#define GZIP_HEADER 10          /* bytes before a member's data, at least */
#define MEMBER_STEP (256 << 10) /* compressed bytes between members that are remembered */

struct hg_decompress {
    hg_compression_t kind;
    bool inside;      /* a member has begun and has not ended */
    bool padding;     /* gzip: zeros behind the last member, as tapes and some tools leave them */
    uint64_t in, out; /* taken and made, from the stream's start */
    uint64_t give;    /* uncompressed offset from which bytes are given */
    uint64_t begun;   /* members begun since the start or hg_decompress_from */
    hg_member_t member;
    bool z_ready;
    z_stream z;
    ZSTD_DCtx *zstd;
};

hg_compression_t hg_compression_of(hg_compression_t option, hg_str_t name)
{
    static const struct {
        hg_str_t ext;
        hg_compression_t kind;
    } known[] = {
        { { ".gz", 3 }, HG_COMPRESSION_GZIP },
        { { ".gzip", 5 }, HG_COMPRESSION_GZIP },
        { { ".zst", 4 }, HG_COMPRESSION_ZSTD },
        { { ".zstd", 5 }, HG_COMPRESSION_ZSTD },
    };
    if (option != HG_COMPRESSION_AUTO) return option;
    for (size_t i = 0; i < HG_COUNT(known); i++) {
        hg_str_t e = known[i].ext;
        if (name.n > e.n && hg_str_ieq((hg_str_t){ name.p + name.n - e.n, e.n }, e)) return known[i].kind;
    }
    return HG_COMPRESSION_NONE;
}

const char *hg_compression_name(hg_compression_t c)
{
    static const char *const names[] = { "auto", "none", "gzip", "zstd" };
    return names[c];
}

hg_decompress_t *hg_decompress_new(hg_compression_t c)
{
    hg_decompress_t *d = HG_NEW(hg_decompress_t);
    HG_ASSERT(c == HG_COMPRESSION_GZIP || c == HG_COMPRESSION_ZSTD);
    d->kind = c;
    return d;
}

void hg_decompress_free(hg_decompress_t *d)
{
    if (!d) return;
    if (d->z_ready) inflateEnd(&d->z);
    ZSTD_freeDCtx(d->zstd);
    hg_free(d);
}

void hg_decompress_from(hg_decompress_t *d, hg_member_t from, uint64_t offset)
{
    d->inside = d->padding = false;
    d->in = from.packed;
    d->out = from.plain;
    d->give = offset;
    d->begun = 0;
    d->member = from;
    if (d->z_ready) inflateReset(&d->z);
    if (d->zstd) ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only);
}

/* A library says what is wrong, but not exactly where: not before what was taken. */
static int damaged(const hg_decompress_t *d, const char *why, hg_err_t *err)
{
    if (d->in == 0)
        return hg_err_set(err, HG_EIO, "this is no %s stream: %s. Set 'compression' to what it is, or to 'none'",
                          hg_compression_name(d->kind), why);
    return hg_err_set(err, HG_EIO,
                      "damaged %s stream, at or behind byte %" PRIu64 " of the compressed data (%" PRIu64
                      " uncompressed): %s",
                      hg_compression_name(d->kind), d->in, d->out, why);
}

static int ready(hg_decompress_t *d, hg_err_t *err)
{
    if (d->kind == HG_COMPRESSION_ZSTD) {
        if (d->zstd) return 0;
        d->zstd = ZSTD_createDCtx();
        if (!d->zstd) return hg_err_set(err, HG_ENOMEM, "out of memory for a zstd stream");
        (void)ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
        return 0;
    }
    if (d->z_ready) return 0;
    if (inflateInit2(&d->z, 15 + 16) != Z_OK) return hg_err_set(err, HG_ENOMEM, "out of memory for a gzip stream");
    d->z_ready = true;
    return 0;
}

/* One call of a library: some bytes in, some out. */
typedef struct {
    const char *in;
    size_t n;
    char *out;
    size_t room;
    size_t used, made; /* results */
    bool end;          /* of a member */
} piece_t;

static int gunzip(hg_decompress_t *d, piece_t *p, hg_err_t *err)
{
    d->z.next_in = (Bytef *)(uintptr_t)p->in;
    d->z.avail_in = (uInt)HG_MIN(p->n, (size_t)1 << 30);
    d->z.next_out = (Bytef *)p->out;
    d->z.avail_out = (uInt)HG_MIN(p->room, (size_t)1 << 30);
    uInt in = d->z.avail_in, out = d->z.avail_out;
    int rc = inflate(&d->z, Z_NO_FLUSH);
    if (rc == Z_MEM_ERROR) return hg_err_set(err, HG_ENOMEM, "out of memory for a gzip stream");
    if (rc == Z_NEED_DICT) return damaged(d, "it needs a dictionary", err);
    if (rc == Z_DATA_ERROR || rc == Z_STREAM_ERROR) {
        const char *why = d->z.msg ? d->z.msg : "not valid";
        if (d->z.total_in > GZIP_HEADER) { /* else it was none from the beginning */
            d->in += in - d->z.avail_in;
            d->out += out - d->z.avail_out;
        }
        return damaged(d, why, err);
    }
    p->used = in - d->z.avail_in;
    p->made = out - d->z.avail_out;
    p->end = rc == Z_STREAM_END;
    if (p->end) inflateReset(&d->z);
    return 0;
}

static int unzstd(hg_decompress_t *d, piece_t *p, hg_err_t *err)
{
    ZSTD_inBuffer in = { p->in, p->n, 0 };
    ZSTD_outBuffer out = { p->out, p->room, 0 };
    size_t rc = ZSTD_decompressStream(d->zstd, &out, &in);
    if (ZSTD_isError(rc)) {
        ZSTD_ErrorCode code = ZSTD_getErrorCode(rc);
        if (code == ZSTD_error_memory_allocation) return hg_err_set(err, HG_ENOMEM, "out of memory for a zstd stream");
        return damaged(d,
                       code == ZSTD_error_frameParameter_windowTooLarge
                           ? "it needs a window of more than 128 MiB; write it without --long, or with --long=27"
                           : ZSTD_getErrorName(rc),
                       err);
    }
    p->used = in.pos;
    p->made = out.pos;
    p->end = rc == 0;
    return 0;
}

/* Behind a gzip member: another one, or zeros up to the end. */
static int skip_padding(hg_decompress_t *d, const char *in, size_t n, size_t *used, hg_err_t *err)
{
    while (*used < n && in[*used] == 0) {
        (*used)++;
        d->in++;
    }
    return *used < n ? damaged(d, "bytes that are neither zeros nor a member follow the last one", err) : 0;
}

int hg_decompress(hg_decompress_t *d, const char *in, size_t n, size_t *used, char *out, size_t room, size_t *made,
                  hg_err_t *err)
{
    *used = *made = 0;
    int rc = ready(d, err);
    while (rc == 0 && *made < room) {
        if (!d->inside) {
            if (*used == n) break;
            if (d->kind == HG_COMPRESSION_GZIP && d->begun && (d->padding || in[*used] == 0)) {
                d->padding = true;
                return skip_padding(d, in, n, used, err);
            }
            d->inside = true;
            d->begun++;
            d->member = (hg_member_t){ d->in, d->out };
        }
        piece_t p = { .in = in + *used, .n = n - *used, .out = out + *made, .room = room - *made };
        rc = d->kind == HG_COMPRESSION_GZIP ? gunzip(d, &p, err) : unzstd(d, &p, err);
        if (rc < 0) break;
        uint64_t from = d->out;
        d->in += p.used;
        d->out += p.made;
        *used += p.used;
        if (from >= d->give) {
            *made += p.made;
        } else if (d->out > d->give) { /* the place is within what was just made */
            size_t keep = (size_t)(d->out - d->give);
            memmove(out + *made, out + *made + (p.made - keep), keep);
            *made += keep;
        }
        if (p.end) d->inside = false;
        if (!p.used && !p.made && !p.end) break; /* it wants more */
    }
    return rc;
}

int hg_decompress_end(const hg_decompress_t *d, hg_err_t *err)
{
    const char *name = hg_compression_name(d->kind);
    if (d->in == 0) return hg_err_set(err, HG_EIO, "this is no %s stream: it is empty", name);
    if (d->inside)
        return hg_err_set(err, HG_EIO,
                          "the %s stream is cut off: it ends after %" PRIu64 " bytes (%" PRIu64
                          " uncompressed), within what began at byte %" PRIu64,
                          name, d->in, d->out, d->member.packed);
    if (d->out < d->give)
        return hg_err_set(err, HG_EIO,
                          "the %s stream has %" PRIu64 " uncompressed bytes, fewer than the %" PRIu64
                          " that were read before: it is another one",
                          name, d->out, d->give);
    return 0;
}

uint64_t hg_decompress_in(const hg_decompress_t *d)
{
    return d->in;
}

hg_member_t hg_decompress_member(const hg_decompress_t *d)
{
    return d->member;
}

/* --- members --- */

void hg_members_note(hg_members_t *m, hg_member_t newest)
{
    uint64_t last = m->n ? m->v[m->n - 1].packed : 0;
    if (m->n < HG_MEMBERS && newest.packed >= last + MEMBER_STEP) m->v[m->n++] = newest;
}

hg_member_t hg_members_at(hg_members_t *m, uint64_t offset)
{
    unsigned i = 0;
    while (i + 1 < m->n && m->v[i + 1].plain <= offset) i++;
    m->n -= i;
    memmove(m->v, m->v + i, m->n * sizeof m->v[0]);
    return m->n && m->v[0].plain <= offset ? m->v[0] : (hg_member_t){ 0, 0 };
}

void hg_member_save(hg_member_t m, hg_jw_t *w)
{
    if (!m.packed) return;
    hg_jw_ku64(w, "member_at", m.packed);
    hg_jw_ku64(w, "member_offset", m.plain);
}

int hg_member_read(const hg_json_t *v, const char *what, uint64_t offset, hg_member_t *ret, hg_err_t *err)
{
    hg_member_t m = { 0, 0 };
    int rc = hg_position_u64(v, what, "member_at", false, &m.packed, err);
    if (rc == 0) rc = hg_position_u64(v, what, "member_offset", false, &m.plain, err);
    if (rc < 0) return rc;
    if (m.plain > offset || (m.plain && !m.packed))
        return hg_err_set(err, HG_EPARSE,
                          "%s: 'member_at' and 'member_offset' tell where, in the compressed and in the uncompressed "
                          "data, the last member before 'offset' begins; leave both out to read from the start",
                          what);
    *ret = m;
    return 0;
}
