/* decode.c: payloads of answers. Each function reads one thing from the front and moves on only if all of it is there.
 */
#include "base/hg.h"
#include "iggy/client/wire_int.h"

/* A reader that remembers that it ran out. */
typedef struct {
    const uint8_t *p, *end;
    bool bad;
} rd_t;

static const uint8_t *take(rd_t *r, size_t n)
{
    static const uint8_t zero[16];
    if (r->bad || n > (size_t)(r->end - r->p)) {
        r->bad = true;
        return zero;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

static uint8_t r8(rd_t *r)
{
    return *take(r, 1);
}

static uint16_t r16(rd_t *r)
{
    return iggy_get16(take(r, 2));
}

static uint32_t r32(rd_t *r)
{
    return iggy_get32(take(r, 4));
}

static uint64_t r64(rd_t *r)
{
    return iggy_get64(take(r, 8));
}

static hg_str_t rbytes(rd_t *r, uint64_t n)
{
    if (r->bad || n > (uint64_t)(r->end - r->p)) {
        r->bad = true;
        return HG_S("");
    }
    return (hg_str_t){ (const char *)take(r, (size_t)n), (size_t)n };
}

static hg_str_t rname(rd_t *r)
{
    return rbytes(r, r8(r));
}

static hg_str_t rstr32(rd_t *r)
{
    return rbytes(r, r32(r));
}

static rd_t start(const hg_iggy_in_t *in)
{
    return (rd_t){ in->p, in->end, false };
}

/* All readers end here: done, or nothing has happened. */
static int finish(hg_iggy_in_t *in, const rd_t *r, const char *what, hg_err_t *err)
{
    if (r->bad)
        return hg_err_set(err, HG_EPROTO, "the server's answer is damaged: %s of %zu bytes", what,
                          (size_t)(in->end - in->p));
    in->p = r->p;
    return 1;
}

int iggy_result(hg_iggy_op_t op, hg_iggy_in_t *in, uint32_t *ret_code, hg_err_t *err)
{
    bool login = iggy_cmds[op].operation == 1;
    *ret_code = 0;
    if (!(iggy_cmds[op].bits & HG_IGGY_R) && !login) return 0;
    if (login && in->p == in->end) {
        *ret_code = HG_IGGY_E_UNAUTHENTICATED;
        return 0;
    }
    rd_t r = start(in);
    uint32_t n = r32(&r), code = 0;
    if (n) {
        (void)r32(&r); /* index */
        code = r32(&r);
        (void)rbytes(&r, (uint64_t)(n - 1) * 8);
        if (!code) r.bad = true; /* an error that is none */
    }
    int rc = finish(in, &r, "a result", err);
    if (rc < 0) return rc;
    *ret_code = code;
    return 0;
}

int iggy_read_login(hg_iggy_in_t *in, iggy_login_t *ret, hg_err_t *err)
{
    rd_t r = start(in);
    iggy_login_t l = { 0 };
    (void)r32(&r); /* the user */
    if (in->proto == HG_IGGY_VSR) {
        l.session = r64(&r);
        l.version = r32(&r);
        l.server = rname(&r);
        if (!l.session) r.bad = true;
    }
    int rc = finish(in, &r, "a login", err);
    if (rc > 0) *ret = l;
    return rc;
}

int iggy_read_count(hg_iggy_in_t *in, hg_iggy_op_t op, hg_err_t *err)
{
    bool cluster = op == HG_IGGY_GET_CLUSTER, counted = cluster || op == HG_IGGY_GET_OPTIONS || op == HG_IGGY_SEND ||
                                                        (op == HG_IGGY_GET_TOPICS && in->proto == HG_IGGY_VSR);
    if (!counted || in->p == in->end) return 0;
    rd_t r = start(in);
    if (cluster) (void)rstr32(&r); /* its name */
    (void)r32(&r);
    return finish(in, &r, "a list", err);
}

int hg_iggy_read_node(hg_iggy_in_t *in, hg_iggy_node_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_node_t n = { .name = rstr32(&r) };
    n.host = rstr32(&r);
    n.tcp = r16(&r);
    n.quic = r16(&r);
    n.http = r16(&r);
    n.websocket = r16(&r);
    n.leader = r8(&r) == 0;
    n.status = r8(&r);
    n.healthy = n.status == 0;
    int rc = finish(in, &r, "a node", err);
    if (rc > 0) *ret = n;
    return rc;
}

int hg_iggy_read_stream(hg_iggy_in_t *in, hg_iggy_stream_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_stream_t s = { .id = r32(&r) };
    s.created_at = r64(&r);
    s.topics = r32(&r);
    s.bytes = r64(&r);
    s.messages = r64(&r);
    s.name = rname(&r);
    if (in->proto == HG_IGGY_VSR) (void)rstr32(&r); /* options */
    int rc = finish(in, &r, "a stream", err);
    if (rc > 0) *ret = s;
    return rc;
}

int hg_iggy_read_topic(hg_iggy_in_t *in, hg_iggy_topic_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_topic_t t = { .id = r32(&r) };
    t.created_at = r64(&r);
    t.partitions = r32(&r);
    t.opts.expiry = r64(&r);
    t.opts.compression = r8(&r) == 2 ? HG_IGGY_GZIP : HG_IGGY_PLAIN;
    t.opts.max_size = r64(&r);
    if (in->proto == HG_IGGY_CLASSIC) (void)r8(&r); /* replication factor */
    t.bytes = r64(&r);
    t.messages = r64(&r);
    t.name = rname(&r);
    if (in->proto == HG_IGGY_VSR) {
        (void)rstr32(&r); /* options that were given */
        (void)rstr32(&r); /* and those that follow from the server */
    }
    int rc = finish(in, &r, "a topic", err);
    if (rc > 0) *ret = t;
    return rc;
}

int hg_iggy_read_partition(hg_iggy_in_t *in, hg_iggy_partition_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_partition_t p = { .id = r32(&r) };
    p.created_at = r64(&r);
    p.segments = r32(&r);
    p.newest = r64(&r);
    p.bytes = r64(&r);
    p.messages = r64(&r);
    int rc = finish(in, &r, "a partition", err);
    if (rc > 0) *ret = p;
    return rc;
}

int hg_iggy_read_group(hg_iggy_in_t *in, hg_iggy_group_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_group_t g = { .id = r32(&r) };
    g.partitions = r32(&r);
    g.members = r32(&r);
    g.name = rname(&r);
    int rc = finish(in, &r, "a consumer group", err);
    if (rc > 0) *ret = g;
    return rc;
}

int hg_iggy_read_member(hg_iggy_in_t *in, hg_iggy_member_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_member_t m = { .id = r32(&r) };
    m.n = r32(&r);
    m.partitions = rbytes(&r, (uint64_t)m.n * 4);
    int rc = finish(in, &r, "a member", err);
    if (rc > 0) *ret = m;
    return rc;
}

int hg_iggy_read_assignment(hg_iggy_in_t *in, hg_iggy_assignment_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_assignment_t a = { .generation = r64(&r) };
    a.n = r32(&r);
    a.partitions = rbytes(&r, (uint64_t)a.n * 4);
    int rc = finish(in, &r, "an assignment", err);
    if (rc > 0) *ret = a;
    return rc;
}

int hg_iggy_read_offset(hg_iggy_in_t *in, hg_iggy_offset_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_offset_t o = { .partition = r32(&r) };
    o.newest = r64(&r);
    o.stored = r64(&r);
    int rc = finish(in, &r, "an offset", err);
    if (rc > 0) *ret = o;
    return rc;
}

int hg_iggy_read_polled(hg_iggy_in_t *in, hg_iggy_polled_t *ret, hg_err_t *err)
{
    rd_t r = start(in);
    hg_iggy_polled_t p = { .partition = r32(&r) };
    p.newest = r64(&r);
    p.count = r32(&r);
    p.messages = (hg_iggy_messages_t){ .p = r.p, .end = r.end, .left = p.count, .proto = in->proto };
    if (!r.bad) {
        int rc = iggy_messages_check(in->proto, r.p, r.end, p.count, err);
        if (rc < 0) return rc;
        r.p = r.end;
    }
    int rc = finish(in, &r, "a poll", err);
    if (rc > 0) *ret = p;
    return rc;
}

int hg_iggy_read_sent(hg_iggy_in_t *in, hg_iggy_sent_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_sent_t s = { .stream = r32(&r) };
    s.topic = r32(&r);
    s.partition = r32(&r);
    s.base_offset = r64(&r);
    int rc = finish(in, &r, "a confirmation", err);
    if (rc > 0) *ret = s;
    return rc;
}

int hg_iggy_read_client(hg_iggy_in_t *in, hg_iggy_client_info_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_client_info_t c = { .id = r32(&r) };
    c.user_id = r32(&r);
    c.transport = r8(&r);
    c.address = rstr32(&r);
    c.groups = r32(&r);
    int rc = finish(in, &r, "a client", err);
    if (rc > 0) *ret = c;
    return rc;
}

int hg_iggy_read_stats(hg_iggy_in_t *in, hg_iggy_stats_t *ret, hg_err_t *err)
{
    rd_t r = start(in);
    hg_iggy_stats_t s = { .process_id = r32(&r) };
    (void)r64(&r); /* the process's and the machine's share of a CPU, as f32 */
    s.memory = r64(&r);
    (void)take(&r, 16); /* the machine's memory, all and free */
    s.run_time = r64(&r);
    s.start_time = r64(&r);
    s.read_bytes = r64(&r);
    s.written_bytes = r64(&r);
    s.messages_bytes = r64(&r);
    s.streams = r32(&r);
    s.topics = r32(&r);
    s.partitions = r32(&r);
    s.segments = r32(&r);
    s.messages = r64(&r);
    s.clients = r32(&r);
    s.groups = r32(&r);
    s.hostname = rstr32(&r);
    s.os_name = rstr32(&r);
    s.os_version = rstr32(&r);
    s.kernel_version = rstr32(&r);
    s.server_version = rstr32(&r);
    int rc = finish(in, &r, "statistics", err);
    if (rc > 0) *ret = s;
    return rc;
}

int hg_iggy_read_token(hg_iggy_in_t *in, hg_str_t *ret, hg_err_t *err)
{
    rd_t r = start(in);
    hg_str_t token = rname(&r);
    int rc = finish(in, &r, "a token", err);
    if (rc > 0) *ret = token;
    return rc;
}

int hg_iggy_read_token_info(hg_iggy_in_t *in, hg_iggy_token_info_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_token_info_t t = { .name = rname(&r) };
    t.expires_at = r64(&r);
    int rc = finish(in, &r, "a token", err);
    if (rc > 0) *ret = t;
    return rc;
}

int hg_iggy_read_option(hg_iggy_in_t *in, hg_iggy_option_info_t *ret, hg_err_t *err)
{
    if (in->p == in->end) return 0;
    rd_t r = start(in);
    hg_iggy_option_info_t o = { .key = rname(&r) };
    o.kind = r8(&r);
    o.value = rstr32(&r);
    o.description = rstr32(&r);
    int rc = finish(in, &r, "an option", err);
    if (rc > 0) *ret = o;
    return rc;
}
