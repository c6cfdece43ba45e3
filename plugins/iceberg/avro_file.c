/* avro_file.c: see avro_file.h. A file comes from a store, so nothing in it is believed: lengths are held against what
 * is there, and what a compressed block becomes has a ceiling. */
#include "base/hg.h"
#include "base/log.h"
#include "connectors/format/avro_scan.h"
#include "plugins/iceberg/avro_file.h"
#include <zlib.h>

#define MAGIC     "Obj\x01"
#define PLAIN_MAX ((size_t)256 << 20)
#define STEP      ((size_t)64 << 10)

/* --- writing ------------------------------------------------------------------------------------------------------ */

int hgi_put_long(hg_buf_t *out, int64_t v)
{
    char t[10];
    unsigned n = 0;
    uint64_t u = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; u > 127; u >>= 7) t[n++] = (char)(u | 128);
    t[n++] = (char)u;
    return hg_buf_add(out, t, n);
}

int hgi_put_bytes(hg_buf_t *out, hg_str_t s)
{
    int rc = hgi_put_long(out, (int64_t)s.n);
    return rc < 0 ? rc : hg_buf_addstr(out, s);
}

static int put_pair(hg_buf_t *out, const char *key, const char *value)
{
    int rc = hgi_put_bytes(out, hg_strz(key));
    return rc < 0 ? rc : hgi_put_bytes(out, hg_strz(value));
}

int hgi_avro_file(hg_buf_t *out, const char *schema, const hgi_pair_t *meta, unsigned n_meta, uint64_t n_values,
                  hg_str_t values)
{
    char sync[16];
    hg_random(sync, sizeof sync);
    int rc = hg_buf_add(out, MAGIC, 4);
    if (rc == 0) rc = hgi_put_long(out, (int64_t)n_meta + 2);
    if (rc == 0) rc = put_pair(out, "avro.schema", schema);
    if (rc == 0) rc = put_pair(out, "avro.codec", "null");
    for (unsigned i = 0; rc == 0 && i < n_meta; i++) rc = put_pair(out, meta[i].key, meta[i].value);
    if (rc == 0) rc = hgi_put_long(out, 0);
    if (rc == 0) rc = hg_buf_add(out, sync, sizeof sync);
    if (rc == 0) rc = hgi_put_long(out, (int64_t)n_values);
    if (rc == 0) rc = hgi_put_bytes(out, values);
    return rc < 0 ? rc : hg_buf_add(out, sync, sizeof sync);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int damaged(const hg_ascan_t *s, hg_err_t *err)
{
    return hg_err_set(err, HG_EPROTO, "an Avro file is damaged: %s", s->msg);
}

static int read_meta(hgi_avro_reader_t *r, hg_ascan_t *s)
{
    uint64_t n, bytes;
    for (;;) {
        int rc = hg_as_block(s, 2, &n, &bytes);
        if (rc < 0 || n == 0) return rc;
        for (; n; n--) {
            hg_str_t key, value;
            if ((rc = hg_as_bytes(s, &key)) < 0 || (rc = hg_as_bytes(s, &value)) < 0) return rc;
            if (hg_str_eqz(key, "avro.schema")) r->schema = value;
            if (hg_str_eqz(key, "avro.codec")) r->codec = value;
        }
    }
}

int hgi_avro_open(hgi_avro_reader_t *r, hg_str_t file, hg_err_t *err)
{
    hg_str_t sync = { NULL, 0 };
    memset(r, 0, sizeof *r);
    hg_buf_init(&r->plain, PLAIN_MAX);
    r->codec = HG_S("null");
    if (file.n < 4 || memcmp(file.p, MAGIC, 4) != 0)
        return hg_err_set(err, HG_EPROTO, "a file that should be Avro does not begin like one");
    hg_ascan_t s = { .p = file.p + 4, .end = file.p + file.n };
    int rc = read_meta(r, &s);
    if (rc == 0) rc = hg_as_take(&s, sizeof r->sync, &sync);
    if (rc < 0) return damaged(&s, err);
    if (!r->schema.n) return hg_err_set(err, HG_EPROTO, "an Avro file has no schema");
    memcpy(r->sync, sync.p, sizeof r->sync);
    r->at = s.p;
    r->end = s.end;
    return 0;
}

/* Raw deflate, as Avro wants it: without zlib's header. */
static int inflate_block(hgi_avro_reader_t *r, hg_str_t in, hg_err_t *err)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n };
    int rc = 0, zrc = Z_OK;
    hg_buf_clear(&r->plain);
    if (inflateInit2(&z, -15) != Z_OK) return hg_err_retry(err, HG_ENOMEM, "no memory to decompress an Avro file");
    while (zrc == Z_OK) {
        if ((rc = hg_buf_reserve(&r->plain, STEP)) < 0) break;
        z.next_out = (Bytef *)r->plain.p + r->plain.len;
        z.avail_out = (uInt)STEP;
        zrc = inflate(&z, Z_NO_FLUSH);
        r->plain.len += STEP - z.avail_out;
        if (zrc == Z_OK && z.avail_out && !z.avail_in) break;
    }
    inflateEnd(&z);
    r->plain.p[r->plain.len] = 0;
    if (rc == HG_ETOOBIG) return hg_err_set(err, HG_EPROTO, "a block of an Avro file is larger than 256 MiB");
    if (rc < 0 || zrc == Z_MEM_ERROR) return hg_err_retry(err, HG_ENOMEM, "no memory to decompress an Avro file");
    return zrc == Z_STREAM_END ? 0 : hg_err_set(err, HG_EPROTO, "a compressed block of an Avro file is damaged");
}

int hgi_avro_block(hgi_avro_reader_t *r, uint64_t *n, hg_str_t *values, hg_err_t *err)
{
    hg_ascan_t s = { .p = r->at, .end = r->end };
    int64_t count;
    hg_str_t bytes = { NULL, 0 }, sync = bytes;
    *n = 0;
    if (r->at == r->end) return 0;
    int rc = hg_as_long(&s, &count);
    if (rc == 0) rc = hg_as_bytes(&s, &bytes);
    if (rc == 0) rc = hg_as_take(&s, sizeof r->sync, &sync);
    if (rc < 0) return damaged(&s, err);
    if (count <= 0 || bytes.n > UINT32_MAX || memcmp(sync.p, r->sync, sizeof r->sync) != 0)
        return hg_err_set(err, HG_EPROTO, "an Avro file is damaged: its blocks do not end where they should");
    r->at = s.p;
    if (hg_str_eqz(r->codec, "deflate")) {
        rc = inflate_block(r, bytes, err);
        bytes = hg_buf_str(&r->plain);
    } else if (!hg_str_eqz(r->codec, "null")) {
        rc = hg_err_set(err, HG_EUNSUPPORTED,
                        "an Avro file is compressed with '%.*s', and only 'deflate' (gzip) can be read: set the table "
                        "property write.avro.compression-codec",
                        (int)HG_MIN(r->codec.n, (size_t)40), r->codec.p);
    }
    if (rc < 0) return rc;
    *n = (uint64_t)count;
    *values = bytes;
    return 0;
}

void hgi_avro_close(hgi_avro_reader_t *r)
{
    hg_buf_release(&r->plain);
}
