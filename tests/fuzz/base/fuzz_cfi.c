/* Call frame information from bytes, .eh_frame_hdr first: nothing beyond it is read, whatever it says. Each function of
 * its table is asked for the rules at some of its places. */
#include "base/hg.h"
#include "base/cfi_int.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void look(const hg_cfi_t *obj, const hg_stack_t *stack, uintptr_t pc)
{
    hg_cfi_row_t row;
    hg_regs_t regs = { .pc = pc };
    uintptr_t cfa;
    for (unsigned i = 0; i < HG_REGS; i++) regs.r[i] = stack->at + 8 * i;
    if (!hg_cfi_row(obj, pc, &row)) return;
    HG_ASSERT(row.ra < HG_REGS && row.begin <= pc);
    hg_cfi_cfa(&row, &regs, stack, &cfa);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const uint8_t words[128];
    uint8_t *copy = hg_xnew(n); /* its end is where a sanitizer sees it */
    memcpy(copy, p, n);
    hg_cfi_t obj = { .lo = (uintptr_t)copy, .hi = (uintptr_t)copy + n, .hdr = (uintptr_t)copy };
    hg_stack_t stack = { .bytes = words, .at = (uintptr_t)words, .n = sizeof words };
    for (size_t i = 12; i + 8 <= n && i < 12 + 8 * 64; i += 8) {
        static const unsigned places[] = { 0, 1, 4, 5, 17, 60 };
        int32_t at;
        memcpy(&at, copy + i, sizeof at);
        for (size_t k = 0; k < HG_COUNT(places); k++) look(&obj, &stack, obj.hdr + (uintptr_t)at + places[k]);
    }
    hg_free(copy);
    return 0;
}
