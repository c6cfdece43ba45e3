/* cfi.c: see cfi_int.h. The table in .eh_frame_hdr leads to the entry (FDE) of a function, which names what it has in
 * common with others (CIE); both hold a small program whose rows are the rules. */
#include "base/hg.h"

#include "base/cfi_int.h"

#define SAVED_ROWS 4 /* remember_state within each other: compilers use one */

/* How .eh_frame writes addresses: the lower half says how wide, the upper relative to what. */
enum { ENC_ABS = 0x00, ENC_ULEB = 0x01, ENC_U2 = 0x02, ENC_U4 = 0x03, ENC_U8 = 0x04, ENC_S2 = 0x0a, ENC_S4 = 0x0b };
enum { ENC_S8 = 0x0c, ENC_PCREL = 0x10, ENC_DATAREL = 0x30, ENC_INDIRECT = 0x80, ENC_OMIT = 0xff };

typedef struct reader {
    const uint8_t *p, *end;
    bool bad; /* went beyond the end: what was read since is 0 */
} reader_t;

static const uint8_t *at(uintptr_t a)
{
    return (const uint8_t *)a; /* NOLINT(performance-no-int-to-ptr): addresses are what this is about */
}

/* Of the object, from a on; of no more than n bytes. */
static reader_t reader(const hg_cfi_t *obj, uintptr_t a, size_t n)
{
    if (a < obj->lo || a >= obj->hi) return (reader_t){ .bad = true };
    return (reader_t){ .p = at(a), .end = at(a + HG_MIN(n, obj->hi - a)) };
}

static bool take(reader_t *r, void *to, size_t n)
{
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        memset(to, 0, n);
        return false;
    }
    memcpy(to, r->p, n);
    r->p += n;
    return true;
}

#define TAKE(name, type)                                                                                               \
    static type name(reader_t *r)                                                                                      \
    {                                                                                                                  \
        type v;                                                                                                        \
        take(r, &v, sizeof v);                                                                                         \
        return v;                                                                                                      \
    }
TAKE(take8, uint8_t)
TAKE(take16, uint16_t)
TAKE(take32, uint32_t)
TAKE(take64, uint64_t)

static uint64_t take_uleb(reader_t *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t b = take8(r);
        if (shift < 64) v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
}

static int64_t take_sleb(reader_t *r)
{
    uint64_t v = 0;
    uint8_t b;
    unsigned shift = 0;
    do {
        b = take8(r);
        if (shift < 64) v |= (uint64_t)(b & 0x7f) << shift;
        shift += 7;
    } while (b & 0x80);
    if (shift < 64 && (b & 0x40)) v |= ~(uint64_t)0 << shift;
    return (int64_t)v;
}

static void skip(reader_t *r, uint64_t n)
{
    if (r->bad || n > (uint64_t)(r->end - r->p))
        r->bad = true;
    else
        r->p += n;
}

static uint64_t take_address(reader_t *r, uint8_t enc, uintptr_t data)
{
    uint64_t base = (enc & 0x70) == ENC_PCREL ? (uintptr_t)r->p : (enc & 0x70) == ENC_DATAREL ? data : 0, v = 0;
    if ((enc & ENC_INDIRECT) || ((enc & 0x70) && (enc & 0x70) != ENC_PCREL && (enc & 0x70) != ENC_DATAREL))
        r->bad = true;
    else if ((enc & 0x0f) == ENC_ABS || (enc & 0x0f) == ENC_U8 || (enc & 0x0f) == ENC_S8)
        v = take64(r);
    else if ((enc & 0x0f) == ENC_U2)
        v = take16(r);
    else if ((enc & 0x0f) == ENC_S2)
        v = (uint64_t)(int16_t)take16(r);
    else if ((enc & 0x0f) == ENC_U4)
        v = take32(r);
    else if ((enc & 0x0f) == ENC_S4)
        v = (uint64_t)(int32_t)take32(r);
    else if ((enc & 0x0f) == ENC_ULEB)
        v = take_uleb(r);
    else
        r->bad = true;
    return base + v;
}

/* --- finding the entry --- */

/* The table has pairs of 32-bit numbers relative to the header, sorted: where a function begins, and its FDE. */
static bool find_fde(const hg_cfi_t *obj, uintptr_t pc, uintptr_t *ret)
{
    reader_t r = reader(obj, obj->hdr, SIZE_MAX);
    uint8_t version = take8(&r), frame = take8(&r), count = take8(&r), table = take8(&r);
    if (version != 1 || count != ENC_U4 || table != (ENC_DATAREL | ENC_S4)) return false;
    take_address(&r, frame, obj->hdr);
    uint32_t n = take32(&r);
    if (r.bad || n == 0 || n > (size_t)(r.end - r.p) / 8) return false;
    size_t lo = 0, hi = n; /* the last one that begins at or before pc is in lo … hi-1 */
    int32_t pair[2];
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        memcpy(pair, r.p + mid * 8, sizeof pair);
        if (obj->hdr + (uintptr_t)pair[0] > pc)
            hi = mid;
        else
            lo = mid;
    }
    memcpy(pair, r.p + lo * 8, sizeof pair);
    *ret = obj->hdr + (uintptr_t)pair[1];
    return true;
}

/* --- entries --- */

typedef struct cie {
    uint64_t code_align, ra;
    int64_t data_align;
    uint8_t enc;
    bool sized; /* its FDEs have augmentation data, after its length */
    reader_t program;
} cie_t;

/* The entry at a: a reader of what is behind its length. */
static reader_t entry(const hg_cfi_t *obj, uintptr_t a)
{
    reader_t r = reader(obj, a, SIZE_MAX);
    uint32_t n = take32(&r);
    if (!r.bad && n < 0xfffffff0) return reader(obj, (uintptr_t)r.p, n);
    return (reader_t){ .bad = true };
}

static bool read_cie(const hg_cfi_t *obj, uintptr_t a, cie_t *ret)
{
    reader_t r = entry(obj, a);
    uint32_t id = take32(&r);
    uint8_t version = take8(&r);
    char aug[8] = "";
    size_t n = 0;
    while ((aug[n] = (char)take8(&r)))
        if (++n == sizeof aug) return false;
    if (r.bad || id != 0 || (version != 1 && version != 3) || (n && aug[0] != 'z')) return false;
    *ret = (cie_t){ .code_align = take_uleb(&r), .data_align = take_sleb(&r), .sized = n > 0 };
    ret->ra = version == 1 ? take8(&r) : take_uleb(&r);
    uint64_t size = n ? take_uleb(&r) : 0;
    ret->program = r;
    skip(&ret->program, size);
    for (size_t i = 1; i < n; i++) {
        if (aug[i] == 'R')
            ret->enc = take8(&r);
        else if (aug[i] == 'L')
            take8(&r);
        else if (aug[i] == 'P') {
            uint8_t enc = take8(&r) & 0x7f; /* of whose function is no matter */
            take_address(&r, enc, 0);
        } else if (aug[i] != 'S' && aug[i] != 'B')
            return false;
    }
    return !r.bad && !ret->program.bad && ret->ra < HG_REGS;
}

/* --- the program --- */

typedef struct machine {
    const cie_t *cie;
    uintptr_t loc, pc; /* of the row; that is asked for */
    hg_cfi_row_t row;
    const hg_cfi_row_t *initial; /* after the CIE's program; NULL: that one runs */
    hg_cfi_row_t saved[SAVED_ROWS];
    unsigned n_saved;
} machine_t;

static void set(machine_t *m, reader_t *r, uint64_t reg, hg_cfi_kind_t kind, int64_t off)
{
    if (reg >= HG_REGS) return; /* vector registers: nobody asks for them */
    if (r->bad) return;
    m->row.regs[reg] = (hg_cfi_rule_t){ .kind = kind, .off = off };
}

static void restore(machine_t *m, reader_t *r, uint64_t reg)
{
    if (!m->initial)
        r->bad = true;
    else if (reg < HG_REGS)
        m->row.regs[reg] = m->initial->regs[reg];
}

static int64_t scaled(const machine_t *m, uint64_t n)
{
    return (int64_t)(n * (uint64_t)m->cie->data_align);
}

static void skip_block(reader_t *r)
{
    skip(r, take_uleb(r));
}

static void def_cfa(machine_t *m, uint64_t reg, int64_t off)
{
    m->row.cfa_reg = reg;
    m->row.cfa_off = off;
    m->row.expr = 0;
}

/* An instruction whose operands are its own bytes. false: the row that is asked for is complete. */
static bool advance(machine_t *m, uint64_t by)
{
    m->loc += (uintptr_t)(by * m->cie->code_align);
    return m->loc <= m->pc;
}

static bool extended(machine_t *m, reader_t *r, uint8_t op)
{
    uint64_t reg;
    switch (op) {
    case 0x00:
        break; /* nop */
    case 0x01:
        m->loc = (uintptr_t)take_address(r, m->cie->enc, 0);
        return m->loc <= m->pc; /* set_loc */
    case 0x02:
        return advance(m, take8(r));
    case 0x03:
        return advance(m, take16(r));
    case 0x04:
        return advance(m, take32(r));
    case 0x05:
        reg = take_uleb(r), set(m, r, reg, HG_CFI_SAVED, scaled(m, take_uleb(r)));
        break; /* offset_extended */
    case 0x06:
        restore(m, r, take_uleb(r));
        break;
    case 0x07:
        set(m, r, take_uleb(r), HG_CFI_UNDEF, 0);
        break;
    case 0x08:
        set(m, r, take_uleb(r), HG_CFI_SAME, 0);
        break;
    case 0x09:
        reg = take_uleb(r), take_uleb(r), set(m, r, reg, HG_CFI_UNDEF, 0);
        break; /* in another register */
    case 0x0a: /* remember_state */
        if (m->n_saved == SAVED_ROWS)
            r->bad = true;
        else
            m->saved[m->n_saved++] = m->row;
        break;
    case 0x0b: /* restore_state */
        if (m->n_saved == 0)
            r->bad = true;
        else
            m->row = m->saved[--m->n_saved];
        break;
    case 0x0c:
        reg = take_uleb(r), def_cfa(m, reg, (int64_t)take_uleb(r));
        break;
    case 0x0d:
        def_cfa(m, take_uleb(r), m->row.cfa_off);
        break;
    case 0x0e:
        def_cfa(m, m->row.cfa_reg, (int64_t)take_uleb(r));
        break;
    case 0x0f: /* def_cfa_expression */
        m->row.expr_len = (size_t)take_uleb(r);
        m->row.expr = (uintptr_t)r->p;
        skip(r, m->row.expr_len);
        break;
    case 0x10: /* expression */
    case 0x16: /* val_expression */
        reg = take_uleb(r), skip_block(r), set(m, r, reg, HG_CFI_UNDEF, 0);
        break;
    case 0x11:
        reg = take_uleb(r), set(m, r, reg, HG_CFI_SAVED, scaled(m, (uint64_t)take_sleb(r)));
        break;
    case 0x12:
        reg = take_uleb(r), def_cfa(m, reg, scaled(m, (uint64_t)take_sleb(r)));
        break;
    case 0x13:
        def_cfa(m, m->row.cfa_reg, scaled(m, (uint64_t)take_sleb(r)));
        break;
    case 0x14:
        reg = take_uleb(r), set(m, r, reg, HG_CFI_VALUE, scaled(m, take_uleb(r)));
        break;
    case 0x15:
        reg = take_uleb(r), set(m, r, reg, HG_CFI_VALUE, scaled(m, (uint64_t)take_sleb(r)));
        break;
    case 0x2d:
        break; /* the return address is signed: see strip() in unwind.c */
    case 0x2e:
        take_uleb(r);
        break; /* args_size: for exceptions */
    default:
        r->bad = true;
    }
    return true;
}

static bool run(machine_t *m, reader_t r)
{
    bool on = true;
    while (on && !r.bad && r.p < r.end) {
        uint8_t op = take8(&r), low = op & 0x3f;
        switch (op & 0xc0) {
        case 0x40:
            on = advance(m, low);
            break;
        case 0x80:
            set(m, &r, low, HG_CFI_SAVED, scaled(m, take_uleb(&r)));
            break;
        case 0xc0:
            restore(m, &r, low);
            break;
        default:
            on = extended(m, &r, low);
        }
    }
    return !r.bad;
}

bool hg_cfi_row(const hg_cfi_t *obj, uintptr_t pc, hg_cfi_row_t *ret)
{
    uintptr_t a;
    cie_t cie;
    if (!find_fde(obj, pc, &a)) return false;
    reader_t r = entry(obj, a);
    uintptr_t here = (uintptr_t)r.p;
    uint32_t back = take32(&r);
    if (r.bad || back == 0 || !read_cie(obj, here - back, &cie)) return false;
    uintptr_t begin = (uintptr_t)take_address(&r, cie.enc, 0);
    uint64_t size = take_address(&r, cie.enc & 0x0f, 0);
    if (cie.sized) skip_block(&r);
    if (r.bad || pc < begin || pc - begin >= size) return false;
    machine_t m = { .cie = &cie, .pc = pc, .loc = begin };
    if (!run(&m, cie.program)) return false;
    hg_cfi_row_t initial = m.row;
    m.initial = &initial;
    if (!run(&m, r)) return false;
    *ret = m.row;
    ret->ra = cie.ra;
    ret->begin = begin;
    return true;
}

/* --- the frame's address --- */

typedef struct values {
    uint64_t v[16];
    unsigned n;
    bool bad;
} values_t;

static void push(values_t *s, uint64_t v)
{
    if (s->n == HG_COUNT(s->v))
        s->bad = true;
    else
        s->v[s->n++] = v;
}

static uint64_t pop(values_t *s)
{
    if (s->n) return s->v[--s->n];
    s->bad = true;
    return 0;
}

static uint64_t combine(uint8_t op, uint64_t a, uint64_t b)
{
    switch (op) {
    case 0x1a:
        return a & b;
    case 0x1c:
        return a - b;
    case 0x21:
        return a | b;
    case 0x22:
        return a + b;
    case 0x24:
        return b < 64 ? a << b : 0;
    case 0x25:
        return b < 64 ? a >> b : 0;
    case 0x2a:
        return (int64_t)a >= (int64_t)b;
    default:
        return 0;
    }
}

/* What linkers write for the procedure linkage table, and compilers where a function aligns its stack. */
static bool evaluate(const hg_cfi_row_t *row, const hg_regs_t *regs, const hg_stack_t *stack, uintptr_t *ret)
{
    reader_t r = { .p = at(row->expr), .end = at(row->expr + row->expr_len) };
    values_t s = { .n = 0 };
    while (!r.bad && !s.bad && r.p < r.end) {
        uint8_t op = take8(&r);
        uint64_t b;
        if (op >= 0x30 && op <= 0x4f) /* lit */
            push(&s, op - 0x30);
        else if (op >= 0x70 && op <= 0x8f) { /* breg; the column of x86-64's return address means the program counter */
            unsigned reg = op - 0x70u;
            int64_t off = take_sleb(&r);
            uint64_t v = reg < HG_REGS ? regs->r[reg] : 0;
            if (reg >= HG_REGS) s.bad = true;
            if (reg == row->ra && HG_REG_SP == 7) v = regs->pc;
            push(&s, v + (uint64_t)off);
        } else if (op == 0x06) { /* deref */
            uintptr_t v = 0;
            if (!hg_stack_peek(stack, (uintptr_t)pop(&s), &v)) s.bad = true;
            push(&s, v);
        } else if (op == 0x08) /* const1u */
            push(&s, take8(&r));
        else if (op == 0x23) /* plus_uconst */
            b = take_uleb(&r), push(&s, pop(&s) + b);
        else if (op == 0x1a || op == 0x1c || op == 0x21 || op == 0x22 || op == 0x24 || op == 0x25 || op == 0x2a)
            b = pop(&s), push(&s, combine(op, pop(&s), b));
        else
            s.bad = true;
    }
    *ret = (uintptr_t)pop(&s);
    return !r.bad && !s.bad;
}

bool hg_cfi_cfa(const hg_cfi_row_t *row, const hg_regs_t *regs, const hg_stack_t *stack, uintptr_t *ret)
{
    if (row->expr) return evaluate(row, regs, stack, ret);
    if (row->cfa_reg >= HG_REGS) return false;
    *ret = regs->r[row->cfa_reg] + (uintptr_t)row->cfa_off;
    return true;
}
