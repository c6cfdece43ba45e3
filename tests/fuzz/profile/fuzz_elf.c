/* An ELF file from bytes: refused, or its functions and its build id are looked at. */
#include "base/hg.h"
#include "profile/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool read_bytes(void *arg, uint64_t off, void *to, size_t n)
{
    const hg_str_t *s = arg;
    if (off > s->n || n > s->n - off) return false;
    memcpy(to, s->p + off, n);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_str_t file = { (const char *)p, n };
    hg_err_t err = HG_ERR_INIT;
    hg_elf_t *e;
    if (hg_elf_read(&(hg_elf_source_t){ &file, read_bytes }, &e, &err) < 0) {
        HG_ASSERT(err.code == HG_EPARSE && err.msg[0]);
        return 0;
    }
    HG_ASSERT(hg_elf_build_id(e).n <= 64);
    size_t named = 0;
    for (uint64_t off = 0; off < n + 8; off++) {
        hg_str_t name = hg_elf_function(e, off);
        for (size_t i = 0; i < name.n; i++) HG_ASSERT(name.p[i]);
        named += name.n > 0;
    }
    HG_ASSERT(named == 0 || hg_elf_functions(e) > 0);
    hg_elf_free(e);
    return 0;
}
