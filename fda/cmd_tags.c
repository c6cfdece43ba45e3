/* cmd_tags.c: `tags` and `set-tags`.
 *
 * Feldera's clients keep a tag's colour in its text, "prod|ef4444", and take the name before it for the tag: a pipeline
 * has each name once, and a name that is given without a colour gets the one that it has elsewhere.
 */
#include "base/hg.h"
#include "fda/fda_int.h"

#define COLOUR 6 /* hex digits behind the last '|' */

static hg_str_t name_of(hg_str_t tag)
{
    if (tag.n <= COLOUR || tag.p[tag.n - COLOUR - 1] != '|') return tag;
    for (size_t i = tag.n - COLOUR; i < tag.n; i++)
        if (!strchr("0123456789abcdefABCDEF", tag.p[i])) return tag;
    return (hg_str_t){ tag.p, tag.n - COLOUR - 1 };
}

static int print_tags(fda_t *f, const hg_json_t *tags)
{
    if (f->format != FDA_TEXT) return tags ? fda_print_value(f, tags, FDA_ALIGNED, false) : 0;
    for (const hg_json_t *t = tags ? tags->child : NULL; t; t = t->next)
        printf(HG_SF "%s", HG_SA(name_of(t->str)), t->next ? "," : "");
    putchar('\n');
    return 0;
}

int fda_cmd_tags(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *p;
    int rc = fda_pipeline(f, "Failed to get pipeline tags", fda_arg(a, "NAME"), false, &p);
    return rc ? rc : print_tags(f, fda_member(p, "tags"));
}

/* --- setting --- */

static int compare(hg_str_t a, hg_str_t b)
{
    int c = memcmp(a.p, b.p, HG_MIN(a.n, b.n));
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_text(const void *a, const void *b)
{
    return compare(*(const hg_str_t *)a, *(const hg_str_t *)b);
}

/* The tag of this name on any pipeline, the first by text; else the tag itself. */
static hg_str_t with_colour(hg_str_t tag, const hg_json_t *pipelines)
{
    hg_str_t best = tag;
    bool found = false;
    for (const hg_json_t *p = pipelines->child; p; p = p->next) {
        const hg_json_t *tags = fda_member(p, "tags");
        for (const hg_json_t *t = tags ? tags->child : NULL; t; t = t->next) {
            if (!hg_str_eq(name_of(t->str), name_of(tag)) || (found && compare(t->str, best) >= 0)) continue;
            best = t->str;
            found = true;
        }
    }
    return best;
}

/* Each name once, the last one given; sorted. Returns how many. */
static size_t collect(const char *list, const hg_json_t *pipelines, hg_str_t *out)
{
    size_t n = 0;
    for (const char *p = list; *p;) {
        hg_str_t tag = { p, strcspn(p, ",") };
        p += tag.n + (p[tag.n] == ',');
        if (!tag.n) continue;
        tag = with_colour(tag, pipelines);
        size_t i = 0;
        while (i < n && !hg_str_eq(name_of(out[i]), name_of(tag))) i++;
        out[i] = tag;
        n += i == n;
    }
    qsort(out, n, sizeof *out, by_text);
    return n;
}

int fda_cmd_set_tags(fda_t *f, const fda_args_t *a)
{
    static const char what[] = "Failed to set pipeline tags";
    const char *list = fda_arg(a, "TAGS");
    const hg_json_t *pipelines;
    fda_answer_t ans;
    hg_buf_t body;
    hg_jw_t w;
    int rc = fda_get(f, "Failed to list pipelines", "/v0/pipelines?selector=status", 0, &pipelines);
    if (rc) return rc;
    if (!list) list = "";
    hg_str_t *tags = HG_ANEWN(f->arena, hg_str_t, strlen(list) + 1);
    size_t n = collect(list, pipelines, tags);
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    hg_jw_key(&w, "tags");
    hg_jw_arr(&w);
    for (size_t i = 0; i < n; i++) hg_jw_str(&w, tags[i]);
    hg_jw_end_arr(&w);
    hg_jw_end_obj(&w);
    rc = fda_call(f, what, "PATCH", fda_path(f, "/v0/pipelines/%s", fda_arg(a, "NAME")), hg_buf_str(&body), 0, &ans);
    hg_buf_release(&body);
    if (rc) return rc;
    if (f->format == FDA_TEXT) puts("Tags updated successfully.");
    return print_tags(f, fda_member(ans.json, "tags"));
}
