/* nats_auth.c: who a client of NATS is, by NKey or JWT.
 *
 * An NKey is an Ed25519 key as text: base32 of a prefix that says what it is, 32 bytes, and a CRC. A server that wants
 * one sends a nonce; the client signs it with its seed and says its public key, or the JWT that was issued for it. A
 * credentials file holds both, JWT and seed, between lines of dashes. It is read anew for each session: such files are
 * replaced while we run.
 *
 * Seeds are wiped where they were. No message quotes what was read. Any thread. */
#include "base/hg.h"
#include "base/access.h"
#include "base/json.h"
#include "connectors/transport/nats_int.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX_SEED (18u << 3) /* 'S' */
#define PREFIX_USER (20u << 3) /* 'U' */
#define RAW_PUBLIC  35u        /* prefix, key, CRC */
#define RAW_SEED    36u        /* two prefixes in two bytes, seed, CRC */
#define SEED_TEXT   58u
#define FILE_MAX    ((size_t)64 << 10)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static unsigned crc16(const unsigned char *p, size_t n)
{
    unsigned crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)p[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++) crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
    }
    return crc;
}

/* Bits that fill no byte must be 0. */
static bool base32_decode(hg_str_t s, unsigned char *out)
{
    unsigned bits = 0, have = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(alphabet, s.p[i]) : NULL;
        if (!at) return false;
        bits = (bits << 5 | (unsigned)(at - alphabet)) & 0xfff;
        have += 5;
        if (have < 8) continue;
        have -= 8;
        *out++ = (unsigned char)(bits >> have);
    }
    return (bits & ((1u << have) - 1)) == 0;
}

static void base32_encode(const unsigned char *p, size_t n, char *out)
{
    unsigned bits = 0, have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = (bits << 8 | p[i]) & 0xfff;
        for (have += 8; have >= 5; have -= 5) *out++ = alphabet[bits >> (have - 5) & 31];
    }
    if (have) *out++ = alphabet[bits << (5 - have) & 31];
    *out = 0;
}

int hg_nats_seed(hg_str_t text, unsigned char ret[HG_NATS_SEED], hg_err_t *err)
{
    unsigned char raw[RAW_SEED];
    int rc = 0;
    text = hg_str_trim(text);
    if (text.n && text.p[0] == 'U')
        return hg_err_set(err, HG_EINVALTRANSPORT, "it is a public key; what signs is the seed, which begins with SU");
    if (text.n != SEED_TEXT)
        return hg_err_set(err, HG_EINVALTRANSPORT, "a seed has %u characters, this text has %zu", SEED_TEXT, text.n);
    if (!base32_decode(text, raw) || (raw[0] & 0xf8) != PREFIX_SEED ||
        crc16(raw, RAW_SEED - 2) != (raw[RAW_SEED - 2] | (unsigned)raw[RAW_SEED - 1] << 8))
        rc = hg_err_set(err, HG_EINVALTRANSPORT, "it is not an NKey seed: a character is wrong");
    else if (((raw[0] & 7u) << 5 | raw[1] >> 3) != PREFIX_USER)
        rc = hg_err_set(err, HG_EINVALTRANSPORT,
                        "it is the seed of something else than a user; a user's begins with SU");
    else
        memcpy(ret, raw + 2, HG_NATS_SEED);
    explicit_bzero(raw, sizeof raw);
    return rc;
}

static bool next_line(hg_str_t *text, hg_str_t *ret)
{
    if (!text->n) return false;
    const char *nl = memchr(text->p, '\n', text->n);
    size_t n = nl ? (size_t)(nl - text->p) : text->n, skip = nl ? n + 1 : n;
    *ret = hg_str_trim((hg_str_t){ text->p, n });
    *text = (hg_str_t){ text->p + skip, text->n - skip };
    return true;
}

/* The line behind "-----BEGIN … <what>-----"; empty: there is none. */
static hg_str_t block(hg_str_t text, const char *what)
{
    hg_str_t line;
    bool inside = false;
    while (next_line(&text, &line)) {
        bool marker = hg_str_starts(line, HG_S("---"));
        if (inside && line.n) return marker ? (hg_str_t){ 0 } : line;
        if (marker)
            inside = memmem(line.p, line.n, "BEGIN", 5) != NULL && memmem(line.p, line.n, what, strlen(what)) != NULL;
    }
    return (hg_str_t){ 0 };
}

/* Three parts of base64url. What is in them is for the server. */
static bool is_jwt(hg_str_t s)
{
    unsigned dots = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c != '.' && !letter) return false;
        if (c == '.' && (i == 0 || s.p[i - 1] == '.')) return false;
        dots += c == '.';
    }
    return dots == 2 && s.p[s.n - 1] != '.';
}

int hg_nats_jwt(hg_str_t text, hg_nats_identity_t *id, hg_err_t *err)
{
    text = hg_str_trim(text);
    if (!is_jwt(text))
        return hg_err_set(err, HG_EINVALTRANSPORT, "it is not a JWT: three parts with dots between them");
    hg_buf_clear(&id->jwt);
    return hg_buf_addstr(&id->jwt, text) < 0 ? hg_err_set(err, HG_ENOMEM, "out of memory for a JWT") : 0;
}

int hg_nats_creds(hg_str_t text, hg_nats_identity_t *id, hg_err_t *err)
{
    hg_str_t jwt = block(text, "JWT"), seed = block(text, "SEED");
    if (!jwt.n) return hg_err_set(err, HG_EINVALTRANSPORT, "there is no line behind '-----BEGIN NATS USER JWT-----'");
    if (!seed.n) return hg_err_set(err, HG_EINVALTRANSPORT, "there is no line behind '-----BEGIN USER NKEY SEED-----'");
    int rc = hg_nats_jwt(jwt, id, err);
    if (rc < 0) return hg_err_wrap(err, "its JWT");
    rc = hg_nats_seed(seed, id->seed, err);
    if (rc < 0) return hg_err_wrap(err, "its seed");
    id->signs = true;
    return 0;
}

/* 0 or an errno. */
static int read_all(int fd, hg_buf_t *out)
{
    if (hg_buf_reserve(out, FILE_MAX) < 0) return ENOMEM; /* at once: no copy stays behind in freed memory */
    while (out->len < FILE_MAX) {
        ssize_t n = read(fd, out->p + out->len, FILE_MAX - out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) break;
        out->len += (size_t)n;
    }
    out->p[out->len] = 0;
    return out->len == FILE_MAX ? EFBIG : 0;
}

int hg_nats_creds_file(const char *path, hg_nats_identity_t *id, hg_err_t *err)
{
    struct stat st;
    hg_buf_t text;
    int rc = hg_access_path(path, err);
    if (rc < 0) return rc;
    int fd = hg_access_open(path, O_RDONLY | O_NONBLOCK, 0); /* a FIFO is refused, not waited for */
    if (fd < 0) return hg_err_errno(err, errno, "cannot open the credentials file '%s'", path);
    hg_buf_init(&text, FILE_MAX);
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    int why = regular ? read_all(fd, &text) : 0;
    close(fd);
    if (!regular)
        rc = hg_err_set(err, HG_EIO, "the credentials file '%s' is not a regular file", path);
    else if (why)
        rc = hg_err_errno(err, why, "cannot read the credentials file '%s'", path);
    else if ((rc = hg_nats_creds(hg_buf_str(&text), id, err)) < 0)
        hg_err_wrap(err, "the credentials file '%s'", path);
    if (text.len) explicit_bzero(text.p, text.len);
    hg_buf_release(&text);
    return rc;
}

/* --- signing --- */

static EVP_PKEY *key_of(const unsigned char seed[HG_NATS_SEED])
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, HG_NATS_SEED);
}

static int no_ed25519(hg_err_t *err)
{
    ERR_clear_error();
    return hg_err_set(err, HG_EUNSUPPORTED, "the system's OpenSSL does not sign with Ed25519, which NKeys need");
}

int hg_nats_public(const unsigned char seed[HG_NATS_SEED], char ret[HG_NATS_PUBLIC_TEXT], hg_err_t *err)
{
    unsigned char raw[RAW_PUBLIC] = { PREFIX_USER };
    size_t n = HG_NATS_SEED;
    EVP_PKEY *key = key_of(seed);
    bool ok = key && EVP_PKEY_get_raw_public_key(key, raw + 1, &n) == 1;
    EVP_PKEY_free(key);
    if (!ok) return no_ed25519(err);
    unsigned crc = crc16(raw, RAW_PUBLIC - 2);
    raw[RAW_PUBLIC - 2] = (unsigned char)crc;
    raw[RAW_PUBLIC - 1] = (unsigned char)(crc >> 8);
    base32_encode(raw, RAW_PUBLIC, ret);
    return 0;
}

int hg_nats_sign(const unsigned char seed[HG_NATS_SEED], hg_str_t text, char ret[HG_NATS_SIGNATURE_TEXT], hg_err_t *err)
{
    unsigned char raw[64], coded[89]; /* 64 bytes are 86 characters and two of padding */
    size_t n = sizeof raw;
    EVP_PKEY *key = key_of(seed);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = key && md && EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(md, raw, &n, (const unsigned char *)text.p, text.n) == 1 && n == sizeof raw;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    if (!ok) return no_ed25519(err);
    EVP_EncodeBlock(coded, raw, (int)sizeof raw);
    for (unsigned i = 0; i < HG_NATS_SIGNATURE_TEXT - 1; i++)
        ret[i] = (char)(coded[i] == '+' ? '-' : coded[i] == '/' ? '_' : coded[i]);
    ret[HG_NATS_SIGNATURE_TEXT - 1] = 0;
    return 0;
}

int hg_nats_login(const hg_nats_server_t *s, hg_str_t nonce, hg_jw_t *w, hg_err_t *err)
{
    const hg_nats_identity_t *id = &s->identity;
    char key[HG_NATS_PUBLIC_TEXT], signature[HG_NATS_SIGNATURE_TEXT];
    if (s->user.len) {
        hg_jw_kstr(w, "user", s->user.p);
        hg_jw_kstr(w, "pass", s->password.p);
    }
    if (s->token.len) hg_jw_kstr(w, "auth_token", s->token.p);
    if (id->jwt.len) hg_jw_kstr(w, "jwt", id->jwt.p);
    if (!id->signs) return 0;
    if (!nonce.n)
        return hg_err_set(err, HG_EPERM, "the server asks for no signature: it knows users by password or token only");
    int rc = id->jwt.len ? 0 : hg_nats_public(id->seed, key, err);
    if (rc == 0) rc = hg_nats_sign(id->seed, nonce, signature, err);
    if (rc < 0) return rc;
    if (!id->jwt.len) hg_jw_kstr(w, "nkey", key);
    hg_jw_kstr(w, "sig", signature);
    return 0;
}

void hg_nats_identity_release(hg_nats_identity_t *id)
{
    explicit_bzero(id->seed, sizeof id->seed);
    id->signs = false;
    hg_buf_release(&id->jwt);
}
