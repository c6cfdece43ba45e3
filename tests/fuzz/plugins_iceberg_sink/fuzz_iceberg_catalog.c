/* What iceberg_sink hears from a catalog and its token service. The first line is what the user gives, seven words with
 * '|' between them ('-': not given): uri, warehouse, token, credential, scope, oauth2_server_uri, table. Each further
 * line is an answer: a status, a blank, the body; "lost" and "down" are requests without one, of which only the first
 * may be made again.
 *
 * Whatever it says, requests go where they were meant to, with headers of one line, no more often than the user's
 * patience allows; every failure has a sentence, and only a commit that is known to be done is called so. */
#include "base/hg.h"

#include "base/mem.h"
#include "plugins/sdk/http.h"

static int heard(hgp_instance_t *i, hgp_http_t *h, hg_fetch_t *f, hg_err_t *err);
static bool again(hgp_instance_t *i, const hgp_patience_t *p, uint32_t attempt, uint64_t asked_ms, const hg_err_t *err);

#define hgp_http_call heard
#define hgp_try_again again
#define ask           ask_token
#include "plugins/iceberg_sink/oauth.c"
#undef ask
#include "plugins/iceberg_sink/catalog.c"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define ATTEMPTS 3

static hg_str_t g_answers;
static uint32_t g_asked;

static hg_str_t until(hg_str_t *rest, char end)
{
    const char *at = rest->n ? memchr(rest->p, end, rest->n) : NULL;
    hg_str_t word = { rest->p, at ? (size_t)(at - rest->p) : rest->n };
    size_t step = word.n + (at != NULL);
    *rest = (hg_str_t){ rest->p + step, rest->n - step };
    return word;
}

static int heard(hgp_instance_t *i, hgp_http_t *h, hg_fetch_t *f, hg_err_t *err)
{
    (void)i;
    g_asked++;
    HG_ASSERT(strncmp(f->url, "http://", 7) == 0 || strncmp(f->url, "https://", 8) == 0);
    for (const char *const *header = f->headers; header && *header; header++)
        HG_ASSERT(strchr(*header, ':') && !strpbrk(*header, "\r\n"));
    hg_buf_clear(&h->answer);
    hg_str_t line = until(&g_answers, '\n'), status = until(&line, ' ');
    uint64_t number = 0;
    if (hg_str_eqz(status, "lost")) return hg_err_retry(err, HG_ENET, "nobody there");
    if (hg_str_u64(status, &number) < 0 || number < 100 || number > 999)
        return hg_err_set(err, HG_EPERM, "not to be reached");
    h->status = (int)number;
    hg_buf_addstr(&h->answer, line);
    return 0;
}

static bool again(hgp_instance_t *i, const hgp_patience_t *p, uint32_t attempt, uint64_t asked_ms, const hg_err_t *err)
{
    (void)i, (void)asked_ms;
    HG_ASSERT(err->code && err->msg[0]);
    return err->retry && attempt < p->max_attempts;
}

/* Each attempt is two requests at most, the second one where the token was refused, and each may want a token first. */
static void asked_for(uint32_t before, uint32_t attempts)
{
    HG_ASSERT(g_asked - before <= attempts * 4);
}

static void commit(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, const table_name_t *name)
{
    hgi_table_t *t;
    hg_err_t err;
    uint32_t before = g_asked;
    commit_t done = catalog_commit(i, h, c, name, HG_S("{}"), &t, &err);
    HG_ASSERT((done == COMMIT_DONE) == (err.code == 0) && (!err.code || err.msg[0]) && (!t || done == COMMIT_DONE));
    HG_ASSERT(done != COMMIT_DONE || (h->status >= 200 && h->status < 300));
    asked_for(before, 1);
    hgi_table_free(t);
}

static void use(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, const char *text)
{
    table_name_t name;
    hgi_table_t *t = NULL;
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(!catalog_says(c, "s3.endpoint", true) || *catalog_says(c, "s3.endpoint", true));
    if (catalog_name(c, i->arena, text, &name, &err) < 0) {
        HG_ASSERT(err.code == HG_EINVAL && err.msg[0]);
        return;
    }
    HG_ASSERT(name.n >= 1 && name.name[0] && strncmp(name.url, c->base, strlen(c->base)) == 0);
    uint32_t before = g_asked;
    if (catalog_load(i, h, c, &name, &t, &err) < 0)
        HG_ASSERT(!t && err.msg[0]);
    else
        HG_ASSERT(t);
    asked_for(before, ATTEMPTS);
    hgi_table_free(t);
    commit(i, h, c, &name);
    commit(i, h, c, &name);
}

static const char *word(hg_arena_t *a, hg_str_t *line)
{
    hg_str_t w = until(line, '|');
    return hg_str_eqz(w, "-") ? NULL : hg_arena_strndup(a, w.p, w.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hgp_instance_t i = { .arena = hg_arena_new() };
    hgp_http_t h;
    hg_err_t err = HG_ERR_INIT;
    catalog_t c = { .patience = { .max_attempts = ATTEMPTS }, .timeout_ms = 1 };
    hg_str_t first;
    g_answers = (hg_str_t){ (const char *)p, n };
    g_asked = 0;
    first = until(&g_answers, '\n');
    const char *uri = word(i.arena, &first), *warehouse = word(i.arena, &first), *token = word(i.arena, &first);
    const char *credential = word(i.arena, &first), *scope = word(i.arena, &first), *server = word(i.arena, &first);
    const char *table = word(i.arena, &first);
    const oauth_cfg_t who = {
        .token = token, .credential = credential, .scope = scope ? scope : "catalog", .server_uri = server
    };
    hgp_http_init(&h);
    if (uri) {
        int rc = catalog_open(&i, &h, &c, uri, warehouse, &who, &err);
        HG_ASSERT(rc == 0 || err.msg[0]);
        asked_for(0, ATTEMPTS);
        if (rc == 0) use(&i, &h, &c, table ? table : "");
        catalog_close(&c);
    }
    hgp_http_release(&h);
    hg_arena_free(i.arena);
    return 0;
}
