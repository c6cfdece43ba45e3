/* flat.c: the FlatBuffers of Arrow's metadata (flat_int.h). Numbers are little-endian, as are our columns. */
#include "base/hg.h"
#include "data/flat_int.h"

#define MAX_FIELDS 8

void hg_flat_zeros(hg_flat_t *f, size_t n)
{
    if (f->rc == 0) f->rc = hg_buf_reserve(f->b, n);
    if (f->rc < 0) return;
    memset(f->b->p + f->b->len, 0, n + 1); /* and the 0 behind the end */
    f->b->len += n;
}

void hg_flat_align(hg_flat_t *f, size_t align)
{
    hg_flat_zeros(f, -(f->b->len - f->base) & (align - 1));
}

static void put(hg_flat_t *f, size_t at, const void *v, size_t n)
{
    if (f->rc == 0) memcpy(f->b->p + at, v, n);
}

void hg_flat_u8(hg_flat_t *f, size_t at, uint8_t v)
{
    put(f, at, &v, sizeof v);
}
void hg_flat_u16(hg_flat_t *f, size_t at, uint16_t v)
{
    put(f, at, &v, sizeof v);
}
void hg_flat_u32(hg_flat_t *f, size_t at, uint32_t v)
{
    put(f, at, &v, sizeof v);
}
void hg_flat_u64(hg_flat_t *f, size_t at, uint64_t v)
{
    put(f, at, &v, sizeof v);
}

void hg_flat_link(hg_flat_t *f, size_t at, size_t to)
{
    hg_flat_u32(f, at, (uint32_t)(to - at));
}

size_t hg_flat_root(hg_flat_t *f)
{
    hg_flat_align(f, 4);
    size_t at = f->b->len;
    hg_flat_zeros(f, 4);
    return at;
}

/* The field table goes right in front of the table; wide fields come first, so that only the beginning is padded. */
size_t hg_flat_table(hg_flat_t *f, const uint8_t *widths, unsigned n, size_t *at)
{
    uint16_t vtable[2 + MAX_FIELDS] = { 0 }, size = 4;
    HG_ASSERT(n <= MAX_FIELDS);
    for (unsigned width = 8; width > 0; width /= 2)
        for (unsigned i = 0; i < n; i++) {
            if (widths[i] != width) continue;
            size = (uint16_t)((size + width - 1) & -width);
            vtable[2 + i] = size;
            size = (uint16_t)(size + width);
        }
    vtable[0] = (uint16_t)(sizeof *vtable * (2 + n));
    vtable[1] = size;
    hg_flat_align(f, 2);
    while (f->rc == 0 && (f->b->len + vtable[0] - f->base) % 8 != 0) hg_flat_zeros(f, 2);
    size_t fields = f->b->len;
    if (f->rc == 0) f->rc = hg_buf_add(f->b, vtable, vtable[0]);
    size_t table = f->b->len;
    hg_flat_zeros(f, size);
    hg_flat_u32(f, table, (uint32_t)(table - fields));
    for (unsigned i = 0; i < n; i++) at[i] = table + vtable[2 + i];
    return table;
}

size_t hg_flat_vector(hg_flat_t *f, uint32_t n, unsigned width, size_t *first)
{
    hg_flat_align(f, 4);
    if (width % 8 == 0 && (f->b->len + 4 - f->base) % 8 != 0) hg_flat_zeros(f, 4);
    size_t vector = f->b->len;
    *first = vector + 4;
    hg_flat_zeros(f, 4 + (size_t)n * width);
    hg_flat_u32(f, vector, n);
    return vector;
}

size_t hg_flat_string(hg_flat_t *f, hg_str_t s)
{
    hg_flat_align(f, 4);
    size_t string = f->b->len;
    hg_flat_zeros(f, 4);
    hg_flat_u32(f, string, (uint32_t)s.n);
    if (f->rc == 0) f->rc = hg_buf_addstr(f->b, s);
    hg_flat_zeros(f, 1);
    return string;
}
