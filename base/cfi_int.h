/* cfi_int.h: call frame information: for each place in a program's code, where its caller's registers are.
 *
 * Sources: DWARF 5 §6.4, Linux Standard Base "Exception Frames" (.eh_frame, .eh_frame_hdr). Async-signal-safe. Nothing
 * is believed: what is read lies in the object, and what is not understood is an answer of false. */
#ifndef HG_BASE_CFI_INT_H
#define HG_BASE_CFI_INT_H

#include "base/unwind.h"

/* A loaded object. Addresses; the information lies between lo and hi. */
typedef struct hg_cfi {
    uintptr_t lo, hi;
    uintptr_t hdr; /* of its .eh_frame_hdr */
} hg_cfi_t;

typedef enum {
    HG_CFI_SAME,  /* the caller's is what it is here; the default */
    HG_CFI_UNDEF, /* not known. For the return address: there is no caller */
    HG_CFI_SAVED, /* in memory, at CFA + off */
    HG_CFI_VALUE, /* CFA + off */
} hg_cfi_kind_t;

typedef struct hg_cfi_rule {
    int64_t off;
    hg_cfi_kind_t kind;
} hg_cfi_rule_t;

/* The rules at one place. CFA, the canonical frame address: what the stack pointer is in the caller. */
typedef struct hg_cfi_row {
    uint64_t cfa_reg;
    int64_t cfa_off;
    uintptr_t expr; /* not 0: the CFA is what this expression yields */
    size_t expr_len;
    uint64_t ra;     /* which column is the return address */
    uintptr_t begin; /* of the code that these rules are for: a function, or a part of one */
    hg_cfi_rule_t regs[HG_REGS];
} hg_cfi_row_t;

bool hg_cfi_row(const hg_cfi_t *obj, uintptr_t pc, hg_cfi_row_t *ret);
bool hg_cfi_cfa(const hg_cfi_row_t *row, const hg_regs_t *regs, const hg_stack_t *stack, uintptr_t *ret);

#endif
