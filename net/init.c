/* init.c: what a process that speaks HTTP sets once. A file of its own, so that a plugin's library that fetches has no
 * server in it. */
#include "base/hg.h"
#include "net/net_int.h"
#include <signal.h>
#include <sys/resource.h>

static uv_once_t init_once = UV_ONCE_INIT;

static void init(void)
{
    struct rlimit rl;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
}

void hg_net_init(void)
{
    uv_once(&init_once, init);
}
