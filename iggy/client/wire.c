/* wire.c: fields, user headers, and how a frame begins, of both protocols. */
#include "base/hg.h"
#include "iggy/client/wire_int.h"

#define X(name, words, code, op, bits) [HG_IGGY_##name] = { words, code, op, bits },
const iggy_cmd_info_t iggy_cmds[HG_IGGY_N_COMMANDS] = { HG_IGGY_COMMANDS(X) };
#undef X

/* --- fields --- */

void iggy_w(iggy_out_t *o, const void *p, size_t n)
{
    if (o->rc == 0 && n) o->rc = hg_buf_add(o->b, p, n);
}

void iggy_w8(iggy_out_t *o, uint8_t v)
{
    iggy_w(o, &v, 1);
}

void iggy_w32(iggy_out_t *o, uint32_t v)
{
    uint8_t p[4];
    iggy_put32(p, v);
    iggy_w(o, p, sizeof p);
}

void iggy_w64(iggy_out_t *o, uint64_t v)
{
    uint8_t p[8];
    iggy_put64(p, v);
    iggy_w(o, p, sizeof p);
}

void iggy_wzero(iggy_out_t *o, size_t n)
{
    static const uint8_t zero[IGGY_HEAD];
    HG_ASSERT(n <= sizeof zero);
    iggy_w(o, zero, n);
}

void iggy_wname(iggy_out_t *o, hg_str_t s)
{
    iggy_w8(o, (uint8_t)s.n);
    iggy_w(o, s.p, s.n);
}

void iggy_wstr32(iggy_out_t *o, hg_str_t s)
{
    iggy_w32(o, (uint32_t)s.n);
    iggy_w(o, s.p, s.n);
}

/* --- names --- */

hg_iggy_id_t hg_iggy_id_of(hg_str_t text)
{
    uint64_t n;
    if (hg_str_u64(text, &n) == 0 && n <= UINT32_MAX) return hg_iggy_num((uint32_t)n);
    return hg_iggy_named(text);
}

uint32_t hg_iggy_nth_u32(hg_str_t numbers, uint32_t i)
{
    HG_ASSERT((size_t)i * 4 + 4 <= numbers.n);
    return iggy_get32((const uint8_t *)numbers.p + (size_t)i * 4);
}

/* --- user headers --- */

/* One "kind, length, bytes"; false: it does not fit. */
static bool take_field(hg_str_t *rest, uint8_t *kind, hg_str_t *ret)
{
    if (rest->n < 5) return false;
    const uint8_t *p = (const uint8_t *)rest->p;
    uint32_t n = iggy_get32(p + 1);
    if (n < 1 || n > HG_IGGY_MAX_NAME || n > rest->n - 5 || p[0] == 0) return false;
    *kind = p[0];
    *ret = (hg_str_t){ rest->p + 5, n };
    *rest = (hg_str_t){ rest->p + 5 + n, rest->n - 5 - n };
    return true;
}

int hg_iggy_header_next(hg_str_t *rest, hg_iggy_header_t *ret, hg_err_t *err)
{
    hg_str_t at = *rest;
    hg_iggy_header_t h;
    if (!at.n) return 0;
    if (!take_field(&at, &h.key_kind, &h.key) || !take_field(&at, &h.kind, &h.value))
        return hg_err_set(err, HG_EPROTO, "user headers are damaged, %zu bytes before their end", rest->n);
    *rest = at;
    *ret = h;
    return 1;
}

int hg_iggy_header_add(hg_buf_t *out, const hg_iggy_header_t *h, hg_err_t *err)
{
    if (h->key.n < 1 || h->key.n > HG_IGGY_MAX_NAME || h->value.n < 1 || h->value.n > HG_IGGY_MAX_NAME)
        return hg_err_set(err, HG_EINVAL, "a user header has a key of %zu and a value of %zu bytes; Iggy takes 1 to %d",
                          h->key.n, h->value.n, HG_IGGY_MAX_NAME);
    size_t before = out->len;
    iggy_out_t o = { .b = out };
    iggy_w8(&o, h->key_kind);
    iggy_wstr32(&o, h->key);
    iggy_w8(&o, h->kind);
    iggy_wstr32(&o, h->value);
    if (o.rc == 0) return 0;
    out->len = before;
    out->p[before] = 0;
    return hg_err_set(err, HG_ENOMEM, "out of memory for user headers");
}

/* --- how an answer begins --- */

static uint32_t eviction_code(uint8_t reason, uint32_t newest, uint32_t oldest)
{
    switch (reason) {
    case 1:  /* no session */
    case 7:  /* session too low */
    case 8:  /* of another release */
    case 11: /* the user is not active */
    case 12:
        return HG_IGGY_E_UNAUTHENTICATED;
    case 9:
        return 42; /* InvalidCredentials */
    case 10:
        return HG_IGGY_E_INVALID_TOKEN;
    case 13:
        return 30; /* StaleClient */
    case 14:
        return oldest && newest >= oldest ? 14003 : HG_IGGY_E_UNAUTHENTICATED;
    case 15:
        return 4; /* InvalidFormat */
    default:
        return 3; /* InvalidCommand */
    }
}

static int head_classic(const uint8_t *p, size_t n, iggy_head_t *ret)
{
    if (n < IGGY_CHEAD) return 0;
    uint32_t status = iggy_get32(p), length = status ? 0 : iggy_get32(p + 4);
    *ret = (iggy_head_t){ .kind = IGGY_REPLY, .head = IGGY_CHEAD, .size = IGGY_CHEAD + length, .status = status };
    return 1;
}

static int head_vsr(const uint8_t *p, size_t n, iggy_head_t *ret, hg_err_t *err)
{
    if (n < IGGY_HEAD) return 0;
    uint32_t size = iggy_get32(p + 48);
    uint8_t command = p[60];
    if (command == 13 && size == IGGY_HEAD) {
        uint32_t newest = iggy_get32(p + 144), oldest = iggy_get32(p + 148);
        *ret = (iggy_head_t){ .kind = IGGY_EVICTION,
                              .head = IGGY_HEAD,
                              .size = IGGY_HEAD,
                              .status = eviction_code(p[255], newest, oldest),
                              .reason = p[255],
                              .newest = newest,
                              .oldest = oldest };
        return 1;
    }
    if (command != 8 || size < IGGY_HEAD)
        return hg_err_set(err, HG_EPROTO, "what the server sends is no frame of Iggy's (command %u, size %u)",
                          (unsigned)command, (unsigned)size);
    *ret = (iggy_head_t){ .kind = IGGY_REPLY,
                          .head = IGGY_HEAD,
                          .size = size,
                          .status = iggy_get32(p + 216),
                          .operation = p[208],
                          .request = iggy_get64(p + 200) };
    return 1;
}

int iggy_head_parse(hg_iggy_proto_t proto, const uint8_t *p, size_t n, size_t max, iggy_head_t *ret, hg_err_t *err)
{
    iggy_head_t h;
    int rc = proto == HG_IGGY_CLASSIC ? head_classic(p, n, &h) : head_vsr(p, n, &h, err);
    if (rc <= 0) return rc;
    if (h.size > max)
        return hg_err_set(err, HG_ETOOBIG, "an answer of %zu bytes is more than the %zu that are accepted", h.size,
                          max);
    *ret = h;
    return 1;
}

void iggy_stamp(char *frame, const uint8_t client[16], uint64_t session, uint64_t request)
{
    memcpy(frame + 128, client, 16);
    iggy_put64((uint8_t *)frame + 168, request);
    iggy_put64((uint8_t *)frame + 184, session);
}
