/* Any bytes as a program: a tree whose every node can be touched, or a refusal with a sentence and a place. */
#include "base/hg.h"
#include "sqlddl/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_arena_t *a = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    const hg_ast_stmt_t *stmts;
    uint32_t n_stmts;
    hg_str_t text = { (const char *)p, n };
    if (hg_sql_parse(a, text, &stmts, &n_stmts, &err) == 0) {
        hg_ast_visit(stmts, n_stmts);
        for (uint32_t j = 0; j < n_stmts; j++)
            for (uint32_t i = 0; i < stmts[j].n_props; i++) {
                const hg_tok_t *v = stmts[j].props[i].value;
                for (uint32_t k = 0; k <= v->text.n && k < 64; k++) {
                    hg_pos_t pos = hg_tok_string_pos(text, v, k, 1);
                    HG_ASSERT(pos.line > 0 && pos.off >= v->off && pos.off < v->off + v->len);
                }
            }
    } else {
        HG_ASSERT(err.pos.line > 0 && err.pos.col > 0 && err.msg[0]);
    }
    hg_arena_free(a);
    return 0;
}
