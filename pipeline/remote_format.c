/* remote_format.c: see remote_format.h. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/remote_format.h"
#include "s3/s3.h"

#define HEAD        "headgate remote 1 "
#define DAY_US      ((int64_t)24 * 3600 * 1000000)
#define CHECKPOINTS "checkpoints/"
#define FILES       "files/"

static bool is_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'))) return false;
    return true;
}

bool hg_remote_is_uuid(hg_str_t s)
{
    static const unsigned parts[] = { 8, 4, 4, 4, 12 };
    if (s.n != 36) return false;
    for (size_t i = 0, at = 0; i < HG_COUNT(parts); at += parts[i++] + 1)
        if (!is_hex(s.p + at, parts[i]) || (at + parts[i] < 36 && s.p[at + parts[i]] != '-')) return false;
    return true;
}

int64_t hg_remote_uuid_us(const char *uuid)
{
    char ms[13];
    if (uuid[14] != '7') return 0;
    memcpy(ms, uuid, 8);
    memcpy(ms + 8, uuid + 9, 4);
    ms[12] = 0;
    return (int64_t)strtoull(ms, NULL, 16) * 1000;
}

/* --- names --- */

void hg_remote_place(const char *where, char **ret_bucket, char **ret_prefix)
{
    const char *slash = strchr(where, '/'), *folder = slash ? slash : "";
    while (*folder == '/') folder++;
    size_t n = strlen(folder);
    while (n && folder[n - 1] == '/') n--;
    *ret_bucket = hg_xstrndup(where, slash ? (size_t)(slash - where) : strlen(where));
    *ret_prefix = n ? hg_xprintf("%.*s/", (int)n, folder) : hg_xstrdup("");
}

char *hg_remote_desc_key(const char *prefix, const char *uuid)
{
    return hg_xprintf("%s" CHECKPOINTS "%s.json", prefix, uuid);
}

char *hg_remote_file_key(const char *prefix, const char *sha256)
{
    return hg_xprintf("%s" FILES "%s", prefix, sha256);
}

/* What follows prefix and folder, or NULL. */
static const char *behind(const char *key, const char *prefix, const char *folder)
{
    size_t n = strlen(prefix), k = strlen(folder);
    return strncmp(key, prefix, n) == 0 && strncmp(key + n, folder, k) == 0 ? key + n + k : NULL;
}

bool hg_remote_key_uuid(const char *prefix, const char *key, char ret[37])
{
    const char *name = behind(key, prefix, CHECKPOINTS);
    if (!name || strlen(name) != 41 || strcmp(name + 36, ".json") != 0 || !hg_remote_is_uuid((hg_str_t){ name, 36 }))
        return false;
    memcpy(ret, name, 36);
    ret[36] = 0;
    return true;
}

bool hg_remote_key_sha256(const char *prefix, const char *key, char ret[65])
{
    const char *name = behind(key, prefix, FILES);
    if (!name || strlen(name) != 64 || !is_hex(name, 64)) return false;
    memcpy(ret, name, 65);
    return true;
}

uint32_t hg_remote_expired(const char (*uuids)[37], uint32_t n, uint32_t keep_count, uint32_t keep_days, int64_t now_us)
{
    uint32_t keep = HG_MAX(keep_count, 1u), k = 0;
    while (k + keep < n) {
        int64_t at = hg_remote_uuid_us(uuids[k]);
        if (!at || now_us - at < (int64_t)keep_days * DAY_US) break;
        k++;
    }
    return k;
}

/* --- descriptions --- */

int hg_remote_desc_write(const hg_remote_desc_t *d, hg_buf_t *out)
{
    hg_buf_t body;
    hg_jw_t w;
    char sha[65];
    hg_buf_init(&body, HG_REMOTE_DESC_MAX - 256);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    hg_jw_ku64(&w, "format", HG_REMOTE_FORMAT);
    hg_jw_kstr(&w, "uuid", d->uuid);
    hg_jw_ku64(&w, "number", d->number);
    hg_jw_ku64(&w, "step", d->step);
    hg_jw_ki64(&w, "taken_us", d->taken_us);
    hg_jw_ku64(&w, "bytes", d->bytes);
    hg_jw_kstr(&w, "pipeline", d->pipeline);
    hg_jw_key(&w, "files");
    hg_jw_arr(&w);
    for (uint32_t i = 0; i < d->n_files; i++) {
        hg_jw_obj(&w);
        hg_jw_kstr(&w, "name", d->files[i].name);
        hg_jw_ku64(&w, "size", d->files[i].size);
        hg_jw_kstr(&w, "sha256", d->files[i].sha256);
        hg_jw_end_obj(&w);
    }
    hg_jw_end_arr(&w);
    hg_jw_end_obj(&w);
    int rc = w.rc;
    hg_s3_sha256(hg_buf_str(&body), sha);
    if (rc == 0) rc = hg_buf_addf(out, HEAD "%s %zu\n", sha, body.len);
    if (rc == 0) rc = hg_buf_addstr(out, hg_buf_str(&body));
    hg_buf_release(&body);
    return rc;
}

static int damaged(hg_err_t *err, const char *why)
{
    return hg_err_set(err, HG_EDAMAGED, "the description of the checkpoint is damaged: %s", why);
}

/* The rest behind the first line, which must be what that says. */
static int read_head(hg_str_t text, hg_str_t *ret_body, hg_err_t *err)
{
    char line[128], want[128], sha[65];
    const char *nl = text.n ? memchr(text.p, '\n', HG_MIN(text.n, sizeof line)) : NULL;
    if (!nl) return damaged(err, "it has no first line");
    size_t n = (size_t)(nl - text.p);
    memcpy(line, text.p, n);
    line[n] = 0;
    if (strncmp(line, HEAD, sizeof HEAD - 1) != 0)
        return damaged(err, "its first line is not that of a checkpoint of format 1");
    *ret_body = (hg_str_t){ nl + 1, text.n - n - 1 };
    hg_s3_sha256(*ret_body, sha);
    snprintf(want, sizeof want, HEAD "%s %zu", sha, ret_body->n);
    return strcmp(line, want) == 0 ? 0 : damaged(err, "its hash or length differs from what its first line says");
}

/* As storage.h lists them: nothing else may come into the folder. */
static bool is_file_name(const char *name)
{
    static const char *const kinds[][2] = { { "seg-", ".hgs" }, { "pack-", ".hgp" }, { "owed-", ".hgo" } };
    size_t n = strlen(name);
    if (n > 64 || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.")]) return false;
    for (size_t i = 0; i < HG_COUNT(kinds); i++)
        if (strncmp(name, kinds[i][0], strlen(kinds[i][0])) == 0 && n > 8 && strcmp(name + n - 4, kinds[i][1]) == 0)
            return strchr(name, '.') == name + n - 4;
    return false;
}

static int read_file(hg_arena_t *a, const hg_json_t *m, const char *manifest, hg_remote_file_t *ret, hg_err_t *err)
{
    const char *name = hg_json_str(hg_json_get(m, "name"), ""), *sha = hg_json_str(hg_json_get(m, "sha256"), "");
    if (manifest ? strcmp(name, manifest) != 0 : !is_file_name(name))
        return damaged(err, manifest ? "its last file is not the manifest" : "a file has a name that none can have");
    if (strlen(sha) != 64 || !is_hex(sha, 64)) return damaged(err, "a file has no SHA-256");
    if (hg_json_u64(hg_json_get(m, "size"), &ret->size) < 0) return damaged(err, "a file has no size");
    ret->name = hg_arena_strndup(a, name, strlen(name));
    memcpy(ret->sha256, sha, 65);
    return 0;
}

int hg_remote_desc_parse(hg_arena_t *a, hg_str_t text, const char *uuid, hg_remote_desc_t *ret, hg_err_t *err)
{
    hg_str_t body;
    hg_json_t *v = NULL;
    hg_remote_desc_t d = { .n_files = 0 };
    uint64_t format = 0;
    int rc = read_head(text, &body, err);
    if (rc < 0) return rc;
    if (hg_json_parse(a, body, &v, err) < 0) {
        err->code = HG_EDAMAGED;
        return hg_err_wrap(err, "the description of the checkpoint is damaged");
    }
    if (hg_json_u64(hg_json_get(v, "format"), &format) < 0 || format != HG_REMOTE_FORMAT)
        return damaged(err, "its format is unknown to this program");
    if (strcmp(hg_json_str(hg_json_get(v, "uuid"), ""), uuid) != 0) return damaged(err, "it is of another checkpoint");
    if (hg_json_u64(hg_json_get(v, "number"), &d.number) < 0 || hg_json_u64(hg_json_get(v, "step"), &d.step) < 0 ||
        hg_json_u64(hg_json_get(v, "bytes"), &d.bytes) < 0 || hg_json_i64(hg_json_get(v, "taken_us"), &d.taken_us) < 0)
        return damaged(err, "one of its numbers is missing");
    const hg_json_t *files = hg_json_get(v, "files");
    if (!files || files->kind != HG_J_ARRAY || files->n == 0 || files->n > HG_REMOTE_FILES_MAX)
        return damaged(err, "it has no list of files");
    char manifest[48];
    snprintf(manifest, sizeof manifest, "checkpoint-%010" PRIu64 ".json", d.number);
    d.files = HG_ANEWN(a, hg_remote_file_t, files->n);
    for (const hg_json_t *m = files->child; m; m = m->next) {
        rc = read_file(a, m, m->next ? NULL : manifest, &d.files[d.n_files], err);
        if (rc < 0) return rc;
        d.n_files++;
    }
    memcpy(d.uuid, uuid, 37);
    d.pipeline = hg_arena_printf(a, "%s", hg_json_str(hg_json_get(v, "pipeline"), ""));
    *ret = d;
    return 0;
}
