/* modules_here.h: the modules of this build are in the folder above the tests' programs. */
#ifndef HG_TESTS_LIB_MODULES_HERE_H
#define HG_TESTS_LIB_MODULES_HERE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lets headgate look there; is this one among them? */
static inline bool module_here(const char *file)
{
    char exe[4096], path[4352];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return false;
    exe[n] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(exe, '/');
        if (slash) *slash = 0;
    }
    setenv("HEADGATE_MODULES", exe, 1);
    snprintf(path, sizeof path, "%s/%s", exe, file);
    return access(path, F_OK) == 0;
}

#endif
