/* elf.h: the names of functions in an ELF file, and the file's build id.
 *
 * Source: System V ABI, "Object Files"; build id: NT_GNU_BUILD_ID. 64 bits, this machine's byte order. A file may be
 * anything and may change while it is read: every number in it is checked against what is there. One thread. */
#ifndef HG_PROFILE_ELF_H
#define HG_PROFILE_ELF_H

#include "base/buf.h"
#include "base/err.h"

typedef struct hg_elf hg_elf_t;

/* read: n bytes at off, all of them or false. Used during the call only. */
typedef struct hg_elf_source {
    void *arg;
    bool (*read)(void *arg, uint64_t off, void *to, size_t n);
} hg_elf_source_t;

/* HG_EPARSE: it is none, or damaged; HG_ENOMEM. A file without symbols is a file with none. */
int hg_elf_read(const hg_elf_source_t *src, hg_elf_t **ret, hg_err_t *err);
void hg_elf_free(hg_elf_t *e);

hg_str_t hg_elf_build_id(const hg_elf_t *e); /* bytes; none: empty. Lives with e */
size_t hg_elf_functions(const hg_elf_t *e);  /* how many have names */

/* The name of the function that the byte at this offset of the file belongs to; empty: not known. What compilers put
 * behind the names of parts and copies (".cold", ".constprop.0") is left out. Lives with e. */
hg_str_t hg_elf_function(const hg_elf_t *e, uint64_t off);

#endif
