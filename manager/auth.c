/* auth.c: who asks, and what they may do.
 *
 * Without authentication every request acts as admin of the one tenant. With it (serve --auth keys) a request below
 * /v0 needs `Authorization: Bearer apikey:…`: a key made through the API (role read or write), or the admin key that
 * stands in DATA/admin-key, readable by the daemon's user only and made at the first start: whoever can read the data
 * directory can do anything anyway. Of a key only its SHA-256 is stored or compared; 128 random characters need no
 * salt, and a digest found by its value tells a listener with a clock nothing about the key. Control loop.
 */
#include "base/hg.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/durable.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/access_int.h"

#define ADMIN_FILE "admin-key"
#define KEY_PREFIX "apikey:"
#define KEY_MAX    ((size_t)1024)
#define SCHEME     "Bearer "

static const char *const role_names[] = { "read", "write", "admin" };

const char *hg_role_name(hg_role_t role)
{
    return role_names[role];
}

void hg_key_make(char out[HG_KEY_CAP])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t n = sizeof KEY_PREFIX - 1, end = HG_KEY_CAP - 1;
    memcpy(out, KEY_PREFIX, n);
    while (n < end) {
        uint8_t raw[64];
        hg_random(raw, sizeof raw);
        for (size_t i = 0; i < sizeof raw && n < end; i++)
            if (raw[i] < 248) out[n++] = letters[raw[i] % 62]; /* 248 = 4 x 62: every letter is equally likely */
    }
    out[n] = 0;
}

void hg_key_hash(hg_str_t key, uint8_t out[HG_KEY_HASH])
{
    unsigned n = 0;
    unsigned char hash[EVP_MAX_MD_SIZE];
    HG_ASSERT(EVP_Digest(key.p, key.n, hash, &n, EVP_sha256(), NULL) == 1 && n == HG_KEY_HASH);
    memcpy(out, hash, HG_KEY_HASH);
}

/* --- the admin key --- */

static int make_admin_key(const char *path, hg_buf_t *key, hg_err_t *err)
{
    char text[HG_KEY_CAP + 1];
    hg_key_make(text);
    hg_buf_clear(key);
    hg_buf_adds(key, text);
    text[HG_KEY_CAP - 1] = '\n';
    int rc = hg_file_replace(path, (hg_str_t){ text, HG_KEY_CAP }, "admin_key", err);
    explicit_bzero(text, sizeof text);
    return rc;
}

int hg_auth_open(hg_mg_t *mg, hg_err_t *err)
{
    char *path = hg_xprintf("%s/" ADMIN_FILE, mg->dir);
    hg_buf_t key;
    hg_buf_init(&key, KEY_MAX);
    int rc = hg_file_read(path, &key, err);
    if (rc == HG_ENOTFOUND) {
        *err = HG_ERR_INIT;
        rc = make_admin_key(path, &key, err);
        if (rc == 0) hg_log(HG_LOG_WARN, "manager", NULL, "admin_key_created", "file=\"%s\"", path);
    }
    hg_str_t text = hg_str_trim(hg_buf_str(&key));
    if (rc == 0 && (!hg_str_starts(text, HG_S(KEY_PREFIX)) || text.n < HG_KEY_CAP - 1))
        rc = hg_err_set(err, HG_EINVAL,
                        "'%s' holds no admin key: expected '" KEY_PREFIX
                        "' and at least 128 characters; remove the file to have a new one made",
                        path);
    if (rc == 0) hg_key_hash(text, mg->admin_hash);
    if (key.p) explicit_bzero(key.p, key.len);
    hg_buf_release(&key);
    hg_free(path);
    return rc;
}

/* --- requests --- */

static void refuse(hg_req_t *r, const char *why)
{
    hg_reply_error_with(r, 401, "InvalidApiKey", NULL, "WWW-Authenticate: Bearer\r\n", "%s", why);
}

static void on_role(void *arg, const hg_apikey_t *key)
{
    *(hg_role_t *)arg = !strcmp(key->role, "write") ? HG_ROLE_WRITE : HG_ROLE_READ;
}

bool hg_auth_check(hg_mg_t *mg, hg_req_t *r, hg_role_t *ret)
{
    hg_err_t err = HG_ERR_INIT;
    uint8_t hash[HG_KEY_HASH];
    *ret = HG_ROLE_ADMIN;
    if (!mg->auth) return true;
    hg_str_t h = hg_req_header(r, "Authorization");
    if (!h.p) {
        refuse(r, "This daemon wants an API key: send the header 'Authorization: Bearer apikey:…'");
        return false;
    }
    size_t n = sizeof SCHEME - 1;
    if (h.n < n || strncasecmp(h.p, SCHEME, n) != 0) {
        refuse(r, "The header 'Authorization' must be 'Bearer apikey:…'");
        return false;
    }
    hg_str_t key = hg_str_trim((hg_str_t){ h.p + n, h.n - n });
    hg_key_hash(key, hash);
    if (CRYPTO_memcmp(hash, mg->admin_hash, sizeof hash) == 0) return true;
    int found = hg_store_apikey_find(mg->store, hash, sizeof hash, on_role, ret, &err);
    if (found < 0)
        hg_reply_error(r, 500, "StorageError", NULL, "%s", err.msg);
    else if (found == 0)
        refuse(r, "Unknown API key: it was deleted, or never made here");
    return found > 0;
}

bool hg_auth_allow(hg_call_t *c, hg_role_t required)
{
    if (c->role >= required) return true;
    char details[64];
    snprintf(details, sizeof details, "{\"required\":\"%s\",\"actual\":\"%s\"}", role_names[required],
             role_names[c->role]);
    hg_reply_error(c->r, 403, "InsufficientPermissions", details, "This call needs the role '%s'; the API key has '%s'",
                   role_names[required], role_names[c->role]);
    return false;
}
