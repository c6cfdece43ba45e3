/* cmd_connector.c: one connector of a table or view: start, pause, stats, why. */
#include "base/hg.h"
#include "fda/fda_int.h"

#define LISTED 8u /* connectors named in a refusal */

/* The program knows its connectors by "relation.connector". */
int fda_find_connector(fda_t *f, const fda_args_t *a, bool *ret_input)
{
    const char *name = fda_arg(a, "NAME"), *relation = fda_relation(f, fda_arg(a, "RELATION_NAME")),
               *conn = fda_arg(a, "CONNECTOR_NAME");
    static const char *const maps[] = { "program_info.input_connectors", "program_info.output_connectors" };
    const char *names[256];
    const hg_json_t *p;
    unsigned n = 0;
    int rc = fda_pipeline(f, "Failed to get pipeline config", name, true, &p);
    if (rc) return rc;
    if (!fda_member(p, "program_info"))
        return fda_error("The program of pipeline '%s' is not compiled (program status: '%s')", name,
                         fda_text(p, "program_status", ""));
    hg_str_t key = hg_strz(hg_arena_printf(f->arena, "%s.%s", relation, conn));
    for (int i = 0; i < 2; i++) {
        const hg_json_t *map = fda_member(p, maps[i]);
        for (const hg_json_t *m = map ? map->child : NULL; m; m = m->next) {
            if (hg_str_eq(m->key, key)) {
                *ret_input = i == 0;
                return 0;
            }
            if (n < HG_COUNT(names) - 1) names[n++] = m->key.p;
        }
    }
    names[n] = NULL;
    const char *near = hg_nearest(key, names);
    if (near)
        return fda_error("No connector named %s found for relation %s in pipeline %s; did you mean '%s'?", conn,
                         relation, name, near);
    hg_buf_t list;
    hg_buf_init(&list, HG_BUF_NOMAX);
    for (unsigned i = 0; i < n && i < LISTED; i++) hg_buf_addf(&list, "%s%s", i ? ", " : "; it has ", names[i]);
    if (n > LISTED) hg_buf_addf(&list, " and %u more", n - LISTED);
    rc = fda_error("No connector named %s found for relation %s in pipeline %s%s", conn, relation, name,
                   n ? list.p : "; its program has no connectors");
    hg_buf_release(&list);
    return rc;
}

const char *fda_connector_path(fda_t *f, const fda_args_t *a, bool input, const char *action)
{
    const char *relation = fda_relation_segment(f, fda_relation(f, fda_arg(a, "RELATION_NAME")));
    return fda_path(f, "/v0/pipelines/%s/%s/%s/connectors/%s/%s", fda_arg(a, "NAME"), input ? "tables" : "views",
                    relation, fda_arg(a, "CONNECTOR_NAME"), action);
}

static int act(fda_t *f, const fda_args_t *a, const char *action, const char *done)
{
    bool input;
    int rc = fda_find_connector(f, a, &input);
    if (rc) return rc;
    const char *what = input ? "Failed to start or pause table connector" : "Failed to start or pause view connector";
    rc =
        fda_call(f, what, "POST", fda_connector_path(f, a, input, action), (hg_str_t){ 0 }, input ? 0 : FDA_ONCE, NULL);
    if (rc == 0)
        printf("%s %s connector %s %s successfully.\n", input ? "Table" : "View", fda_arg(a, "RELATION_NAME"),
               fda_arg(a, "CONNECTOR_NAME"), done);
    return rc;
}

int fda_cmd_connector_start(fda_t *f, const fda_args_t *a)
{
    return act(f, a, "start", "started");
}

int fda_cmd_connector_pause(fda_t *f, const fda_args_t *a)
{
    return act(f, a, "pause", "paused");
}

int fda_cmd_connector_stats(fda_t *f, const fda_args_t *a)
{
    bool input;
    const hg_json_t *v;
    int rc = fda_find_connector(f, a, &input);
    if (rc == 0)
        rc = fda_get(f, input ? "Failed to get table connector stats" : "Failed to get view connector stats",
                     fda_connector_path(f, a, input, "stats"), 0, &v);
    return rc ? rc : fda_print_value(f, v, FDA_SPREAD, false);
}

int fda_cmd_connector_why(fda_t *f, const fda_args_t *a)
{
    bool input = false;
    const hg_json_t *v;
    int rc = fda_find_connector(f, a, &input);
    if (rc) return rc;
    rc = fda_get(f, "Failed to ask why", fda_connector_path(f, a, input, "why"), 0, &v);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, v, FDA_ALIGNED, true);
    puts(fda_text(v, "text", ""));
    return 0;
}
