/* What the compiler's tests share: compile a text, show the outcome as text, compare. */
#ifndef TESTS_UNIT_COMPILE_KIT_H
#define TESTS_UNIT_COMPILE_KIT_H

#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/hg.h"
#include "base/mem.h"
#include "compile/compile.h"

/* "E 1:18-20 PRIMARY KEY cannot be nullable: PRIMARY KEY column …", one line per message; W for warnings. Notes follow
 * with "  note". */
static void kit_messages(const hg_program_t *p, hg_buf_t *b)
{
    for (uint32_t i = 0; i < p->n_msgs; i++) {
        const hg_msg_t *m = &p->msgs[i];
        hg_buf_addf(b, "%s %u:%u-", m->warning ? "W" : "E", m->pos.line, m->pos.col);
        if (m->pos.end_line != m->pos.line) hg_buf_addf(b, "%u:", m->pos.end_line);
        hg_buf_addf(b, "%u %s: %s\n", m->pos.end_col, m->error_type, m->message);
        if (m->note) hg_buf_addf(b, "  note %s\n", m->note);
    }
}

static bool kit_same(const char *what, const char *sql, const char *want, const hg_buf_t *got)
{
    if (strcmp(want, got->p) == 0) return true;
    printf("--- %s\n%s\n--- wanted\n%s--- got\n%s---\n", what, sql, want, got->p);
    return false;
}

typedef struct kit_case {
    const char *sql, *want;
} kit_case_t;

/* Every case is tried before the test fails. */
static void HG_UNUSED kit_check_messages(const kit_case_t *cases, size_t n, const hg_compile_opts_t *o)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        hg_program_t *p = hg_compile(hg_strz(cases[i].sql), o);
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        kit_messages(p, &b);
        bad += !kit_same("messages", cases[i].sql, cases[i].want, &b);
        bad += p->ok != (strncmp(cases[i].want, "E ", 2) != 0 && !strstr(cases[i].want, "\nE "));
        hg_buf_release(&b);
        hg_program_free(p);
    }
    assert_int_equal(bad, 0);
}

#endif
