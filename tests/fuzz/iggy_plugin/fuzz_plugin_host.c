/* What a plugin's process says, which may be anything: a row of messages, each as bytes of hg_pm_t behind their length.
 * None may make the owner read or write where it should not, whatever they claim. */
#include "base/hg.h"

#include "base/log.h"
#include "iggy/plugin/plugin_int.h"
#include "iggy/plugin/postcard.h"
#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int on_batch(void *arg, uint64_t batch_id, hg_str_t bytes)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pc_batch_t b;
    (void)arg, (void)batch_id;
    HG_ASSERT(bytes.n <= HG_PLUGIN_SLOT_BYTES);
    hg_str_t looked = { bytes.p, HG_MIN(bytes.n, (size_t)1 << 16) };
    return hg_pc_read_produced(looked.p, looked.n, &b, &err);
}

static void on_ended(void *arg)
{
    (void)arg;
}

static void on_died(void *arg, const char *how)
{
    (void)arg, (void)how;
}

static void on_log(void *arg, const char *path, unsigned level, hg_str_t target, hg_str_t text)
{
    (void)arg, (void)path;
    HG_ASSERT(level <= IGGY_LOG_ERROR && hg_utf8_valid(target.p, target.n) && hg_utf8_valid(text.p, text.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const hg_plugin_events_t events = { on_batch, on_ended, on_died };
    static hg_plugins_t *plugins;
    static hg_plugin_proc_t *proc;
    if (!proc) {
        hg_log_init((hg_log_opts_t){ .fd = open("/dev/null", O_WRONLY | O_CLOEXEC) });
        plugins = hg_plugins_new("none", on_log, NULL);
        proc = hg_plugin_proc_fake(plugins, open("/dev/null", O_RDWR | O_CLOEXEC), 7, &events, NULL);
    }
    while (n > 0) {
        hg_pm_in_t in = { .n_fds = 0 };
        size_t len = HG_MIN((size_t)p[0] + 1, n - 1), head = HG_MIN(len, sizeof in.m);
        memcpy(&in.m, p + 1, head);
        in.text_n = len - head;
        memcpy(in.text, p + 1 + head, in.text_n);
        hg_plugin_proc_message(proc, &in);
        p += len + 1;
        n -= len + 1;
    }
    return 0;
}
