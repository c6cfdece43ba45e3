/* iggy_plugin_host.c: loads one plugin and does what it is told, so that tests meet a plugin at its boundary and in any
 * order, at once and twice; a program of its own, so that plugins with sanitizers find them in their host.
 *
 * usage: iggy_plugin_host LIBRARY [--options: prints the table of its options]
 * stdin, a line each, every command in a thread of its own; bytes in hexadecimal, "-" = NULL:
 *   TAG sink_open ID CONFIG | TAG on_reject ID | TAG on_gate ID | TAG sink_close ID
 *   TAG consume ID TOPIC META MESSAGES [TIMES] | TAG pass ANSWER (of one gate)
 *   TAG source_open ID CONFIG STATE | TAG on_end ID | TAG handle ID | TAG result ID BATCH CODE | TAG source_close ID
 *   TAG accept ANSWER (of send, from now on) | TAG version sink|source
 * stdout: reply TAG ANSWER | batch ID BATCH BYTES | log LEVEL TARGET TEXT | ended ID | reject ID PLACE TEXT | gate ID
 */
#include "base/hg.h"
#include "headgate/iggy_plugin.h"
#include <dlfcn.h>
#include <pthread.h>

const char *iggy_plugin_options(void); /* of our own plugins: Markdown */

static void *g_library;
static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int32_t g_accept;
static pthread_cond_t g_passed = PTHREAD_COND_INITIALIZER;
static unsigned g_passes; /* gates that were told an answer */
static int32_t g_pass;

static void put_hex(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) printf("%02x", p[i]);
}

static void on_log(uint8_t level, const uint8_t *target, size_t nt, const uint8_t *text, size_t n)
{
    pthread_mutex_lock(&g_mutex);
    printf("log %u ", level);
    put_hex(target, nt);
    putchar(' ');
    put_hex(text, n);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&g_mutex);
}

static int32_t on_send(uint32_t id, uint64_t batch, const uint8_t *p, size_t n)
{
    int32_t answer = atomic_load(&g_accept);
    pthread_mutex_lock(&g_mutex);
    printf("batch %u %" PRIu64 " ", id, batch);
    put_hex(p, n);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&g_mutex);
    return answer;
}

static void on_end(uint32_t id)
{
    pthread_mutex_lock(&g_mutex);
    printf("ended %u\n", id);
    fflush(stdout);
    pthread_mutex_unlock(&g_mutex);
}

static void on_reject(uint32_t id, uint32_t at, const uint8_t *reason, size_t n)
{
    pthread_mutex_lock(&g_mutex);
    printf("reject %u %u ", id, at);
    put_hex(reason, n);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&g_mutex);
}

static int32_t on_gate(uint32_t id)
{
    pthread_mutex_lock(&g_mutex);
    printf("gate %u\n", id);
    fflush(stdout);
    while (!g_passes) pthread_cond_wait(&g_passed, &g_mutex);
    g_passes--;
    int32_t answer = g_pass;
    pthread_mutex_unlock(&g_mutex);
    return answer;
}

static int32_t pass(int32_t answer)
{
    pthread_mutex_lock(&g_mutex);
    g_pass = answer;
    g_passes++;
    pthread_cond_signal(&g_passed);
    pthread_mutex_unlock(&g_mutex);
    return 0;
}

typedef struct bytes {
    uint8_t *p;
    size_t n;
} bytes_t;

static bytes_t from_hex(const char *s)
{
    size_t n = s && strcmp(s, "-") != 0 ? strlen(s) / 2 : 0;
    bytes_t b = { malloc(n + 1), n };
    for (size_t i = 0; i < n; i++) {
        char two[3] = { s[2 * i], s[2 * i + 1], 0 };
        b.p[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    if (!n) {
        free(b.p);
        b.p = NULL;
    }
    return b;
}

static void *must(const char *name)
{
    void *f = dlsym(g_library, name);
    if (f) return f;
    fprintf(stderr, "%s\n", dlerror());
    abort();
}

/* POSIX lets a symbol's address be a function's, ISO C does not know of it. */
#define CALL(name) (*(__typeof__(&name) *)&(void *){ must(#name) })

static int32_t run(char **w)
{
    const char *cmd = w[1];
    uint32_t id = w[2] ? (uint32_t)strtoul(w[2], NULL, 10) : 0;
    bytes_t a = { NULL, 0 }, b = a, c = a;
    int32_t rc = -100;
    if (w[3] && strcmp(cmd, "result") != 0) {
        a = from_hex(w[3]);
        b = from_hex(w[4]);
        c = from_hex(w[4] ? w[5] : NULL);
    }
    if (strcmp(cmd, "sink_open") == 0) rc = CALL(iggy_sink_open)(id, a.p, a.n, on_log);
    if (strcmp(cmd, "consume") == 0) {
        unsigned long times = w[6] ? strtoul(w[6], NULL, 10) : 1;
        for (rc = 0; rc == 0 && times; times--) rc = CALL(iggy_sink_consume)(id, a.p, a.n, b.p, b.n, c.p, c.n);
    }
    if (strcmp(cmd, "on_reject") == 0) rc = CALL(iggy_sink_on_reject)(id, on_reject);
    if (strcmp(cmd, "on_gate") == 0) rc = CALL(iggy_sink_on_gate)(id, on_gate);
    if (strcmp(cmd, "pass") == 0) rc = pass((int32_t)strtol(w[2], NULL, 10));
    if (strcmp(cmd, "sink_close") == 0) rc = CALL(iggy_sink_close)(id);
    if (strcmp(cmd, "source_open") == 0) rc = CALL(iggy_source_open)(id, a.p, a.n, b.p, b.n, on_log);
    if (strcmp(cmd, "on_end") == 0) rc = CALL(iggy_source_on_end)(id, on_end);
    if (strcmp(cmd, "handle") == 0) rc = CALL(iggy_source_handle_v2)(id, on_send);
    if (strcmp(cmd, "result") == 0)
        rc = CALL(iggy_source_batch_result)(id, strtoull(w[3], NULL, 10), (uint8_t)strtoul(w[4], NULL, 10));
    if (strcmp(cmd, "source_close") == 0) rc = CALL(iggy_source_close)(id);
    if (strcmp(cmd, "accept") == 0) {
        atomic_store(&g_accept, (int32_t)strtol(w[2], NULL, 10));
        rc = 0;
    }
    if (strcmp(cmd, "version") == 0)
        rc = strcmp(strcmp(w[2], "sink") == 0 ? CALL(iggy_sink_version)() : CALL(iggy_source_version)(), HG_VERSION);
    free(a.p);
    free(b.p);
    free(c.p);
    return rc;
}

static void *command(void *line)
{
    char *w[9] = { NULL }, *save;
    size_t n = 0;
    for (char *t = strtok_r(line, " \n", &save); t && n < 8; t = strtok_r(NULL, " \n", &save)) w[n++] = t;
    if (n > 1) {
        int32_t rc = run(w);
        pthread_mutex_lock(&g_mutex);
        printf("reply %s %d\n", w[0], rc);
        fflush(stdout);
        pthread_mutex_unlock(&g_mutex);
    }
    free(line);
    return NULL;
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t cap = 0;
    if (argc < 2) return 2;
    g_library = dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL);
    if (!g_library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    if (argc > 2) {
        fputs(CALL(iggy_plugin_options)(), stdout);
        return 0;
    }
    while (getline(&line, &cap, stdin) > 0) {
        pthread_t t;
        if (pthread_create(&t, NULL, command, strdup(line)) != 0) return 1;
        pthread_detach(t);
    }
    free(line);
    /* Behind what was answered: libraries free at the exit what those threads have used. */
    pthread_mutex_lock(&g_mutex);
    pthread_mutex_unlock(&g_mutex);
    return 0;
}
