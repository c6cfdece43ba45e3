/* scripted.c: a plugin that does what its configuration says, source and sink in one library. For tests.
 *
 * Configuration: a flat JSON object of numbers and strings without escapes.
 *   source  messages    per batch (10)
 *           empty       so many batches have no message, first of all (0)
 *           batches     it ends after so many; 0: it goes on (0)
 *           schema      of its batches (0: JSON)
 *           payload     bytes of each message at least (0)
 *           crash_at    dies instead of sending the batch of this number
 *           block       1: handle_v2 returns only after close
 *           poll_ms     between batches (0)
 *           bad_at      the batch of this number is no postcard
 *           ahead       1: it sends ahead of results, if the host wants
 *   sink    file        payloads are appended to it, a line each, one write(2) per batch
 *           fail_every  each batch of a number that it divides answers 1, without an effect; with reject it leaves out
 *                       the second message first
 *           fatal_at    the batch of this number answers -1
 *           crash_at    dies in the batch of this number, before it has an effect
 *           slow_ms     per batch
 *           reject      messages whose n it divides are left out, and the host is told
 *           marks       1: a line "# n" behind each batch of n
 *           gate        1: it stops at the host's gate, if there is one, before it appends
 *           want_messages, want_bytes, want_ms   what it wants at once
 *   both    open        what open answers (0)
 *           log         1: says things from open on
 *           lines       so many lines more, "line 0", …, the levels in turn (0)
 *           crash       how it dies: abort (default), segv, exit (code 7), close (all descriptors, and goes on), fork:
 * a child of it stays until the pipe `hold` ends The messages of a source are {"n":0}, {"n":1}, …; its state is the
 * number of the next message, in digits.
 */
#include "base/hg.h"

#include "base/mem.h"
#include "headgate/iggy_plugin.h"
#include "iggy/plugin/postcard.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

typedef struct inst {
    struct inst *next;
    uint32_t id;
    char config[1024];
    iggy_send_fn send;
    iggy_end_fn ended;
    iggy_reject_fn reject;
    iggy_gate_fn gate;
    int fd;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread, handling, closing, answered, acked;
    uint64_t pending, next_n, calls;
    /* ahead: ids without a result from first to before next_id, and the number behind each */
    uint64_t first, next_id, behind[64];
    uint32_t ahead; /* batches; 0: it waits for each */
    bool refused;
} inst_t;

static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static inst_t *g_insts;

static uint64_t number(const inst_t *i, const char *key, uint64_t dflt)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(i->config, quoted);
    return at ? strtoull(at + strlen(quoted), NULL, 10) : dflt;
}

static void text(const inst_t *i, const char *key, char *out, size_t cap)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *at = strstr(i->config, quoted);
    snprintf(out, cap, "%s", at ? at + strlen(quoted) : "");
    out[strcspn(out, "\"")] = 0;
}

static inst_t *find(uint32_t id, bool take)
{
    pthread_mutex_lock(&g_lock);
    inst_t **at = &g_insts;
    while (*at && (*at)->id != id) at = &(*at)->next;
    inst_t *i = *at;
    if (i && take) *at = i->next;
    pthread_mutex_unlock(&g_lock);
    return i;
}

static int32_t open_inst(uint32_t id, const uint8_t *config, size_t n, iggy_log_fn log, inst_t **ret)
{
    if (find(id, false)) return IGGY_INVALID;
    inst_t *i = HG_NEW(inst_t);
    i->id = id;
    i->fd = -1;
    pthread_mutex_init(&i->lock, NULL);
    pthread_cond_init(&i->changed, NULL);
    /* Without blanks, so that "key":value is found however it was written. */
    size_t out = 0;
    for (size_t k = 0; k < n && out + 1 < sizeof i->config; k++)
        if (config[k] != ' ' && config[k] != '\n') i->config[out++] = (char)config[k];
    pthread_mutex_lock(&g_lock);
    i->next = g_insts;
    g_insts = i;
    pthread_mutex_unlock(&g_lock);
    if (number(i, "log", 0)) {
        static const char hello[] = "opened by script";
        log(IGGY_LOG_INFO, (const uint8_t *)"scripted", 8, (const uint8_t *)hello, sizeof hello - 1);
    }
    for (uint64_t k = 0; k < number(i, "lines", 0); k++) {
        char line[32];
        int len = snprintf(line, sizeof line, "line %" PRIu64, k);
        log((uint8_t)(k % (IGGY_LOG_ERROR + 1)), (const uint8_t *)"scripted", 8, (const uint8_t *)line, (size_t)len);
    }
    *ret = i;
    return (int32_t)(int64_t)number(i, "open", 0);
}

static int32_t close_inst(uint32_t id)
{
    inst_t *i = find(id, true);
    if (!i) return IGGY_INVALID;
    pthread_mutex_lock(&i->lock);
    i->closing = true;
    pthread_cond_broadcast(&i->changed);
    while (i->handling) pthread_cond_wait(&i->changed, &i->lock);
    pthread_mutex_unlock(&i->lock);
    if (i->has_thread) pthread_join(i->thread, NULL);
    if (i->fd >= 0) close(i->fd);
    pthread_cond_destroy(&i->changed);
    pthread_mutex_destroy(&i->lock);
    hg_free(i);
    return IGGY_OK;
}

/* Comes back only from "close". */
static void die(const inst_t *i)
{
    char how[16], hold[512], c;
    text(i, "crash", how, sizeof how);
    text(i, "hold", hold, sizeof hold);
    if (strcmp(how, "segv") == 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (strcmp(how, "exit") == 0) _exit(7); /* exit() is what sanitizers report at */
    if (strcmp(how, "close") == 0) {
        close_range(3, ~0u, 0);
        return;
    }
    if (strcmp(how, "fork") == 0 && fork() == 0) {
        int fd = open(hold, O_RDONLY | O_CLOEXEC);
        while (read(fd, &c, 1) > 0) continue;
        _exit(0);
    }
    abort();
}

/* --- source --- */
int32_t iggy_source_open(uint32_t id, const uint8_t *config, size_t config_len, const uint8_t *state, size_t state_len,
                         iggy_log_fn log)
{
    inst_t *i = NULL;
    int32_t rc = open_inst(id, config, config_len, log, &i);
    if (!i) return rc;
    char digits[32] = "";
    if (state) memcpy(digits, state, HG_MIN(state_len, sizeof digits - 1));
    i->next_n = strtoull(digits, NULL, 10);
    return rc;
}

/* A batch of n messages into room: its length. */
static size_t make_batch(const inst_t *i, uint64_t batch_id, uint64_t from, uint64_t n, uint8_t *room, size_t cap)
{
    size_t least = number(i, "payload", 0);
    hg_pc_out_t o = { room, room + cap };
    char *payload = hg_xnew(least + 64);
    hg_pc_put_produced_begin(&o, (hg_pc_schema_t)number(i, "schema", 0), n);
    for (uint64_t k = 0; k < n; k++) {
        int len = snprintf(payload, 64, "{\"n\":%" PRIu64 "}", from + k);
        if ((size_t)len < least) {
            len = snprintf(payload, 64, "{\"n\":%" PRIu64 ",\"pad\":\"", from + k);
            while ((size_t)len + 2 < least) payload[len++] = 'x';
            payload[len++] = '"';
            payload[len++] = '}';
        }
        hg_pc_put_produced(&o, &(hg_pc_produced_t){ .payload = { payload, (size_t)len } });
    }
    char digits[32];
    int d = snprintf(digits, sizeof digits, "%" PRIu64, from + n);
    hg_pc_put_produced_end(&o, &(hg_str_t){ digits, (size_t)d });
    hg_free(payload);
    if (batch_id == number(i, "bad_at", 0)) room[0] = 99;
    return (size_t)(o.p - room);
}

/* Under lock, before the same again. */
static void pause_a_little(inst_t *i)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 5000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&i->changed, &i->lock, &until);
}

/* One batch out, and its answer. false: closed. */
static bool send_batch(inst_t *i, uint64_t batch_id, uint64_t from, uint64_t n, uint8_t *room, size_t cap)
{
    size_t len = make_batch(i, batch_id, from, n, room, cap);
    pthread_mutex_lock(&i->lock);
    i->pending = batch_id;
    i->answered = false;
    pthread_mutex_unlock(&i->lock);
    int32_t rc = i->send(i->id, batch_id, room, len);
    pthread_mutex_lock(&i->lock);
    if (rc != 0) i->answered = true, i->acked = false;
    while (!i->answered && !i->closing) pthread_cond_wait(&i->changed, &i->lock);
    if (i->answered && i->acked) i->next_n = from + n;
    if (i->answered && !i->acked && !i->closing) pause_a_little(i);
    bool go_on = !i->closing;
    pthread_mutex_unlock(&i->lock);
    return go_on;
}

/* The next batch out, once there may be one more without a result; from *at on, which goes back to what was
 * acknowledged when one was refused. false: closed, or all is acknowledged. */
static bool send_ahead(inst_t *i, uint64_t *at, uint64_t n, uint64_t end, uint8_t *room, size_t cap)
{
    pthread_mutex_lock(&i->lock);
    while (!i->refused && !i->closing && i->next_id > i->first && (i->next_id - i->first >= i->ahead || *at >= end))
        pthread_cond_wait(&i->changed, &i->lock);
    if (i->refused) {
        i->refused = false;
        i->first = ++i->next_id; /* the gap by which the host knows */
        *at = i->next_n;
        pause_a_little(i);
    }
    bool go_on = !i->closing && *at < end;
    uint64_t id = i->next_id;
    if (go_on) i->behind[i->next_id++ % HG_COUNT(i->behind)] = *at + n;
    pthread_mutex_unlock(&i->lock);
    if (!go_on) return false;
    if (id == number(i, "crash_at", 0)) die(i);
    if (i->send(i->id, id, room, make_batch(i, id, *at, n, room, cap)) != 0) {
        pthread_mutex_lock(&i->lock);
        i->refused = true;
        pthread_mutex_unlock(&i->lock);
    }
    *at += n;
    return true;
}

static void pause_ms(const inst_t *i)
{
    uint64_t ms = number(i, "poll_ms", 0);
    if (ms) usleep((useconds_t)ms * 1000);
}

static void *produce(void *arg)
{
    inst_t *i = arg;
    uint64_t n = number(i, "messages", 10), batches = number(i, "batches", 0);
    size_t cap = n * (number(i, "payload", 0) + 128) + 256;
    uint8_t *room = hg_xnew(cap);
    uint64_t at = i->next_n, end = batches ? batches * n : UINT64_MAX;
    while (i->ahead && send_ahead(i, &at, n, end, room, cap)) pause_ms(i);
    for (uint64_t id = 1; !i->ahead || i->next_n >= end; id++) { /* ahead: only its end */
        if (batches && i->next_n >= batches * n) {
            if (i->ended) i->ended(i->id);
            break;
        }
        if (id == number(i, "crash_at", 0)) die(i);
        if (!send_batch(i, id, i->next_n, id <= number(i, "empty", 0) ? 0 : n, room, cap)) break;
        pause_ms(i);
    }
    hg_free(room);
    return NULL;
}

int32_t iggy_source_handle_v2(uint32_t id, iggy_send_fn send)
{
    pthread_mutex_lock(&g_lock); /* close takes it out of the list under this lock, and then waits for handling */
    inst_t *i = g_insts;
    while (i && i->id != id) i = i->next;
    if (i) pthread_mutex_lock(&i->lock), i->handling = true;
    pthread_mutex_unlock(&g_lock);
    if (!i) return IGGY_INVALID;
    i->send = send;
    i->has_thread = pthread_create(&i->thread, NULL, produce, i) == 0;
    bool started = i->has_thread;
    while (started && number(i, "block", 0) && !i->closing) pthread_cond_wait(&i->changed, &i->lock);
    i->handling = false;
    pthread_cond_broadcast(&i->changed);
    pthread_mutex_unlock(&i->lock);
    return started ? IGGY_OK : IGGY_INVALID;
}

int32_t iggy_source_batch_result(uint32_t id, uint64_t batch_id, uint8_t result)
{
    inst_t *i = find(id, false);
    if (!i) return IGGY_INVALID;
    pthread_mutex_lock(&i->lock);
    bool mine = i->ahead ? batch_id >= i->first && batch_id < i->next_id : i->pending == batch_id && !i->answered;
    if (mine && i->ahead) {
        if (result == IGGY_ACK) {
            i->next_n = i->behind[batch_id % HG_COUNT(i->behind)];
            i->first = batch_id + 1;
        } else {
            i->refused = true;
        }
        pthread_cond_broadcast(&i->changed);
    } else if (mine) {
        i->answered = true;
        i->acked = result == IGGY_ACK;
        pthread_cond_broadcast(&i->changed);
    }
    pthread_mutex_unlock(&i->lock);
    return mine ? IGGY_OK : IGGY_INVALID;
}

int32_t iggy_source_close(uint32_t id)
{
    return close_inst(id);
}

int32_t iggy_source_ahead(uint32_t id, uint32_t batches, uint64_t bytes)
{
    inst_t *i = find(id, false);
    if (!i || !number(i, "ahead", 0)) return IGGY_INVALID;
    (void)bytes;
    i->ahead = batches;
    i->first = i->next_id = 1;
    return IGGY_OK;
}

int32_t iggy_source_on_end(uint32_t id, iggy_end_fn ended)
{
    inst_t *i = find(id, false);
    if (!i) return IGGY_INVALID;
    i->ended = ended;
    return IGGY_OK;
}

const char *iggy_source_version(void)
{
    return "1.2.3-scripted";
}

/* --- sink --- */
int32_t iggy_sink_open(uint32_t id, const uint8_t *config, size_t config_len, iggy_log_fn log)
{
    inst_t *i = NULL;
    int32_t rc = open_inst(id, config, config_len, log, &i);
    if (!i) return rc;
    char file[512];
    text(i, "file", file, sizeof file);
    if (file[0]) i->fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return rc;
}

static bool leaves_out(const inst_t *i, uint32_t k, hg_str_t payload)
{
    char why[64];
    uint64_t every = number(i, "reject", 0);
    if (!every || payload.n < 6 || memcmp(payload.p, "{\"n\":", 5) != 0) return false;
    uint64_t n = strtoull(payload.p + 5, NULL, 10);
    if (n % every != 0) return false;
    int len = snprintf(why, sizeof why, "%" PRIu64 " is not wanted", n);
    if (i->reject) i->reject(i->id, k, (const uint8_t *)why, (size_t)len);
    return true;
}

static int32_t append(inst_t *i, const uint8_t *messages, size_t len)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pc_in_t in = hg_pc_in(messages, len);
    hg_pc_schema_t schema;
    uint64_t n;
    hg_buf_t lines;
    hg_buf_init(&lines, HG_BUF_NOMAX);
    int rc = hg_pc_get_raw_begin(&in, &schema, &n, &err);
    for (uint64_t k = 0; rc == 0 && k < n; k++) {
        hg_pc_raw_view_t v;
        rc = hg_pc_get_raw(&in, &v, &err);
        if (rc == 0 && leaves_out(i, (uint32_t)k, v.m.payload)) continue;
        if (rc == 0) hg_buf_addstr(&lines, v.m.payload), hg_buf_addc(&lines, '\n');
    }
    if (rc == 0 && number(i, "marks", 0)) hg_buf_addf(&lines, "# %" PRIu64 "\n", n);
    if (rc == 0 && lines.len && i->gate && i->gate(i->id) != IGGY_OK) rc = HG_EIO;
    if (rc == 0 && i->fd >= 0 && lines.len && write(i->fd, lines.p, lines.len) != (ssize_t)lines.len) rc = HG_EIO;
    hg_buf_release(&lines);
    return rc == 0 ? IGGY_OK : rc == HG_EIO ? IGGY_ERR : IGGY_INVALID;
}

int32_t iggy_sink_consume(uint32_t id, const uint8_t *topic, size_t topic_len, const uint8_t *meta, size_t meta_len,
                          const uint8_t *messages, size_t messages_len)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pc_in_t t = hg_pc_in(topic, topic_len), m = hg_pc_in(meta, meta_len);
    hg_str_t stream, name;
    hg_pc_meta_t md;
    inst_t *i = find(id, false);
    if (!i || hg_pc_get_topic(&t, &stream, &name, &err) < 0 || hg_pc_get_meta(&m, &md, &err) < 0) return IGGY_INVALID;
    pthread_mutex_lock(&i->lock);
    uint64_t call = ++i->calls;
    pthread_mutex_unlock(&i->lock);
    if (number(i, "slow_ms", 0)) usleep((useconds_t)number(i, "slow_ms", 0) * 1000);
    if (call == number(i, "crash_at", 0)) die(i);
    if (call == number(i, "fatal_at", 0)) return IGGY_INVALID;
    if (number(i, "fail_every", 0) && call % number(i, "fail_every", 0) == 0) {
        if (i->reject && number(i, "reject", 0)) i->reject(i->id, 1, (const uint8_t *)"for nothing", 11);
        return IGGY_ERR;
    }
    return append(i, messages, messages_len);
}

int32_t iggy_sink_on_reject(uint32_t id, iggy_reject_fn reject)
{
    inst_t *i = find(id, false);
    if (!i) return IGGY_INVALID;
    i->reject = reject;
    return IGGY_OK;
}

int32_t iggy_sink_on_gate(uint32_t id, iggy_gate_fn gate)
{
    inst_t *i = find(id, false);
    if (!i || !number(i, "gate", 0)) return IGGY_INVALID;
    i->gate = gate;
    return IGGY_OK;
}

int32_t iggy_sink_wants(uint32_t id, iggy_sink_wants_t *w)
{
    const inst_t *i = find(id, false);
    if (!i) return IGGY_INVALID;
    *w = (iggy_sink_wants_t){ number(i, "want_messages", 0), number(i, "want_bytes", 0), number(i, "want_ms", 0) };
    return IGGY_OK;
}

int32_t iggy_sink_close(uint32_t id)
{
    return close_inst(id);
}

const char *iggy_sink_version(void)
{
    return "1.2.3-scripted";
}
