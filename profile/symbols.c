/* symbols.c: see symbols.h. A file is read when the first of its addresses is met. */
#include "base/hg.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "profile/elf.h"
#include "profile/symbols.h"

typedef struct hg_symbols_own {
    hg_arena_t *a;
    hg_elf_t **elves;              /* per object; NULL: not read, or not to be read */
    hg_strmap_t frames, functions; /* by address; by object and name */
    char exe[PATH_MAX];            /* this program's file */
} own_t;

/* --- what is mapped --- */

/* "start-end perms offset device inode path": /proc/PID/maps, see proc(5). */
static void add_mapping(hg_symbols_t *s, char *line)
{
    unsigned long start, limit, off;
    char perms[5];
    int at = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &start, &limit, perms, &off, &at) != 4 || perms[2] != 'x') return;
    hg_object_t o = { .start = start, .limit = limit, .off = off };
    o.path = hg_arena_printf(s->own->a, "%s", line + at);
    HG_APUSH(s->own->a, s->objects, s->n_objects, o);
}

void hg_symbols_init(hg_symbols_t *s)
{
    char *line = NULL;
    size_t cap = 0;
    own_t *o = HG_NEW(own_t);
    *s = (hg_symbols_t){ .own = o };
    o->a = hg_arena_new();
    hg_strmap_init(&o->frames);
    hg_strmap_init(&o->functions);
    ssize_t n = readlink("/proc/self/exe", o->exe, sizeof o->exe - 1);
    o->exe[HG_MAX(n, 0)] = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && (n = getline(&line, &cap, f)) > 0) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        add_mapping(s, line);
    }
    free(line);
    if (f) fclose(f);
    o->elves = HG_NEWN(hg_elf_t *, s->n_objects + 1);
}

void hg_symbols_release(hg_symbols_t *s)
{
    for (uint32_t i = 0; i < s->n_objects; i++) hg_elf_free(s->own->elves[i]);
    hg_free(s->own->elves);
    hg_strmap_release(&s->own->frames);
    hg_strmap_release(&s->own->functions);
    hg_arena_free(s->own->a);
    hg_free(s->own);
}

/* --- their files --- */

static bool read_file(void *arg, uint64_t off, void *to, size_t n)
{
    size_t done = 0;
    while (done < n && off <= INT64_MAX - done) {
        ssize_t k = pread(*(const int *)arg, (char *)to + done, n - done, (off_t)(off + done));
        if (k <= 0) break;
        done += (size_t)k;
    }
    return done == n;
}

/* The kernel's own: a file that is nowhere but here. */
static bool read_memory(void *arg, uint64_t off, void *to, size_t n)
{
    const hg_object_t *o = arg;
    if (off > o->limit - o->start || n > o->limit - o->start - off) return false;
    memcpy(to, (const char *)o->start + off, n); /* NOLINT(performance-no-int-to-ptr) */
    return true;
}

/* What cannot be read has no names. */
static void open_object(hg_symbols_t *s, uint32_t i)
{
    static const char hex[] = "0123456789abcdef";
    hg_object_t *o = &s->objects[i];
    hg_err_t none = HG_ERR_INIT;
    o->met = true;
    if (strcmp(o->path, "[vdso]") == 0) {
        hg_elf_read(&(hg_elf_source_t){ o, read_memory }, &s->own->elves[i], &none);
    } else if (o->path[0] == '/') { /* of a program that was replaced the file is still to be had */
        int fd = open(strcmp(o->path, s->own->exe) == 0 ? "/proc/self/exe" : o->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return;
        hg_elf_read(&(hg_elf_source_t){ &fd, read_file }, &s->own->elves[i], &none);
        close(fd);
    }
    const hg_elf_t *elf = s->own->elves[i];
    if (!elf) return;
    hg_str_t id = hg_elf_build_id(elf);
    for (size_t k = 0; k < id.n; k++) {
        o->build_id[2 * k] = hex[(unsigned char)id.p[k] >> 4];
        o->build_id[2 * k + 1] = hex[(unsigned char)id.p[k] & 15];
    }
    o->named = hg_elf_functions(elf) > 0;
}

/* --- frames --- */

static uint32_t find_object(const hg_symbols_t *s, uintptr_t pc)
{
    for (uint32_t i = 0; i < s->n_objects; i++)
        if (pc >= s->objects[i].start && pc < s->objects[i].limit) return i;
    return HG_NO_SYMBOL;
}

static uint32_t find_function(hg_symbols_t *s, uint32_t object, uintptr_t pc)
{
    own_t *own = s->own;
    const hg_object_t *o = &s->objects[object];
    hg_str_t name = own->elves[object] ? hg_elf_function(own->elves[object], pc - o->start + o->off) : HG_S("");
    if (!name.n) return HG_NO_SYMBOL;
    const char *key = hg_arena_printf(own->a, "%u " HG_SF, object, HG_SA(name));
    uint32_t id = hg_strmap_put(&own->functions, hg_strz(key), s->n_functions);
    hg_function_t f = { .name = name, .object = object };
    if (id == s->n_functions) HG_APUSH(own->a, s->functions, s->n_functions, f);
    return id;
}

uint32_t hg_symbols_frame(hg_symbols_t *s, uintptr_t pc)
{
    own_t *o = s->own;
    uint32_t id = hg_strmap_get(&o->frames, (hg_str_t){ (const char *)&pc, sizeof pc });
    if (id != HG_STRMAP_NONE) return id;
    hg_frame_t f = { .pc = pc, .object = find_object(s, pc), .function = HG_NO_SYMBOL };
    if (f.object != HG_NO_SYMBOL) {
        if (!s->objects[f.object].met) open_object(s, f.object);
        f.function = find_function(s, f.object, pc);
    }
    const char *key = hg_arena_strndup(o->a, (const char *)&pc, sizeof pc);
    HG_APUSH(o->a, s->frames, s->n_frames, f);
    return hg_strmap_put(&o->frames, (hg_str_t){ key, sizeof pc }, s->n_frames - 1);
}
