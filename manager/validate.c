/* validate.c: names, descriptions and tags. The order of complaints is Feldera's: empty, too long, pattern. */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/config_int.h"

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static const hg_verdict_t fine = { .answer = HG_DO_IT, .status = 200 };

enum { SHOWN = 120 }; /* bytes of a name in a message */

/* The value as a JSON literal that is short enough for a verdict. */
static void quoted(char *out, size_t cap, hg_str_t s)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_json_quote(&b, s);
    snprintf(out, cap, "%s", b.len < cap ? b.p : "\"(too long)\"");
    hg_buf_release(&b);
}

static hg_verdict_t check_length(hg_str_t name, size_t max)
{
    if (name.n == 0) return hg_lc_refuse(400, "EmptyName", "Name is empty");
    if (name.n <= max) return fine;
    hg_verdict_t v =
        hg_lc_refuse(400, "TooLongName", "Name '%.*s' is too long: %zu characters, at most %zu are allowed",
                     (int)HG_MIN(name.n, (size_t)SHOWN), name.p, name.n, max);
    char lit[200];
    quoted(lit, sizeof lit, name);
    snprintf(v.details, sizeof v.details, "{\"name\":%s,\"length\":%zu,\"maximum\":%zu}", lit, name.n, max);
    return v;
}

static hg_verdict_t mismatch(hg_str_t name, const char *pattern, const char *description)
{
    hg_verdict_t v = hg_lc_refuse(400, "NameDoesNotMatchPattern", "Name '%.*s' is not allowed: %s (%s)",
                                  (int)HG_MIN(name.n, (size_t)SHOWN), name.p, description, pattern);
    char lit[160];
    quoted(lit, sizeof lit, name);
    snprintf(v.details, sizeof v.details, "{\"name\":%s,\"pattern\":\"%s\",\"pattern_description\":\"%s\"}", lit,
             pattern, description);
    return v;
}

hg_verdict_t hg_check_name(hg_str_t name)
{
    hg_verdict_t v = check_length(name, HG_NAME_MAX);
    if (v.answer == HG_REFUSE) return v;
    bool ok = is_alnum(name.p[0]) && is_alnum(name.p[name.n - 1]);
    for (size_t i = 0; ok && i < name.n; i++) ok = is_alnum(name.p[i]) || name.p[i] == '-' || name.p[i] == '_';
    return ok ? fine
              : mismatch(name, "^([A-Za-z0-9][-A-Za-z0-9_]*)?[A-Za-z0-9]$",
                         "letters, digits, '-' and '_', the first and the last one a letter or digit");
}

hg_verdict_t hg_check_key_name(hg_str_t name)
{
    hg_verdict_t v = check_length(name, HG_KEY_NAME_MAX);
    if (v.answer == HG_REFUSE) return v;
    bool ok = true;
    for (size_t i = 0; ok && i < name.n; i++) ok = is_alnum(name.p[i]) || name.p[i] == '-' || name.p[i] == '_';
    return ok ? fine : mismatch(name, "^[a-zA-Z0-9_-]+$", "letters, digits, '-' and '_'");
}

hg_verdict_t hg_check_description(hg_str_t text)
{
    size_t n = hg_utf8_valid(text.p, text.n) ? hg_utf8_chars(text.p, text.n) : text.n;
    if (n <= HG_DESCRIPTION_MAX) return fine;
    hg_verdict_t v = hg_lc_refuse(400, "TooLongDescription",
                                  "The description has %zu characters, at most %d are allowed", n, HG_DESCRIPTION_MAX);
    snprintf(v.details, sizeof v.details, "{\"length\":%zu,\"maximum\":%d}", n, HG_DESCRIPTION_MAX);
    return v;
}

static hg_verdict_t bad_tag(hg_str_t tag, const char *reason)
{
    hg_verdict_t v = hg_lc_refuse(400, "InvalidTag", "Tag '%.100s' is not allowed: %s", tag.p, reason);
    char lit[200];
    quoted(lit, sizeof lit, tag);
    snprintf(v.details, sizeof v.details, "{\"tag\":%s,\"reason\":\"%s\"}", lit, reason);
    return v;
}

hg_verdict_t hg_check_tags(const hg_json_t *tags)
{
    if (tags->n > HG_TAGS_MAX) {
        hg_verdict_t v =
            hg_lc_refuse(400, "TooManyTags", "%u tags were given, at most %d are allowed", tags->n, HG_TAGS_MAX);
        snprintf(v.details, sizeof v.details, "{\"count\":%u,\"maximum\":%d}", tags->n, HG_TAGS_MAX);
        return v;
    }
    for (const hg_json_t *t = tags->child; t; t = t->next) {
        if (t->str.n == 0) return bad_tag(t->str, "it is empty");
        if (t->str.n > HG_TAG_MAX) return bad_tag(t->str, "it is longer than 50 characters");
        for (size_t i = 0; i < t->str.n; i++)
            if (!is_alnum(t->str.p[i]) && !memchr(" ._/|\\:=-", t->str.p[i], 9))
                return bad_tag(t->str, "only letters, digits, blanks and . _ / | : = - and the backslash are allowed");
    }
    return fine;
}
