/* nats_answer.c: what a NATS server says in words: INFO and the answers of JetStream's API, which are JSON, and -ERR.
 * No I/O, no state: what nats_input.c makes of it stands there. */
#include "base/hg.h"
#include "connectors/transport/nats_int.h"

/* Of digits alone; *p: behind them. */
static unsigned version_part(const char **p)
{
    unsigned n = 0;
    for (; **p >= '0' && **p <= '9'; ++*p) n = HG_MIN(n * 10 + (unsigned)(**p - '0'), 9999u);
    return n;
}

int hg_nats_info(hg_arena_t *a, hg_str_t text, hg_nats_info_t *ret, hg_err_t *err)
{
    hg_json_t *v = NULL;
    int rc = hg_json_parse(a, text, &v, err);
    if (rc < 0) return hg_err_wrap(err, "the server introduces itself with what is no JSON");
    *ret = (hg_nats_info_t){ .nonce = hg_json_str(hg_json_get(v, "nonce"), ""),
                             .tls_required = hg_json_bool(hg_json_get(v, "tls_required"), false) };
    (void)hg_json_u64(hg_json_get(v, "max_payload"), &ret->max_payload);
    const char *version = hg_json_str(hg_json_get(v, "version"), "");
    ret->major = version_part(&version);
    if (*version++ == '.') ret->minor = version_part(&version);
    return 0;
}

int hg_nats_answer(hg_arena_t *a, hg_str_t text, const char *what, const hg_json_t **ret, hg_err_t *err)
{
    hg_json_t *v = NULL;
    uint64_t code = 0;
    int rc = hg_json_parse(a, text, &v, err);
    if (rc < 0) return hg_err_wrap(err, "%s: the server's answer is no JSON", what);
    *ret = v;
    const hg_json_t *e = hg_json_get(v, "error");
    if (!e || e->kind == HG_J_NULL) return 0;
    (void)hg_json_u64(hg_json_get(e, "code"), &code);
    const char *why = hg_json_str(hg_json_get(e, "description"), "no reason given");
    if (code == 404 || code >= 500) return hg_err_retry(err, HG_ENET, "%s: %s", what, why);
    return hg_err_set(err, HG_ENET, "%s: %s", what, why);
}

int hg_nats_stream_state(const hg_json_t *answer, const char *stream, hg_nats_state_t *ret, hg_err_t *err)
{
    const hg_json_t *state = hg_json_get(answer, "state");
    *ret = (hg_nats_state_t){ .created = hg_json_str(hg_json_get(answer, "created"), "") };
    if (hg_json_u64(hg_json_get(state, "first_seq"), &ret->first) < 0 ||
        hg_json_u64(hg_json_get(state, "last_seq"), &ret->last) < 0 || ret->last == UINT64_MAX ||
        strlen(ret->created) >= HG_NATS_CREATED)
        return hg_err_set(err, HG_EPROTO, "the server describes stream '%s' in another way than expected", stream);
    return 0;
}

int hg_nats_consumer_name(const hg_json_t *answer, const char **ret, hg_err_t *err)
{
    const char *name = hg_json_str(hg_json_get(answer, "name"), "");
    bool word = *name;
    for (const char *p = name; *p; p++) word &= (unsigned char)*p > ' ' && !strchr(".*>\x7f", *p);
    if (!word) return hg_err_set(err, HG_EPROTO, "the server has made a consumer whose name '%.40s' is none", name);
    *ret = name;
    return 0;
}

int hg_nats_complaint(hg_str_t text, hg_err_t *err)
{
    char said[200];
    snprintf(said, sizeof said, HG_SF, HG_SA(text));
    if (strcasestr(said, "expired") || strcasestr(said, "revoked")) /* newer credentials may be there by now */
        return hg_err_retry(err, HG_EPERM, "the server refuses: %s", said);
    if (strcasestr(said, "authorization") || strcasestr(said, "authentication") || strcasestr(said, "permissions"))
        return hg_err_set(err, HG_EPERM, "the server refuses: %s", said);
    return hg_err_retry(err, HG_ENET, "the server ends the connection: %s", said);
}
