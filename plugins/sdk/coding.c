/* coding.c: the MessagePack that the state of a source is written in. */
#include "base/hg.h"
#include "base/err.h"
#include "plugins/sdk/batch.h"

static int head(hg_buf_t *b, uint8_t code, uint64_t v, unsigned bytes)
{
    char t[9] = { (char)code };
    for (unsigned i = 0; i < bytes; i++) t[1 + i] = (char)(v >> (8 * (bytes - 1 - i)));
    return hg_buf_add(b, t, 1 + bytes);
}

int hgp_mp_array(hg_buf_t *b, uint32_t n)
{
    if (n < 16) return head(b, (uint8_t)(0x90 | n), 0, 0);
    return n < 65536 ? head(b, 0xdc, n, 2) : head(b, 0xdd, n, 4);
}

int hgp_mp_map(hg_buf_t *b, uint32_t n)
{
    if (n < 16) return head(b, (uint8_t)(0x80 | n), 0, 0);
    return n < 65536 ? head(b, 0xde, n, 2) : head(b, 0xdf, n, 4);
}

int hgp_mp_u64(hg_buf_t *b, uint64_t v)
{
    if (v < 128) return head(b, (uint8_t)v, 0, 0);
    if (v < 256) return head(b, 0xcc, v, 1);
    if (v < 65536) return head(b, 0xcd, v, 2);
    return v <= UINT32_MAX ? head(b, 0xce, v, 4) : head(b, 0xcf, v, 8);
}

int hgp_mp_str(hg_buf_t *b, hg_str_t s)
{
    int rc = s.n < 32      ? head(b, (uint8_t)(0xa0 | s.n), 0, 0)
             : s.n < 256   ? head(b, 0xd9, s.n, 1)
             : s.n < 65536 ? head(b, 0xda, s.n, 2)
                           : head(b, 0xdb, s.n, 4);
    return rc < 0 ? rc : hg_buf_addstr(b, s);
}

int hgp_mp_nil(hg_buf_t *b)
{
    return hg_buf_addc(b, (char)0xc0);
}

/* A big-endian number of n bytes. */
static int number(hg_str_t *in, unsigned n, uint64_t *ret)
{
    if (in->n < n) return HG_EPARSE;
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) v = v << 8 | (uint8_t)in->p[i];
    in->p += n;
    in->n -= n;
    *ret = v;
    return 0;
}

static int run(hg_str_t *in, hgp_mp_value_t *v)
{
    if (v->u > in->n) return HG_EPARSE;
    v->s = (hg_str_t){ in->p, (size_t)v->u };
    in->p += v->u;
    in->n -= (size_t)v->u;
    return 0;
}

static int sized(hg_str_t *in, unsigned n, hgp_mp_t kind, hgp_mp_value_t *v)
{
    v->kind = kind;
    int rc = number(in, n, &v->u);
    return rc < 0 || (kind != HGP_MP_STR && kind != HGP_MP_BIN) ? rc : run(in, v);
}

/* Codes of one kind follow one another with 1, 2, 4 and 8 bytes. */
static unsigned width(uint64_t code, uint64_t first)
{
    return code == first ? 1 : code == first + 1 ? 2 : code == first + 2 ? 4 : 8;
}

int hgp_mp_next(hg_str_t *in, hgp_mp_value_t *v)
{
    uint64_t c;
    memset(v, 0, sizeof *v);
    if (number(in, 1, &c) < 0) return HG_EPARSE;
    if (c < 0x80 || c >= 0xe0) {
        *v = (hgp_mp_value_t){ .kind = c < 0x80 ? HGP_MP_UINT : HGP_MP_INT, .u = c < 0x80 ? c : (uint64_t)(int8_t)c };
        return 0;
    }
    if (c < 0xa0) {
        *v = (hgp_mp_value_t){ .kind = c < 0x90 ? HGP_MP_MAP : HGP_MP_ARRAY, .u = c & 15 };
        return 0;
    }
    if (c < 0xc0) {
        *v = (hgp_mp_value_t){ .kind = HGP_MP_STR, .u = c & 31 };
        return run(in, v);
    }
    switch (c) {
    case 0xc0:
        return 0; /* HGP_MP_NIL */
    case 0xc2:
    case 0xc3:
        *v = (hgp_mp_value_t){ .kind = HGP_MP_BOOL, .u = c & 1 };
        return 0;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return sized(in, width(c, 0xc4), HGP_MP_BIN, v);
    case 0xca:
    case 0xcb:
        return sized(in, c == 0xca ? 4 : 8, HGP_MP_FLOAT, v);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return sized(in, width(c, 0xcc), HGP_MP_UINT, v);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return sized(in, width(c, 0xd0), HGP_MP_INT, v);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return sized(in, width(c, 0xd9), HGP_MP_STR, v);
    case 0xdc:
    case 0xdd:
        return sized(in, c == 0xdc ? 2 : 4, HGP_MP_ARRAY, v);
    case 0xde:
    case 0xdf:
        return sized(in, c == 0xde ? 2 : 4, HGP_MP_MAP, v);
    default: /* extensions: no plugin writes them */
        return HG_EPARSE;
    }
}

int hgp_mp_take(hg_str_t *in, hgp_mp_t kind, hgp_mp_value_t *v)
{
    int rc = hgp_mp_next(in, v);
    return rc < 0 || v->kind == kind || (kind == HGP_MP_STR && v->kind == HGP_MP_NIL) ? rc : HG_EPARSE;
}
