/* Any bytes as what an Iggy server answers: a header, a payload of any command, user headers. First byte: the protocol
 * (bit 7) and the command. Whatever is accepted can be read to its end and lies within the bytes. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/client/wire_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum; /* of every byte that is told, so that each is touched */

static void touch(hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++) sum += (uint8_t)s.p[i];
}

static void frame(hg_iggy_proto_t proto, const uint8_t *p, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    iggy_head_t h;
    int rc = iggy_head_parse(proto, p, n, 4096, &h, &err);
    HG_ASSERT(rc >= 0 || err.msg[0]);
    HG_ASSERT(rc <= 0 || (h.size >= h.head && h.size <= 4096));
    if (rc > 0 && h.kind == IGGY_EVICTION) HG_ASSERT(hg_iggy_code_name(h.status));
}

static void headers(hg_str_t s)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_header_t h;
    hg_buf_t again;
    hg_str_t rest = s;
    int rc;
    hg_buf_init(&again, HG_BUF_NOMAX);
    while ((rc = hg_iggy_header_next(&rest, &h, &err)) > 0) HG_ASSERT(hg_iggy_header_add(&again, &h, &err) == 0);
    HG_ASSERT(again.len == s.n - rest.n && memcmp(again.p, s.p, again.len) == 0);
    hg_buf_release(&again);
}

static int polled(hg_iggy_in_t *in, hg_err_t *err)
{
    hg_iggy_polled_t p;
    hg_iggy_message_t m;
    uint32_t n = 0;
    int rc = hg_iggy_read_polled(in, &p, err);
    if (rc < 0) return rc;
    while (hg_iggy_messages_next(&p.messages, &m)) {
        touch(m.payload);
        headers(m.headers);
        n++;
    }
    HG_ASSERT(n == p.count);
    return rc;
}

static int numbers(hg_str_t s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) sum += hg_iggy_nth_u32(s, i);
    return 1;
}

static int topic(hg_iggy_in_t *in, hg_iggy_op_t op, hg_err_t *err)
{
    hg_iggy_topic_t t;
    hg_iggy_partition_t p;
    int rc = hg_iggy_read_topic(in, &t, err);
    if (rc <= 0) return rc;
    touch(t.name);
    if (op == HG_IGGY_GET_TOPIC)
        while ((rc = hg_iggy_read_partition(in, &p, err)) > 0)
            ;
    return rc;
}

static int group(hg_iggy_in_t *in, hg_iggy_op_t op, hg_err_t *err)
{
    hg_iggy_group_t g;
    hg_iggy_member_t m;
    int rc = hg_iggy_read_group(in, &g, err);
    if (rc <= 0) return rc;
    touch(g.name);
    if (op == HG_IGGY_GET_GROUP)
        while ((rc = hg_iggy_read_member(in, &m, err)) > 0) numbers(m.partitions, m.n);
    return rc;
}

/* Reads one thing of the answer to op: more than 0 to go on. */
static int one(hg_iggy_in_t *in, unsigned op, hg_err_t *err)
{
    union {
        hg_iggy_stream_t stream;
        hg_iggy_assignment_t as;
        hg_iggy_offset_t offset;
        hg_iggy_sent_t sent;
        hg_iggy_client_info_t client;
        hg_iggy_node_t node;
        hg_iggy_stats_t stats;
        hg_iggy_token_info_t token;
        hg_iggy_option_info_t option;
        iggy_login_t login;
        hg_str_t text;
    } u;
    int rc;
    switch (op) {
    case HG_IGGY_POLL:
        return polled(in, err) < 0 ? -1 : 0;
    case HG_IGGY_GET_STREAM:
        return hg_iggy_read_stream(in, &u.stream, err);
    case HG_IGGY_GET_TOPIC:
    case HG_IGGY_GET_TOPICS:
        return topic(in, op, err);
    case HG_IGGY_GET_GROUP:
    case HG_IGGY_GET_GROUPS:
        return group(in, op, err);
    case HG_IGGY_SYNC_GROUP:
        rc = hg_iggy_read_assignment(in, &u.as, err);
        return rc > 0 ? numbers(u.as.partitions, u.as.n) : rc;
    case HG_IGGY_GET_OFFSET:
        return hg_iggy_read_offset(in, &u.offset, err);
    case HG_IGGY_SEND:
        return hg_iggy_read_sent(in, &u.sent, err);
    case HG_IGGY_GET_CLIENTS:
        return hg_iggy_read_client(in, &u.client, err);
    case HG_IGGY_GET_CLUSTER:
        return hg_iggy_read_node(in, &u.node, err);
    case HG_IGGY_GET_STATS:
        return hg_iggy_read_stats(in, &u.stats, err) > 0 ? 0 : -1;
    case HG_IGGY_CREATE_TOKEN:
        return hg_iggy_read_token(in, &u.text, err) > 0 ? 0 : -1;
    case HG_IGGY_GET_TOKENS:
        return hg_iggy_read_token_info(in, &u.token, err);
    case HG_IGGY_GET_OPTIONS:
        return hg_iggy_read_option(in, &u.option, err);
    case HG_IGGY_LOGIN:
        return iggy_read_login(in, &u.login, err) > 0 ? 0 : -1;
    default:
        return 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    hg_iggy_proto_t proto = data[0] & 0x80 ? HG_IGGY_CLASSIC : HG_IGGY_VSR;
    unsigned op = data[0] & 0x7f;
    /* a copy of its own: a byte too far is seen */
    size_t n = size - 1;
    uint8_t *p = hg_xnew(n + 1);
    memcpy(p, data + 1, n);
    hg_err_t err = HG_ERR_INIT;
    frame(proto, p, n);
    headers((hg_str_t){ (char *)p, n });
    if (op < HG_IGGY_N_COMMANDS) {
        hg_iggy_in_t in = { p, p + n, proto };
        uint32_t code = 0;
        int rc = proto == HG_IGGY_VSR ? iggy_result(op, &in, &code, &err) : 0;
        if (rc >= 0 && !code) rc = iggy_read_count(&in, op, &err);
        while (rc >= 0 && !code && one(&in, op, &err) > 0)
            ;
        HG_ASSERT(in.p <= in.end);
    }
    hg_free(p);
    return 0;
}
