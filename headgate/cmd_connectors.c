/* cmd_connectors.c: `headgate connectors [NAME]`: what is built in, from the option tables. */
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

int hg_cmd_connectors(int argc, char **argv)
{
    if (argc == 1) {
        list_all();
        return 0;
    }
    if (argc != 2 || argv[1][0] == '-') {
        FILE *f = argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr;
        fprintf(f, "usage: headgate connectors [NAME]\n");
        return f == stdout ? 0 : 2;
    }
    if (print_one(hg_strz(argv[1]))) return 0;
    fprintf(stderr, "headgate: no transport or format is called '%s'; `headgate connectors` lists them\n", argv[1]);
    return 1;
}
