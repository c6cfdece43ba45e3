/* panic.c: the three strengths of assertion (hg.h). */
#include "base/hg.h"
#include "base/log.h"
#include <unistd.h>

void hg_panic(const char *file, int line, const char *what)
{
    char msg[512];
    int n = snprintf(msg, sizeof msg, "headgate: %s:%d: assertion failed: %s\n", file, line, what);
    (void)!write(2, msg, (size_t)HG_MIN(n, (int)sizeof msg - 1));
    abort();
}

bool hg_never(const char *file, int line, const char *what)
{
#ifdef HG_DEBUG
    hg_panic(file, line, what);
#else
    hg_log(HG_LOG_ERROR, "bug", NULL, "unexpected", "at=%s:%d what=\"%s\"", file, line, what);
    return true;
#endif
}
