/* unwind.h: who has called: the return addresses on a thread's stack.
 *
 * A walk goes by the call frame information that every object carries for exceptions, so neither we nor any library
 * need frame pointers. It is async-signal-safe, and it reads of the stack only what it is given: information that is
 * wrong ends the walk. x86-64 and aarch64; on other machines a walk has its first frame alone.
 */
#ifndef HG_BASE_UNWIND_H
#define HG_BASE_UNWIND_H

#include "base/hg.h"

#if defined(__aarch64__)
#define HG_REGS     32 /* x0 … x30, sp: DWARF's numbers */
#define HG_REG_SP   31
#define HG_RED_ZONE 0u
#else
#define HG_REGS     17 /* rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 … r15, return address */
#define HG_REG_SP   7
#define HG_RED_ZONE 128u /* bytes below the stack pointer that no signal overwrites */
#endif

typedef struct hg_regs {
    uintptr_t pc;
    uintptr_t r[HG_REGS];
} hg_regs_t;

/* The part of a stack that may be read: n bytes, which on the stack are (or were) at address `at`. */
typedef struct hg_stack {
    const uint8_t *bytes;
    uintptr_t at;
    size_t n;
} hg_stack_t;

/* The word at address a. false: it is not (all) there, or a is not the address of a word. */
bool hg_stack_peek(const hg_stack_t *s, uintptr_t a, uintptr_t *ret);

/* Up to room addresses: regs->pc, then the return addresses of its callers. How many. The stack begins HG_RED_ZONE
 * below regs' stack pointer where regs are those of an interrupted function: a function that is about to return has
 * taken its registers back already, and its call frame information still names the places that they had, which are
 * below the stack pointer by then. */
unsigned hg_unwind(const hg_regs_t *regs, const hg_stack_t *stack, uintptr_t *pcs, unsigned room);

/* The same for the caller and its callers, at most 64. Not in signal handlers: it asks the C library where the stack
 * ends. */
unsigned hg_unwind_here(uintptr_t *pcs, unsigned room);

/* Where the function that has pc begins, as its call frame information has it. 0: not known. */
uintptr_t hg_function_begin(uintptr_t pc);

/* The registers that a signal handler has interrupted: its third argument. */
void hg_regs_interrupted(const void *ucontext, hg_regs_t *ret);

#endif
