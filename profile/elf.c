/* elf.c: see elf.h. */
#include "base/hg.h"

#include <elf.h>

#include "base/mem.h"
#include "profile/elf.h"

#define MAX_HEADERS  4096u        /* of segments, and of sections */
#define MAX_SECTION  (256u << 20) /* symbols, or their names */
#define MAX_NOTES    (64u << 10)  /* of one segment */
#define MAX_BUILD_ID 64u

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_ORDER ELFDATA2LSB
#else
#define OUR_ORDER ELFDATA2MSB
#endif

typedef struct segment {
    uint64_t off, size, address;
} segment_t;

typedef struct function {
    uint64_t address, size; /* size 0: up to the next one */
    uint32_t name;
} function_t;

struct hg_elf {
    segment_t *segments;
    function_t *functions; /* by address */
    char *names;           /* ends with a zero byte */
    size_t n_segments, n_functions, n_names;
    uint8_t build_id[MAX_BUILD_ID];
    size_t n_build_id;
};

void hg_elf_free(hg_elf_t *e)
{
    if (!e) return;
    hg_free(e->segments);
    hg_free(e->functions);
    hg_free(e->names);
    hg_free(e);
}

hg_str_t hg_elf_build_id(const hg_elf_t *e)
{
    return (hg_str_t){ (const char *)e->build_id, e->n_build_id };
}

size_t hg_elf_functions(const hg_elf_t *e)
{
    return e->n_functions;
}

/* A part of the file. n is from the file: NULL is ordinary. */
static int load(const hg_elf_source_t *src, const char *what, uint64_t off, uint64_t n, uint64_t max, void *ret,
                hg_err_t *err)
{
    if (n > max) return hg_err_set(err, HG_EPARSE, "its %s is said to have %" PRIu64 " bytes", what, n);
    char *p = hg_trynew((size_t)n + 1);
    if (!p) return hg_err_set(err, HG_ENOMEM, "no memory for its %s", what);
    if (!src->read(src->arg, off, p, (size_t)n)) {
        hg_free(p);
        return hg_err_set(err, HG_EPARSE, "it ends within its %s", what);
    }
    p[n] = 0;
    memcpy(ret, &p, sizeof p);
    return 0;
}

/* --- segments and the build id --- */

static uint64_t padded(uint32_t n)
{
    return ((uint64_t)n + 3) & ~(uint64_t)3;
}

/* Of notes that are cut off or too large the rest is left alone: a build id is a help, no more. */
static void look_for_build_id(hg_elf_t *e, const char *p, size_t n)
{
    Elf64_Nhdr h;
    while (n >= sizeof h) {
        memcpy(&h, p, sizeof h);
        uint64_t name = padded(h.n_namesz), all = sizeof h + name + padded(h.n_descsz);
        if (all > n) return;
        if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && memcmp(p + sizeof h, "GNU", 4) == 0) {
            e->n_build_id = HG_MIN(h.n_descsz, MAX_BUILD_ID);
            memcpy(e->build_id, p + sizeof h + name, e->n_build_id);
            return;
        }
        p += all;
        n -= (size_t)all;
    }
}

static int read_segments(hg_elf_t *e, const hg_elf_source_t *src, const Elf64_Ehdr *h, hg_err_t *err)
{
    Elf64_Phdr *p;
    if (h->e_phentsize != sizeof *p || h->e_phnum > MAX_HEADERS)
        return hg_err_set(err, HG_EPARSE, "its program headers are of no known kind");
    int rc = load(src, "program headers", h->e_phoff, h->e_phnum * sizeof *p, UINT32_MAX, &p, err);
    if (rc < 0) return rc;
    e->segments = HG_NEWN(segment_t, h->e_phnum + 1);
    for (size_t i = 0; i < h->e_phnum; i++) {
        char *notes;
        hg_err_t none = HG_ERR_INIT;
        if (p[i].p_type == PT_LOAD)
            e->segments[e->n_segments++] = (segment_t){ p[i].p_offset, p[i].p_filesz, p[i].p_vaddr };
        if (p[i].p_type != PT_NOTE || e->n_build_id) continue;
        if (load(src, "notes", p[i].p_offset, p[i].p_filesz, MAX_NOTES, &notes, &none) < 0) continue;
        look_for_build_id(e, notes, (size_t)p[i].p_filesz);
        hg_free(notes);
    }
    hg_free(p);
    return 0;
}

/* --- functions --- */

static int by_address(const void *a, const void *b)
{
    const function_t *x = a, *y = b;
    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1; /* of several names the one with a size is found */
    return x->name < y->name ? -1 : x->name > y->name;
}

static bool is_function(const hg_elf_t *e, const Elf64_Sym *s)
{
    unsigned type = ELF64_ST_TYPE(s->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_shndx != SHN_UNDEF && s->st_name < e->n_names &&
           e->names[s->st_name];
}

static int read_symbols(hg_elf_t *e, const hg_elf_source_t *src, const Elf64_Shdr *table, const Elf64_Shdr *names,
                        hg_err_t *err)
{
    Elf64_Sym *s;
    int rc = load(src, "names", names->sh_offset, names->sh_size, MAX_SECTION, &e->names, err);
    if (rc < 0) return rc;
    e->n_names = (size_t)names->sh_size;
    rc = load(src, "symbols", table->sh_offset, table->sh_size, MAX_SECTION, &s, err);
    if (rc < 0) return rc;
    size_t n = (size_t)table->sh_size / sizeof *s, m = 0;
    for (size_t i = 0; i < n; i++) m += is_function(e, &s[i]);
    e->functions = hg_trynew(m * sizeof *e->functions);
    if (!e->functions) {
        hg_free(s);
        return hg_err_set(err, HG_ENOMEM, "no memory for its functions");
    }
    for (size_t i = 0; i < n; i++)
        if (is_function(e, &s[i]))
            e->functions[e->n_functions++] = (function_t){ s[i].st_value, s[i].st_size, s[i].st_name };
    hg_free(s);
    qsort(e->functions, e->n_functions, sizeof *e->functions, by_address);
    return 0;
}

/* All symbols where the file has them, else those for the dynamic linker. */
static int read_sections(hg_elf_t *e, const hg_elf_source_t *src, const Elf64_Ehdr *h, hg_err_t *err)
{
    Elf64_Shdr *s;
    const Elf64_Shdr *table = NULL;
    if (h->e_shnum == 0) return 0;
    if (h->e_shentsize != sizeof *s || h->e_shnum > MAX_HEADERS)
        return hg_err_set(err, HG_EPARSE, "its section headers are of no known kind");
    int rc = load(src, "section headers", h->e_shoff, h->e_shnum * sizeof *s, UINT32_MAX, &s, err);
    if (rc < 0) return rc;
    for (size_t i = 0; i < h->e_shnum; i++)
        if (s[i].sh_type == SHT_SYMTAB || (s[i].sh_type == SHT_DYNSYM && !table)) table = &s[i];
    if (table && table->sh_link >= h->e_shnum)
        rc = hg_err_set(err, HG_EPARSE, "its symbols have their names in a section that is not there");
    else if (table)
        rc = read_symbols(e, src, table, &s[table->sh_link], err);
    hg_free(s);
    return rc;
}

int hg_elf_read(const hg_elf_source_t *src, hg_elf_t **ret, hg_err_t *err)
{
    Elf64_Ehdr h;
    if (!src->read(src->arg, 0, &h, sizeof h) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
        h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != OUR_ORDER)
        return hg_err_set(err, HG_EPARSE, "it is no ELF file of 64 bits for this machine");
    hg_elf_t *e = HG_NEW(hg_elf_t);
    int rc = read_segments(e, src, &h, err);
    if (rc == 0) rc = read_sections(e, src, &h, err);
    if (rc < 0)
        hg_elf_free(e);
    else
        *ret = e;
    return rc;
}

/* --- looking up --- */

static bool address_of(const hg_elf_t *e, uint64_t off, uint64_t *ret)
{
    for (size_t i = 0; i < e->n_segments; i++) {
        const segment_t *s = &e->segments[i];
        if (off < s->off || off - s->off >= s->size) continue;
        *ret = off - s->off + s->address;
        return true;
    }
    return false;
}

hg_str_t hg_elf_function(const hg_elf_t *e, uint64_t off)
{
    uint64_t a;
    size_t lo = 0, hi = e->n_functions; /* the last one at or before a is in lo-1 … hi-1 */
    if (!address_of(e, off, &a)) return HG_S("");
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (e->functions[mid].address <= a)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0) return HG_S("");
    const function_t *f = &e->functions[lo - 1];
    if (f->size && a - f->address >= f->size) return HG_S("");
    const char *name = e->names + f->name, *dot = strchr(name + 1, '.');
    return (hg_str_t){ name, dot ? (size_t)(dot - name) : strlen(name) };
}
