/* cmd_connectors.c: `headgate connectors [NAME]`: what is built in, from the option tables. With --config, or the
 * variable of the same meaning, it is the runtime (cmd_connectors_runtime.c). */
#include "base/hg.h"
#include "connectors/connector.h"
#include "connectors/format.h"
#include "headgate/cmd.h"

static void list_all(void)
{
    uint32_t n;
    const hg_input_type_t *const *in = hg_input_types(&n);
    printf("input transports:\n");
    for (uint32_t i = 0; i < n; i++)
        if (!(in[i]->caps & HG_CAP_INTERNAL)) printf("  %-16s %s\n", in[i]->name, in[i]->summary);
    const hg_output_type_t *const *out = hg_output_types(&n);
    printf("output transports:\n");
    for (uint32_t i = 0; i < n; i++)
        if (!out[i]->internal) printf("  %-16s %s\n", out[i]->name, out[i]->summary);
    const hg_format_type_t *const *f = hg_formats(&n);
    printf("formats:\n");
    for (uint32_t i = 0; i < n; i++) printf("  %-16s %s\n", f[i]->name, f[i]->summary);
}

static bool print_one(hg_str_t name)
{
    const hg_input_type_t *in = hg_input_type_find(name);
    const hg_output_type_t *out = hg_output_type_find(name);
    const hg_format_type_t *f = hg_format_find(name);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (in) hg_buf_addf(&b, "# %s\n\n%s\n\n", in->name, in->summary), hg_opts_doc(in->opts, &b);
    if (in && in->position_doc) hg_buf_addf(&b, "\nPosition: %s\n", in->position_doc);
    if (out) hg_buf_addf(&b, "# %s\n\n%s\n\n", out->name, out->summary), hg_opts_doc(out->opts, &b);
    if (f) hg_buf_addf(&b, "# %s\n\n%s\n", f->name, f->summary);
    if (f && f->in_opts) hg_buf_adds(&b, "\n## Input\n\n"), hg_opts_doc(f->in_opts, &b);
    if (f && f->out_opts) hg_buf_adds(&b, "\n## Output\n\n"), hg_opts_doc(f->out_opts, &b);
    fwrite(b.p, 1, b.len, stdout);
    hg_buf_release(&b);
    return in || out || f;
}

/* Who comes from Apache Iggy's runtime has named the file so, maybe in a file of variables. */
static bool named_by_environment(void)
{
    const char *path = getenv("IGGY_CONNECTORS_CONFIG_PATH"), *env = getenv("IGGY_CONNECTORS_ENV_PATH");
    return (path && *path) || (env && *env);
}

int hg_cmd_connectors(const fda_args_t *a)
{
    const char *name = fda_arg(a, "NAME"), *config = fda_option(a, "config");
    if (!name && (config || named_by_environment())) return hg_cmd_connectors_runtime(config, fda_flag(a, "check"));
    if (config || fda_flag(a, "check")) {
        fprintf(stderr, "headgate: %s\n",
                config ? "--config and NAME are two different commands"
                       : "--check needs --config CONFIG_PATH, or IGGY_CONNECTORS_CONFIG_PATH");
        return 2;
    }
    if (!name) {
        list_all();
        return 0;
    }
    if (print_one(hg_strz(name))) return 0;
    fprintf(stderr, "headgate: no transport or format is called '%s'; `headgate connectors` lists them\n", name);
    return 1;
}
