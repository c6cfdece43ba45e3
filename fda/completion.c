/* completion.c: what bash and zsh complete, written from the tables of a command line (cli.h).
 *
 * A script has two parts. The first is the table as shell arrays, one `case` per command: sub-commands, options, what
 * values options and arguments take. The second walks the words of the line by it, as args.c does, and offers what may
 * stand at the cursor. A value is a list of words, `@file`, or `@pipeline`: names that the daemon is asked for, with a
 * short time-out, and silently none when it does not answer.
 */
#include "base/hg.h"
#include "fda/cli.h"

/* In single quotes. */
static void put_word(hg_buf_t *b, const char *s, size_t n)
{
    hg_buf_addc(b, '\'');
    for (size_t i = 0; i < n; i++)
        if (s[i] == '\'')
            hg_buf_adds(b, "'\\''");
        else
            hg_buf_addc(b, s[i]);
    hg_buf_addc(b, '\'');
}

static void put_described(hg_buf_t *b, const char *name, const char *doc)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%s:%.*s", name, (int)strcspn(doc, "\n"), doc);
    hg_buf_addc(b, ' ');
    put_word(b, text, HG_MIN((size_t)n, sizeof text - 1));
}

static bool has(const char *s, const char *word)
{
    return s && strstr(s, word) != NULL;
}

/* What stands there: the value of an option, or an argument. */
static const char *kind_of(const char *name, const char *values, const char *doc)
{
    if (values) return values;
    if (has(name, "PATH") || has(name, "FILE") || has(name, "CERT") || has(name, "UDF_") || has(name, "DIR") ||
        has(name, "OUTPUT") || has(name, "SOCKET"))
        return "@file";
    if (has(doc, "name of the pipeline")) return "@pipeline";
    return "";
}

static void put_options(hg_buf_t *b, const fda_opt_t *opts)
{
    char name[64];
    for (const fda_opt_t *o = opts; o && o->name; o++) {
        snprintf(name, sizeof name, "--%s", o->name);
        put_described(b, name, o->doc);
        if (!o->letter) continue;
        snprintf(name, sizeof name, "-%c", o->letter);
        put_described(b, name, o->doc);
    }
}

static void put_values(hg_buf_t *b, const fda_opt_t *opts)
{
    char text[512];
    for (const fda_opt_t *o = opts; o && o->name; o++) {
        if (!o->value) continue;
        const char *kind = kind_of(o->value, o->values, o->doc);
        int n = snprintf(text, sizeof text, "--%s=%s", o->name, kind);
        hg_buf_addc(b, ' ');
        put_word(b, text, HG_MIN((size_t)n, sizeof text - 1));
        if (!o->letter) continue;
        n = snprintf(text, sizeof text, "-%c=%s", o->letter, kind);
        hg_buf_addc(b, ' ');
        put_word(b, text, HG_MIN((size_t)n, sizeof text - 1));
    }
}

static void put_case(hg_buf_t *b, const char *path, const fda_cmd_t *c, bool is_root)
{
    hg_buf_addf(b, "    '%s')\n      subs=(", path);
    for (const fda_cmd_t *s = c->subs; s && s->name; s++)
        if (!s->hidden) put_described(b, s->name, s->doc);
    hg_buf_adds(b, " )\n      also=(");
    for (const fda_cmd_t *s = c->subs; s && s->name; s++)
        for (const char *p = s->aliases; p && *p; p += strcspn(p, "|"), p += *p == '|')
            hg_buf_addf(b, " '%.*s=%s'", (int)strcspn(p, "|"), p, s->name);
    hg_buf_adds(b, " )\n      opts=(");
    if (!is_root) put_options(b, c->opts);
    hg_buf_adds(b, " )\n      vals=(");
    if (!is_root) put_values(b, c->opts);
    hg_buf_adds(b, " )\n      args=(");
    for (const fda_pos_t *p = c->pos; p && p->name; p++) {
        const char *kind = kind_of(p->name, p->values, p->doc);
        hg_buf_addc(b, ' ');
        put_word(b, kind, strlen(kind));
    }
    hg_buf_adds(b, " ) ;;\n");
    for (const fda_cmd_t *s = c->subs; s && s->name; s++) {
        char sub[128];
        snprintf(sub, sizeof sub, "%s %s", path, s->name);
        if (!s->hidden) put_case(b, sub, s, false);
    }
}

/* The table, and the walk over the words before the cursor: it leaves subs, opts, vals, args, n (arguments given) and
 * prev (the option that wants a value, or nothing). Both shells read it; their arrays begin at 0 here. */
static void put_common(hg_buf_t *b, const fda_cmd_t *root)
{
    const char *name = root->name;
    hg_buf_addf(b, "__%s_spec() {\n  case \"$1\" in\n", name);
    put_case(b, name, root, true);
    hg_buf_addf(b, "  esac\n}\n\n__%s_walk() { # words before the cursor\n  local word v\n", name);
    hg_buf_adds(b, "  globals=( '--help:Print help' '-h:Print help'");
    put_options(b, root->opts);
    hg_buf_adds(b, " )\n  global_vals=(");
    put_values(b, root->opts);
    hg_buf_addf(
        b,
        " )\n"
        "  place=%s n=0 prev=\n"
        "  __%s_spec \"$place\"\n"
        "  for word in \"$@\"; do\n"
        "    if [ -n \"$prev\" ]; then prev=; continue; fi\n"
        "    case \"$word\" in\n"
        "    --*=*) continue ;;\n"
        "    -*)\n"
        "      for v in \"${vals[@]}\" \"${global_vals[@]}\"; do\n"
        "        if [ \"${v%%%%=*}\" = \"$word\" ]; then prev=$word; fi\n"
        "      done\n"
        "      continue ;;\n"
        "    esac\n"
        "    if [ \"$n\" -lt \"${#args[@]}\" ]; then n=$((n + 1)); continue; fi\n"
        "    for v in \"${also[@]}\"; do\n"
        "      if [ \"${v%%%%=*}\" = \"$word\" ]; then word=${v#*=}; fi\n"
        "    done\n"
        "    for v in \"${subs[@]}\"; do\n"
        "      if [ \"${v%%%%:*}\" = \"$word\" ]; then place=\"$place $word\" n=0; __%s_spec \"$place\"; break; fi\n"
        "    done\n"
        "  done\n"
        "}\n\n"
        "__%s_kind() { # of the value that stands at the cursor: of $prev, or the next argument\n"
        "  local v\n"
        "  kind=\n"
        "  if [ -n \"$prev\" ]; then\n"
        "    for v in \"${vals[@]}\" \"${global_vals[@]}\"; do\n"
        "      if [ \"${v%%%%=*}\" = \"$prev\" ]; then kind=${v#*=}; return; fi\n"
        "    done\n"
        "  elif [ \"$n\" -lt \"${#args[@]}\" ]; then\n"
        "    kind=${args[$n]}\n"
        "  fi\n"
        "}\n\n",
        name, name, name, name);
}

void fda_completion_bash(const fda_cmd_t *root, hg_buf_t *out)
{
    const char *name = root->name;
    hg_buf_addf(out, "# bash completion for %s; made by `%s completion bash`\n\n", name, name);
    put_common(out, root);
    hg_buf_addf(
        out,
        "_%s() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} subs=() also=() opts=() vals=() args=() globals=() global_vals=()\n"
        "  local place n prev kind all=()\n"
        "  COMPREPLY=()\n"
        "  __%s_walk \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"\n"
        "  __%s_kind\n"
        "  case \"$prev:$kind:$cur\" in\n"
        "  ::-*|:?*:-*) all=(\"${opts[@]%%%%:*}\" \"${globals[@]%%%%:*}\") ;;\n"
        "  *:@file:*) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
        "  *:@pipeline:*) mapfile -t all < <(\"$1\" --timeout 2 --retries 0 completion pipelines 2>/dev/null) ;;\n"
        "  *:?*:*) mapfile -t all < <(tr '|' '\\n' <<<\"$kind\") ;;\n"
        "  ::*) [ \"$n\" -lt \"${#args[@]}\" ] || all=(\"${subs[@]%%%%:*}\") ;;\n"
        "  esac\n"
        "  mapfile -t COMPREPLY < <(compgen -W \"${all[*]}\" -- \"$cur\")\n"
        "}\n"
        "complete -F _%s %s\n",
        name, name, name, name, name);
}

void fda_completion_zsh(const fda_cmd_t *root, hg_buf_t *out)
{
    const char *name = root->name;
    hg_buf_addf(out, "#compdef %s\n# zsh completion for %s; made by `%s completion zsh`\n\n", name, name, name);
    put_common(out, root);
    hg_buf_addf(out,
                "_%s() {\n"
                "  emulate -L zsh\n"
                "  setopt ksharrays\n"
                "  local -a subs also opts vals args globals global_vals all\n"
                "  local place n prev kind cur=${words[CURRENT-1]}\n"
                "  __%s_walk \"${(@)words[1,CURRENT-2]}\"\n"
                "  __%s_kind\n"
                "  unsetopt ksharrays\n"
                "  case \"$prev:$kind:$cur\" in\n"
                "  ::-*|:?*:-*) all=(\"${opts[@]}\" \"${globals[@]}\"); _describe -o option all ;;\n"
                "  *:@file:*) _files ;;\n"
                "  *:@pipeline:*) all=(${(f)\"$(${words[1]} --timeout 2 --retries 0 completion pipelines "
                "2>/dev/null)\"}); compadd -a all ;;\n"
                "  *:?*:*) all=(${(s:|:)kind}); compadd -a all ;;\n"
                "  ::*) (( n < ${#args} )) || _describe command subs ;;\n"
                "  esac\n"
                "}\n"
                "if [ \"${funcstack[1]}\" = _%s ]; then _%s \"$@\"; else compdef _%s %s; fi\n",
                name, name, name, name, name, name, name);
}
