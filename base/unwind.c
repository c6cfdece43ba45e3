/* unwind.c: see unwind.h. */
#include "base/hg.h"

#include <dlfcn.h>
#include <pthread.h>
#include <ucontext.h>

#include "base/cfi_int.h"
#include "base/unwind.h"

/* A word of the stack may be anything to a sanitizer: a red zone, somebody else's variable. */
__attribute__((no_sanitize("address"), no_sanitize("thread"))) bool hg_stack_peek(const hg_stack_t *s, uintptr_t a,
                                                                                  uintptr_t *ret)
{
    if (a < s->at || a - s->at >= s->n || s->n - (a - s->at) < sizeof *ret || a % sizeof *ret) return false;
    *ret = *(const uintptr_t *)(const void *)(s->bytes + (a - s->at));
    return true;
}

/* aarch64 may sign return addresses in the bits above those of addresses. */
static uintptr_t strip(uintptr_t pc)
{
#if defined(__aarch64__)
    return pc & (((uintptr_t)1 << 48) - 1);
#else
    return pc;
#endif
}

static bool find_row(uintptr_t pc, hg_cfi_row_t *ret)
{
    struct dl_find_object o;
    void *where;
    memcpy(&where, &pc, sizeof where);
    if (_dl_find_object(where, &o) != 0 || !o.dlfo_eh_frame) return false;
    hg_cfi_t obj = { .lo = (uintptr_t)o.dlfo_map_start,
                     .hi = (uintptr_t)o.dlfo_map_end,
                     .hdr = (uintptr_t)o.dlfo_eh_frame };
    return hg_cfi_row(&obj, pc, ret);
}

uintptr_t hg_function_begin(uintptr_t pc)
{
    hg_cfi_row_t row;
    return find_row(pc, &row) ? row.begin : 0;
}

/* From a frame to its caller's. look: where in the code it is, for the tables. */
static bool step(hg_regs_t *regs, const hg_stack_t *stack, uintptr_t look, bool first)
{
    hg_cfi_row_t row;
    uintptr_t cfa;
    if (!find_row(look, &row) || !hg_cfi_cfa(&row, regs, stack, &cfa)) return false;
    if (cfa < regs->r[HG_REG_SP] || (cfa == regs->r[HG_REG_SP] && !first)) return false; /* it would go on for ever */
    hg_regs_t next = *regs;
    for (unsigned i = 0; i < HG_REGS; i++) {
        const hg_cfi_rule_t *rule = &row.regs[i];
        if (rule->kind == HG_CFI_SAVED && !hg_stack_peek(stack, cfa + (uintptr_t)rule->off, &next.r[i])) return false;
        if (rule->kind == HG_CFI_VALUE) next.r[i] = cfa + (uintptr_t)rule->off;
        if (rule->kind == HG_CFI_UNDEF) next.r[i] = 0;
    }
    next.r[HG_REG_SP] = cfa;
    next.pc = strip(next.r[row.ra]);
    if (next.pc == 0 || next.pc == regs->pc) return false;
    *regs = next;
    return true;
}

unsigned hg_unwind(const hg_regs_t *regs, const hg_stack_t *stack, uintptr_t *pcs, unsigned room)
{
    hg_regs_t at = *regs;
    for (unsigned n = 0; n < room;) {
        /* A return address may be behind the end of its function, when that one calls what never returns. */
        uintptr_t look = n ? at.pc - 1 : at.pc;
        pcs[n++] = at.pc;
        if (!step(&at, stack, look, n == 1)) return n;
    }
    return room;
}

/* Where this thread's stack ends: the system is asked once a thread. 0: unknown. */
static uintptr_t stack_end(void)
{
    static _Thread_local uintptr_t end;
    pthread_attr_t attr;
    void *low;
    size_t n;
    if (end || pthread_getattr_np(pthread_self(), &attr) != 0) return end;
    if (pthread_attr_getstack(&attr, &low, &n) == 0) end = (uintptr_t)low + n;
    pthread_attr_destroy(&attr);
    return end;
}

__attribute__((noinline)) unsigned hg_unwind_here(uintptr_t *pcs, unsigned room)
{
    hg_regs_t regs = { .pc = 0 };
    uintptr_t *r = regs.r, end = stack_end(), frames[1 + 64];
#if defined(__x86_64__)
    __asm__ volatile("leaq 0(%%rip), %%rax\n\tmovq %%rax, (%0)\n\tmovq %%rbx, 32(%0)\n\tmovq %%rbp, 56(%0)\n\t"
                     "movq %%rsp, 64(%0)\n\tmovq %%r12, 104(%0)\n\tmovq %%r13, 112(%0)\n\tmovq %%r14, 120(%0)\n\t"
                     "movq %%r15, 128(%0)"
                     :
                     : "r"(&regs)
                     : "rax", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("adr x9, .\n\tstr x9, [%0]\n\tstp x19, x20, [%0, #160]\n\tstp x21, x22, [%0, #176]\n\t"
                     "stp x23, x24, [%0, #192]\n\tstp x25, x26, [%0, #208]\n\tstp x27, x28, [%0, #224]\n\t"
                     "stp x29, x30, [%0, #240]\n\tmov x9, sp\n\tstr x9, [%0, #256]"
                     :
                     : "r"(&regs)
                     : "x9", "memory");
#else
    return 0;
#endif
    uintptr_t sp = r[HG_REG_SP];
    hg_stack_t stack = { .bytes = (const uint8_t *)sp, .at = sp, .n = end > sp ? end - sp : 0 };
    unsigned n = hg_unwind(&regs, &stack, frames, HG_MIN(room, 64u) + 1);
    memcpy(pcs, frames + 1, (n - 1) * sizeof *pcs);
    return n - 1;
}

void hg_regs_interrupted(const void *ucontext, hg_regs_t *ret)
{
    *ret = (hg_regs_t){ .pc = 0 };
#if defined(__x86_64__)
    static const int dwarf[HG_REGS] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                        REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP };
    const ucontext_t *u = ucontext;
    for (unsigned i = 0; i < HG_REGS; i++) ret->r[i] = (uintptr_t)u->uc_mcontext.gregs[dwarf[i]];
    ret->pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    const ucontext_t *u = ucontext;
    for (unsigned i = 0; i < 31; i++) ret->r[i] = (uintptr_t)u->uc_mcontext.regs[i];
    ret->r[HG_REG_SP] = (uintptr_t)u->uc_mcontext.sp;
    ret->pc = (uintptr_t)u->uc_mcontext.pc;
#else
    (void)ucontext;
#endif
}
