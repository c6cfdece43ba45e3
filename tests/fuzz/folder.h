/* folder.h: a folder for a fuzz target that needs files: in memory where the system has a place for that, because what
 * is written with care waits for the disk otherwise. It is gone when the process ends.
 */
#ifndef TESTS_FUZZ_FOLDER_H
#define TESTS_FUZZ_FOLDER_H

#include "base/hg.h"
#include <ftw.h>
#include <unistd.h>

static char fuzz_folder_path[96];

static inline int fuzz_folder_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type;
    return at->level == 0 ? 0 : remove(path);
}

static inline void fuzz_folder_empty(void)
{
    HG_ASSERT(nftw(fuzz_folder_path, fuzz_folder_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static inline void fuzz_folder_gone(void)
{
    fuzz_folder_empty();
    rmdir(fuzz_folder_path);
}

/* One per process; made at the first call. */
static inline const char *fuzz_folder(const char *name)
{
    if (fuzz_folder_path[0]) return fuzz_folder_path;
    snprintf(fuzz_folder_path, sizeof fuzz_folder_path, "%s/hg-fuzz-%s-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", name);
    HG_ASSERT(mkdtemp(fuzz_folder_path) && atexit(fuzz_folder_gone) == 0);
    return fuzz_folder_path;
}

#endif
