/* api_stats.c: GET /stats: the process, the machine as far as the process may use it, and every connector's counters.
 *
 * CPU figures are those since the last question, and 0 at the first. cpu_usage is in percent of one CPU (so it can be
 * above 100); total_cpu_usage is how busy the CPUs are that this process may run on. Memory is limited to the cgroup's.
 * memory_usage and cpu_usage are this process's, as there; plugins are in processes of their own, which have their own
 * figures.
 */
#include "base/hg.h"
#include <sched.h>
#include <unistd.h>
#include "base/durable.h"
#include "base/log.h"
#include "iggy/runtime/api_int.h"

/* Files under /proc and /sys/fs/cgroup: small, and never on a disk. false: not there. */
static bool slurp(const char *path, hg_buf_t *b)
{
    hg_err_t err;
    hg_buf_clear(b);
    return hg_file_read(path, b, &err) == 0;
}

/* The number behind the name at the beginning of a line; 0: not there. */
static uint64_t number_of(const hg_buf_t *b, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = b->p; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, n) == 0) return strtoull(line + n, NULL, 10);
    return 0;
}

static uint64_t cgroup(const char *file, hg_buf_t *b)
{
    char path[4200], group[4096] = "";
    if (slurp("/proc/self/cgroup", b)) {
        const char *v2 = strstr(b->p, "0::");
        if (v2) snprintf(group, sizeof group, "%.*s", (int)strcspn(v2 + 3, "\n"), v2 + 3);
    }
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", group, file);
    if (!slurp(path, b)) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s", file); /* within a namespace of its own */
        if (!slurp(path, b)) return 0;
    }
    return b->p[0] >= '0' && b->p[0] <= '9' ? strtoull(b->p, NULL, 10) : 0; /* "max" */
}

static void memory_json(const hg_rt_t *rt, hg_jw_t *w)
{
    hg_buf_t b;
    unsigned processes;
    uint64_t theirs;
    hg_buf_init(&b, 1 << 20);
    uint64_t total = 0, available = 0, resident = 0;
    if (slurp("/proc/meminfo", &b)) {
        total = number_of(&b, "MemTotal:") * 1024;
        available = number_of(&b, "MemAvailable:") * 1024;
    }
    if (slurp("/proc/self/statm", &b)) {
        const char *second = strchr(b.p, ' ');
        resident = second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    }
    uint64_t limit = cgroup("memory.max", &b), used = cgroup("memory.current", &b);
    if (limit && limit < total) {
        total = limit;
        available = HG_MIN(available, limit > used ? limit - used : 0);
    }
    hg_rt_plugin_memory(rt, &processes, &theirs);
    hg_jw_ku64(w, "memory_usage", resident);
    hg_jw_ku64(w, "plugin_processes", processes);
    hg_jw_ku64(w, "plugin_memory_usage", theirs);
    hg_jw_ku64(w, "total_memory", total);
    hg_jw_ku64(w, "available_memory", available);
    hg_buf_release(&b);
}

/* Ticks of the CPUs that this process may use: user nice system idle iowait irq softirq steal. */
static void machine_ticks(uint64_t *busy, uint64_t *all)
{
    hg_buf_t b;
    cpu_set_t mine;
    hg_buf_init(&b, 4 << 20);
    *busy = *all = 0;
    if (sched_getaffinity(0, sizeof mine, &mine) == 0 && slurp("/proc/stat", &b)) {
        for (const char *line = b.p; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
            if (strncmp(line, "cpu", 3) != 0 || line[3] < '0' || line[3] > '9') continue;
            char *p;
            unsigned long cpu = strtoul(line + 3, &p, 10);
            if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &mine)) continue;
            for (int i = 0; i < 8; i++) {
                uint64_t ticks = strtoull(p, &p, 10);
                *all += ticks;
                if (i != 3 && i != 4) *busy += ticks;
            }
        }
    }
    hg_buf_release(&b);
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* part of whole in percent, two decimals */
static double percent(uint64_t part, uint64_t whole)
{
    uint64_t hundredths = whole ? part * 10000 / whole : 0;
    return (double)hundredths / 100;
}

static void cpu_json(hg_rt_api_t *api, hg_jw_t *w)
{
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), wall = clock_ns(CLOCK_MONOTONIC), busy, all;
    machine_ticks(&busy, &all);
    bool first = api->wall_ns == 0;
    hg_jw_key(w, "cpu_usage");
    hg_jw_f64(w, first ? 0 : percent(cpu - api->cpu_ns, wall - api->wall_ns));
    hg_jw_key(w, "total_cpu_usage");
    hg_jw_f64(w, first ? 0 : percent(busy - api->busy_ticks, all - api->all_ticks));
    api->cpu_ns = cpu;
    api->wall_ns = wall;
    api->busy_ticks = busy;
    api->all_ticks = all;
}

/* "1.2.3-x" → 1002003; false: it is none. */
static bool semver(const char *text, uint64_t *ret)
{
    uint64_t v = 0;
    for (int i = 0; i < 3; i++) {
        size_t n = strspn(text, "0123456789");
        uint64_t part;
        if (hg_str_u64((hg_str_t){ text, n }, &part) < 0 || part > (i ? 999 : 1000000)) return false;
        v = v * 1000 + part;
        text += n;
        if (i < 2 && *text++ != '.') return false;
    }
    *ret = v;
    return !*text || *text == '-' || *text == '+';
}

static void semver_json(hg_jw_t *w, const char *key, const char *version)
{
    uint64_t v;
    if (semver(version, &v)) hg_jw_ku64(w, key, v);
}

static void connector_json(const hg_rt_t *rt, uint32_t i, hg_jw_t *w)
{
    hg_rt_info_t info;
    hg_rt_info(rt, i, &info);
    bool source = info.kind == HG_IGGY_SOURCE;
    const char *version = info.version ? info.version : "unknown";
    hg_jw_obj(w);
    hg_jw_kstr(w, "key", info.key);
    hg_jw_kstr(w, "name", info.config->name);
    hg_jw_kstr(w, "connector_type", hg_iggy_kind_name(info.kind));
    hg_jw_kstr(w, "version", version);
    semver_json(w, "version_semver", version);
    hg_jw_kstr(w, "status", hg_rt_status_name(info.status));
    hg_jw_kbool(w, "enabled", info.config->enabled);
    hg_jw_ku64(w, source ? "messages_produced" : "messages_consumed", hg_rt_counter(rt, i, HG_RT_TAKEN));
    hg_jw_ku64(w, source ? "messages_sent" : "messages_processed", hg_rt_counter(rt, i, HG_RT_DELIVERED));
    hg_jw_ku64(w, "messages_filtered", hg_rt_counter(rt, i, HG_RT_FILTERED));
    hg_jw_ku64(w, "errors", hg_rt_counter(rt, i, HG_RT_ERRORS));
    hg_jw_ku64(w, "dead_letters", hg_rt_counter(rt, i, HG_RT_DEAD_LETTERS));
    hg_jw_ku64(w, "skipped", hg_rt_counter(rt, i, HG_RT_SKIPPED));
    hg_jw_ku64(w, "retries", hg_rt_counter(rt, i, HG_RT_RETRIES));
    hg_jw_ku64(w, "restarts", hg_rt_counter(rt, i, HG_RT_RESTARTS));
    hg_jw_end_obj(w);
}

void rt_get_stats(rt_call_t *c)
{
    const hg_rt_t *rt = c->api->rt;
    int64_t started = hg_rt_started_us(rt);
    rt_totals_t t;
    rt_json_t j;
    rt_totals(rt, &t);
    rt_json_init(&j);
    hg_jw_obj(&j.w);
    hg_jw_kstr(&j.w, "connectors_runtime_version", HG_VERSION);
    semver_json(&j.w, "connectors_runtime_version_semver", HG_VERSION);
    hg_jw_ku64(&j.w, "process_id", (uint64_t)getpid());
    cpu_json(c->api, &j.w);
    memory_json(rt, &j.w);
    hg_jw_ki64(&j.w, "run_time", hg_now_us() - started);
    hg_jw_ki64(&j.w, "start_time", started);
    hg_jw_ku64(&j.w, "sources_total", t.total[HG_IGGY_SOURCE]);
    hg_jw_ku64(&j.w, "sources_running", t.running[HG_IGGY_SOURCE]);
    hg_jw_ku64(&j.w, "sinks_total", t.total[HG_IGGY_SINK]);
    hg_jw_ku64(&j.w, "sinks_running", t.running[HG_IGGY_SINK]);
    hg_jw_key(&j.w, "connectors");
    hg_jw_arr(&j.w);
    for (uint32_t i = 0; i < hg_rt_count(rt); i++) connector_json(rt, i, &j.w);
    hg_jw_end_arr(&j.w);
    hg_jw_end_obj(&j.w);
    rt_json_send(&j, c);
}
