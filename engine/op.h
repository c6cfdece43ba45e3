/* op.h: the inside of an operator. One file per operator behind these functions; engine-internal.
 *
 * open(node, ctx) once; per step push(port, part) any number of times, then flush(step) → parts to the consumers;
 * close. State belongs to ctx, not to a thread: an ad-hoc query is mode ONCE on a pool thread with transient state.
 * Parts are at most 64 Ki rows or 2 MiB. A part is borrowed during push; an operator that keeps it retains it.
 */
#ifndef HG_ENGINE_OP_H
#define HG_ENGINE_OP_H

#include "engine/circuit.h"

typedef struct hg_op hg_op_inst_t;
/* Where an operator's output goes: takes the reference. */
typedef int (*hg_emit_fn)(void *arg, hg_part_t *part, hg_err_t *err);

typedef struct hg_op_type {
    const char *name;
    int (*open)(hg_op_inst_t *op, hg_err_t *err);
    int (*push)(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err);
    int (*flush)(hg_op_inst_t *op, const hg_step_t *step, hg_err_t *err);
    int64_t (*next_time)(hg_op_inst_t *op); /* NULL: never asks for a step by itself; INT64_MAX = none */
    void (*apply)(hg_op_inst_t *op);        /* staged writes go in; cannot fail. NULL: stateless */
    void (*discard)(hg_op_inst_t *op);      /* drop what was staged */
    void (*close)(hg_op_inst_t *op);
} hg_op_type_t;

struct hg_op {
    const hg_op_type_t *type;
    const hg_node_t *node;
    hg_emit_fn emit;
    void *emit_arg;
    void *state;
    size_t mem_limit; /* mode ONCE: bytes of transient state */
};

#endif
