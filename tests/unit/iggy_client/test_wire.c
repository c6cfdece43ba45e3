/* Iggy's protocol, byte for byte: the worked examples of its description, both ways, both framings. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/client/wire_int.h"
#include "tests/unit/iggy_client/hex.h"
#include <setjmp.h>
#include <cmocka.h>

#define STREAM hg_iggy_named(HG_S("hg-stream"))
#define TOPIC  hg_iggy_named(HG_S("hg-topic"))
#define GROUP  hg_iggy_named(HG_S("hg-group"))
#define S_HEX  "020968672d73747265616d"
#define T_HEX  "020868672d746f706963"
#define G_HEX  "020868672d67726f7570"
#define CID    "0102030405060708090a0b0c0d0e0f10"

static const uint8_t client_id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

static void same(const char *what, const char *p, size_t n, const char *hex)
{
    hg_buf_t want;
    hg_buf_init(&want, HG_BUF_NOMAX);
    hex_add(&want, hex);
    if (n != want.len || memcmp(p, want.p, n) != 0) {
        size_t at = 0;
        while (at < n && at < want.len && p[at] == want.p[at]) at++;
        fprintf(stderr, "%s: %zu bytes, wanted %zu; the first difference is at %zu\n", what, n, want.len, at);
        fail();
    }
    hg_buf_release(&want);
}

static void encode(hg_iggy_proto_t proto, const hg_iggy_cmd_t *cmd, hg_buf_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(out, HG_BUF_NOMAX);
    if (iggy_encode(proto, cmd, out, &err) < 0) fail_msg("%s", err.msg);
}

/* The body of a VSR request, its operation and its code. */
static void body_is(const hg_iggy_cmd_t *cmd, unsigned operation, unsigned code, const char *hex)
{
    hg_buf_t b;
    encode(HG_IGGY_VSR, cmd, &b);
    const uint8_t *p = (const uint8_t *)b.p;
    assert_int_equal(iggy_get32(p + 48), b.len);
    assert_int_equal(p[60], 5);
    assert_int_equal(p[176], operation);
    assert_int_equal(iggy_get32(p + 196), operation == 2 ? code : 0);
    same(iggy_cmds[cmd->op].name, b.p + IGGY_HEAD, b.len - IGGY_HEAD, hex);
    hg_buf_release(&b);
}

static void classic_is(const hg_iggy_cmd_t *cmd, const char *hex)
{
    hg_buf_t b;
    encode(HG_IGGY_CLASSIC, cmd, &b);
    same(iggy_cmds[cmd->op].name, b.p, b.len, hex);
    hg_buf_release(&b);
}

static void frame_is(const hg_iggy_cmd_t *cmd, uint64_t session, uint64_t request, const char *hex)
{
    hg_buf_t b;
    encode(HG_IGGY_VSR, cmd, &b);
    iggy_stamp(b.p, client_id, session, request);
    same(iggy_cmds[cmd->op].name, b.p, IGGY_HEAD, hex);
    hg_buf_release(&b);
}

/* --- VSR: headers --- */

static void test_headers(void **state)
{
    (void)state;
    frame_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_PING }, 0, 1,
             "00*49 01 00*10 05 00*67 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 00*24 01 00*7 02 00*19 01 00*59");
    frame_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_STREAM, .name = HG_S("hg-stream") }, 7, 1,
             "00*48 0a 01 00*10 05 00*67 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 79 f9 d2 63 18 97 6f a5 00*16 "
             "01 00*7 80 00*7 07 00*71");
}

/* The login of the official client, its name and version instead of ours, has the checksum that was captured: ours is
 * checked by what a server would do with it. */
static void test_login(void **state)
{
    (void)state;
    hg_iggy_cmd_t login = { .op = HG_IGGY_LOGIN, .name = HG_S("iggy"), .secret = HG_S("iggy") };
    body_is(&login, 1, 0, "002c0000 08 6865616467617465 05 302e312e30 04 69676779 04 69676779 00000000");
    frame_is(&login, 0, 0,
             "00*48 21 01 00*10 05 00*67 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 4d 91 fa ce d9 3f f5 05 00*24 "
             "01 00*79");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_LOGIN_TOKEN, .secret = HG_S("tok-1") }, 1, 0,
            "002c0000 08 6865616467617465 05 302e312e30 05 746f6b2d31 00000000");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_LOGOUT }, 3, 0, "");
}

/* --- VSR: bodies --- */

static void test_streams_and_topics(void **state)
{
    (void)state;
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_GET_STREAM, .stream = STREAM }, 2, 200, S_HEX);
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_GET_STREAM, .stream = hg_iggy_num(3) }, 2, 200, "01 04 03000000");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_STREAM, .name = HG_S("hg-stream") }, 128, 0,
            "09 68672d73747265616d");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_UPDATE_STREAM, .stream = hg_iggy_num(3), .name = HG_S("x") }, 129, 0,
            "01 04 03000000 01 78");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_STREAM, .stream = STREAM }, 130, 0, S_HEX);
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_PURGE_STREAM, .stream = STREAM }, 131, 0, S_HEX);
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOPIC, .stream = STREAM, .topic = TOPIC }, 2, 300,
            "020968672d73747265616d020868672d746f706963");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOPIC, .stream = STREAM, .count = 2, .name = HG_S("hg-topic") }, 132,
            0, "02 09 68672d73747265616d 02000000 08 68672d746f706963");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOPIC,
                              .stream = STREAM,
                              .count = 2,
                              .name = HG_S("hg-topic"),
                              .topic_opts = { .expiry = UINT64_C(3600000000), .max_size = 1000000000 } },
            132, 0,
            "020968672d73747265616d020000000868672d746f706963 "
            "020e0000006d6573736167655f6578706972790c0800000000a493d600000000 "
            "020e0000006d61785f746f7069635f73697a650c0800000000ca9a3b00000000");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_TOPIC, .stream = STREAM, .topic = TOPIC }, 134, 0, S_HEX T_HEX);
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_PURGE_TOPIC, .stream = STREAM, .topic = TOPIC }, 135, 0, S_HEX T_HEX);
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_PARTITIONS, .stream = STREAM, .topic = TOPIC, .count = 3 }, 136, 0,
            "020968672d73747265616d020868672d746f70696303000000");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_DELETE_SEGMENTS, .stream = STREAM, .topic = TOPIC, .count = 1 }, 138, 0,
            "020968672d73747265616d020868672d746f7069630000000001000000");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOKEN, .name = HG_S("tok"), .expiry = UINT64_C(3600000000) }, 146, 0,
            "03 746f6b 00a493d600000000");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_GET_OPTIONS, .count = 1 }, 2, 13, "01");
    body_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_GET_CLIENT, .count = 1 }, 2, 21, "01000000");
}

static void test_groups(void **state)
{
    (void)state;
    hg_iggy_cmd_t c = { .op = HG_IGGY_CREATE_GROUP, .stream = STREAM, .topic = TOPIC, .name = HG_S("hg-group") };
    body_is(&c, 139, 0, "020968672d73747265616d 020868672d746f706963 08 68672d67726f7570");
    c.group = GROUP;
    c.op = HG_IGGY_JOIN_GROUP;
    body_is(&c, 148, 0, "020968672d73747265616d 020868672d746f706963 02 08 68672d67726f7570");
    c.op = HG_IGGY_LEAVE_GROUP;
    body_is(&c, 149, 0, S_HEX T_HEX G_HEX);
    c.op = HG_IGGY_SYNC_GROUP;
    body_is(&c, 2, 606, S_HEX T_HEX G_HEX);
}

static void test_offsets(void **state)
{
    (void)state;
    hg_iggy_cmd_t c = {
        .op = HG_IGGY_STORE_OFFSET, .stream = STREAM, .topic = TOPIC, .consumer = { true, GROUP }, .offset = 5
    };
    body_is(&c, 161, 0,
            "02 0208 68672d67726f7570 020968672d73747265616d 020868672d746f706963 01 00000000 0500000000000000 01");
    c.consumer = (hg_iggy_consumer_id_t){ false, hg_iggy_num(1) };
    c.op = HG_IGGY_DELETE_OFFSET;
    body_is(&c, 162, 0, "01010401000000020968672d73747265616d020868672d746f706963010000000001");
    c.op = HG_IGGY_GET_OFFSET;
    body_is(&c, 2, 120, "01010401000000020968672d73747265616d020868672d746f7069630100000000");
}

static void test_polls(void **state)
{
    (void)state;
    hg_iggy_cmd_t c = { .op = HG_IGGY_POLL,
                        .stream = STREAM,
                        .topic = TOPIC,
                        .consumer = { false, hg_iggy_num(1) },
                        .strategy = { HG_IGGY_NEXT, 0 },
                        .count = 10,
                        .auto_commit = true };
    body_is(&c, 2, 100,
            "010104 01000000 020968672d73747265616d 020868672d746f706963 01 00000000 05 0000000000000000 0a000000 01");
    c.consumer = (hg_iggy_consumer_id_t){ true, GROUP };
    c.auto_commit = false;
    body_is(&c, 2, 100,
            "02 0208 68672d67726f7570 020968672d73747265616d 020868672d746f706963 01 00000000 05 0000000000000000 "
            "0a000000 00");
    c.consumer = (hg_iggy_consumer_id_t){ false, hg_iggy_named(HG_S("c-1")) };
    c.partition = 1;
    c.strategy = (hg_iggy_strategy_t){ HG_IGGY_OFFSET, 42 };
    c.count = 100;
    body_is(&c, 2, 100,
            "01 0203 632d31 020968672d73747265616d 020868672d746f706963 01 01000000 01 2a00000000000000 64000000 00");
}

/* --- messages --- */

static void headers_of_3_6(hg_buf_t *h)
{
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(h, HG_BUF_NOMAX);
    assert_int_equal(
        hg_iggy_header_add(h, &(hg_iggy_header_t){ HG_IGGY_H_STRING, HG_IGGY_H_STRING, HG_S("k1"), HG_S("v1") }, &err),
        0);
    assert_int_equal(
        hg_iggy_header_add(h, &(hg_iggy_header_t){ HG_IGGY_H_STRING, HG_IGGY_H_UINT32, HG_S("n"), { "\x07\0\0", 4 } },
                           &err),
        0);
}

static void two_messages(hg_iggy_batch_t *b, hg_str_t headers)
{
    hg_err_t err = HG_ERR_INIT;
    uint64_t t = UINT64_C(1700000000000000);
    hg_iggy_batch_init(b);
    hg_iggy_message_t one = { .id = 1, .origin_timestamp = t, .payload = HG_S("hello"), .headers = headers };
    hg_iggy_message_t two = { .id = 2, .origin_timestamp = t + 5, .payload = HG_S("world") };
    assert_int_equal(hg_iggy_batch_add(b, &one, &err), 0);
    assert_int_equal(hg_iggy_batch_add(b, &two, &err), 0);
}

#define FRAME_1                                                                                                        \
    " 43c90273a228db800100000000000000000000000000000000000000000000001d00000005000000000000000000000068656c6c6f02020" \
    "0"                                                                                                                \
    "00"                                                                                                               \
    "006b310202000000763102010000006e0b0400000007000000"
#define FRAME_2                                                                                                        \
    "c590c02ce7d1353c02000000000000000000000000000000010000000500000000000000050000000000000000000000776f726c64"
#define BATCH_HEAD " 00*25 40 1e 18 24 0a 06 00 87 01 00*6 fc 7e ed 2f e2 a9 48 f9 02 00*207"

static void test_user_headers(void **state)
{
    (void)state;
    hg_buf_t h;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_header_t got;
    headers_of_3_6(&h);
    same("headers", h.p, h.len, "02 02000000 6b31 02 02000000 7631 02 01000000 6e 0b 04000000 07000000");
    hg_str_t rest = hg_buf_str(&h);
    assert_int_equal(hg_iggy_header_next(&rest, &got, &err), 1);
    assert_true(hg_str_eqz(got.key, "k1") && hg_str_eqz(got.value, "v1") && got.kind == HG_IGGY_H_STRING);
    assert_int_equal(hg_iggy_header_next(&rest, &got, &err), 1);
    assert_true(hg_str_eqz(got.key, "n") && got.value.n == 4 && got.kind == HG_IGGY_H_UINT32);
    assert_int_equal(hg_iggy_header_next(&rest, &got, &err), 0);
    rest = (hg_str_t){ h.p, h.len - 1 };
    assert_int_equal(hg_iggy_header_next(&rest, &got, &err), 1);
    assert_int_equal(hg_iggy_header_next(&rest, &got, &err), HG_EPROTO);
    assert_int_equal(hg_iggy_header_add(&h, &(hg_iggy_header_t){ 1, 1, HG_S(""), HG_S("v") }, &err), HG_EINVAL);
    hg_buf_release(&h);
}

static void test_send(void **state)
{
    (void)state;
    hg_buf_t h, b;
    hg_iggy_batch_t batch;
    headers_of_3_6(&h);
    two_messages(&batch, hg_buf_str(&h));
    encode(HG_IGGY_VSR, &(hg_iggy_cmd_t){ .op = HG_IGGY_SEND, .stream = STREAM, .topic = TOPIC, .batch = &batch }, &b);
    assert_int_equal(iggy_get32((uint8_t *)b.p + 48), 256 + 426);
    assert_int_equal(b.p[176] & 0xff, 160);
    assert_int_equal(iggy_get64((uint8_t *)b.p + 144), 0);
    hg_buf_add(&b, batch.frames.p, batch.frames.len);
    same("send", b.p + IGGY_HEAD, b.len - IGGY_HEAD,
         "1f000000 020968672d73747265616d 020868672d746f706963 0204 00000000 02000000" BATCH_HEAD FRAME_1 FRAME_2);
    hg_buf_release(&b);
    hg_buf_release(&h);
    hg_iggy_batch_release(&batch);
}

/* The earliest time of a batch is its origin, whichever message has it. */
static void test_origin(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_batch_t b;
    hg_iggy_batch_init(&b);
    hg_iggy_message_t m = { .id = 9, .origin_timestamp = 5000, .payload = HG_S("a") };
    assert_int_equal(hg_iggy_batch_add(&b, &m, &err), 0);
    m.origin_timestamp = 2000;
    assert_int_equal(hg_iggy_batch_add(&b, &m, &err), 0);
    m.origin_timestamp = 2000 + UINT64_C(0x100000000);
    assert_int_equal(hg_iggy_batch_add(&b, &m, &err), HG_EAGAIN);
    assert_int_equal(b.count, 2);
    assert_int_equal(iggy_batch_seal(&b, &err), 0);
    assert_int_equal(hg_iggy_batch_add(&b, &m, &err), HG_EAGAIN);
    const uint8_t *f = (const uint8_t *)b.frames.p;
    assert_int_equal(iggy_get64((uint8_t *)b.head.p + 24), 2000);
    assert_int_equal(iggy_get32(f + 28), 3000);
    assert_int_equal(iggy_get32(f + 49 + 28), 0);
    hg_iggy_batch_release(&b);
}

static void test_bad_messages(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_batch_t b;
    hg_iggy_batch_init(&b);
    hg_iggy_message_t m = { .payload = { "", HG_IGGY_MAX_PAYLOAD + 1 } };
    assert_int_equal(hg_iggy_batch_add(&b, &m, &err), HG_ETOOBIG);
    m = (hg_iggy_message_t){ .payload = HG_S("a"), .headers = HG_S("nonsense") };
    assert_int_equal(hg_iggy_batch_add(&b, &m, &err), HG_EINVAL);
    m.headers = (hg_str_t){ "", HG_IGGY_MAX_HEADERS + 1 };
    assert_int_equal(hg_iggy_batch_add(&b, &m, &err), HG_ETOOBIG);
    assert_int_equal(b.count, 0);
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    assert_int_equal(iggy_encode(HG_IGGY_VSR, &(hg_iggy_cmd_t){ .op = HG_IGGY_SEND, .batch = &b }, &out, &err),
                     HG_EINVAL);
    assert_int_equal(out.len, 0);
    hg_buf_release(&out);
    hg_iggy_batch_release(&b);
}

static void test_ids_are_uuids(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_batch_t b;
    hg_iggy_batch_init(&b);
    for (int i = 0; i < 100; i++) assert_int_equal(hg_iggy_batch_add(&b, &(hg_iggy_message_t){ 0 }, &err), 0);
    for (size_t i = 0; i < 100; i++) {
        const uint8_t *id = (const uint8_t *)b.frames.p + i * IGGY_FRAME + 8;
        assert_int_equal(id[6] >> 4, 4);
        assert_int_equal(id[8] >> 6, 2);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(id, (const uint8_t *)b.frames.p + k * IGGY_FRAME + 8, 16);
    }
    hg_iggy_batch_release(&b);
}

static hg_iggy_in_t in_of(hg_iggy_proto_t proto, const hg_buf_t *b)
{
    return (hg_iggy_in_t){ (const uint8_t *)b->p, (const uint8_t *)b->p + b->len, proto };
}

static void test_polled(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_polled_t polled;
    hg_iggy_message_t m;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hex_add(&b, "00000000 0300000000000000 03000000");
    hex_add(&b, "00*8 0700000000000000 be881732be600600 40 1e 18 24 0a 06 00 00 87 01 00*6 00*8 02 00*207");
    hex_add(&b, FRAME_1 FRAME_2);
    hex_add(&b, "00*8 0900000000000000 00*8 00*8 3501000000000000 00*8 01 00*207");
    hex_add(&b, FRAME_2); /* a slice of a stored batch: it is message 1 of it */
    hg_iggy_in_t in = in_of(HG_IGGY_VSR, &b);
    assert_int_equal(hg_iggy_read_polled(&in, &polled, &err), 1);
    assert_int_equal(polled.partition, 0);
    assert_int_equal(polled.newest, 3);
    assert_int_equal(polled.count, 3);
    assert_true(hg_iggy_messages_next(&polled.messages, &m));
    assert_true(hg_str_eqz(m.payload, "hello") && m.offset == 7 && m.id == 1 && m.headers.n == 29);
    assert_true(m.timestamp == UINT64_C(0x000660be321788be) && m.origin_timestamp == UINT64_C(0x00060a24181e40));
    assert_true(hg_iggy_messages_next(&polled.messages, &m));
    assert_true(hg_str_eqz(m.payload, "world") && m.offset == 8 && m.origin_timestamp == UINT64_C(0x00060a24181e45));
    assert_true(hg_iggy_messages_next(&polled.messages, &m));
    assert_true(m.offset == 10);
    assert_false(hg_iggy_messages_next(&polled.messages, &m));
    /* any byte less is noticed */
    for (size_t n = 0; n < b.len; n++) {
        in = (hg_iggy_in_t){ (const uint8_t *)b.p, (const uint8_t *)b.p + n, HG_IGGY_VSR };
        assert_int_equal(hg_iggy_read_polled(&in, &polled, &err), HG_EPROTO);
    }
    /* as a server gave it: one message of the four that the partition has */
    hg_buf_clear(&b);
    hex_add(&b, "00000000 0300000000000000 01000000");
    hex_add(&b, "00*16 be881732be600600 89c41632be600600 3501000000000000 00*8 01 00*207");
    hex_add(&b, FRAME_2);
    in = in_of(HG_IGGY_VSR, &b);
    assert_int_equal(hg_iggy_read_polled(&in, &polled, &err), 1);
    assert_true(polled.newest == 3 && polled.count == 1 && hg_iggy_messages_next(&polled.messages, &m));
    assert_true(hg_str_eqz(m.payload, "world") && m.origin_timestamp == UINT64_C(0x000660be3216c489) + 5);
    hg_buf_release(&b);
}

/* --- replies --- */

static void test_replies(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    uint32_t code;
    hg_buf_init(&b, HG_BUF_NOMAX);

    hex_add(&b, "00000000 00000000 1800000000000000 002c0000 0c 302e392e302d656467652e35");
    hg_iggy_in_t in = in_of(HG_IGGY_VSR, &b);
    iggy_login_t login;
    assert_int_equal(iggy_result(HG_IGGY_LOGIN, &in, &code, &err), 0);
    assert_int_equal(code, 0);
    assert_int_equal(iggy_read_login(&in, &login, &err), 1);
    assert_true(login.session == 24 && login.version == IGGY_VERSION && hg_str_eqz(login.server, "0.9.0-edge.5"));

    hg_buf_clear(&b);
    hex_add(&b, "0b000000 73696e676c652d6e6f6465 01000000 09000000 696767792d6e6f6465 09000000 3132372e302e302e31 aa46 "
                "0000 c832 0000 00 00");
    in = in_of(HG_IGGY_VSR, &b);
    hg_iggy_node_t node;
    assert_int_equal(iggy_read_count(&in, HG_IGGY_GET_CLUSTER, &err), 1);
    assert_int_equal(hg_iggy_read_node(&in, &node, &err), 1);
    assert_true(hg_str_eqz(node.name, "iggy-node") && hg_str_eqz(node.host, "127.0.0.1"));
    assert_true(node.tcp == 0x46aa && node.http == 0x32c8 && node.leader && node.healthy);
    assert_int_equal(hg_iggy_read_node(&in, &node, &err), 0);

    hg_buf_clear(&b);
    hex_add(&b, "00000000 00000000 52b71632be600600 00000000 0000000000000000 0000000000000000 09 "
                "68672d73747265616d 00000000");
    in = in_of(HG_IGGY_VSR, &b);
    hg_iggy_stream_t stream;
    assert_int_equal(iggy_result(HG_IGGY_CREATE_STREAM, &in, &code, &err), 0);
    assert_int_equal(hg_iggy_read_stream(&in, &stream, &err), 1);
    assert_true(stream.id == 0 && hg_str_eqz(stream.name, "hg-stream") && stream.created_at);
    assert_int_equal(hg_iggy_read_stream(&in, &stream, &err), 0);

    hg_buf_clear(&b);
    hex_add(&b, "01000000 00000000 f4030000");
    in = in_of(HG_IGGY_VSR, &b);
    assert_int_equal(iggy_result(HG_IGGY_CREATE_STREAM, &in, &code, &err), 0);
    assert_int_equal(code, HG_IGGY_E_STREAM_EXISTS);
    in = in_of(HG_IGGY_VSR, &b);
    in.end--;
    assert_int_equal(iggy_result(HG_IGGY_CREATE_STREAM, &in, &code, &err), HG_EPROTO);

    hg_buf_clear(&b);
    hex_add(&b, "01000000 00000000 01 0f000000 3132372e302e302e313a3530303436 00000000");
    in = in_of(HG_IGGY_VSR, &b);
    hg_iggy_client_info_t me;
    assert_int_equal(hg_iggy_read_client(&in, &me, &err), 1);
    assert_true(me.id == 1 && me.transport == 1 && hg_str_eqz(me.address, "127.0.0.1:50046") && !me.groups);

    hg_buf_clear(&b);
    hex_add(&b, "0200000000000000 01000000 00000000");
    in = in_of(HG_IGGY_VSR, &b);
    hg_iggy_assignment_t as;
    assert_int_equal(hg_iggy_read_assignment(&in, &as, &err), 1);
    assert_true(as.generation == 2 && as.n == 1 && hg_iggy_nth_u32(as.partitions, 0) == 0);
    in.p = in.end;
    assert_int_equal(hg_iggy_read_assignment(&in, &as, &err), 0);

    hg_buf_clear(&b);
    hex_add(&b, "01000000 00000000 00000000 00000000 0000000000000000");
    in = in_of(HG_IGGY_VSR, &b);
    hg_iggy_sent_t sent;
    assert_int_equal(iggy_read_count(&in, HG_IGGY_SEND, &err), 1);
    assert_int_equal(hg_iggy_read_sent(&in, &sent, &err), 1);
    assert_true(sent.base_offset == 0 && sent.partition == 0);
    in.p = in.end;
    assert_int_equal(hg_iggy_read_sent(&in, &sent, &err), 0);
    hg_buf_release(&b);
}

static void test_reply_heads(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    iggy_head_t h;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hex_add(&b,
            "00*49 01 00*10 08 00*99 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 00*8 17 00*15 01 00*7 02 00*47");
    assert_int_equal(b.len, 256);
    assert_int_equal(iggy_head_parse(HG_IGGY_VSR, (uint8_t *)b.p, 255, HG_IGGY_MAX_FRAME, &h, &err), 0);
    assert_int_equal(iggy_head_parse(HG_IGGY_VSR, (uint8_t *)b.p, 256, HG_IGGY_MAX_FRAME, &h, &err), 1);
    assert_true(h.kind == IGGY_REPLY && h.size == 256 && h.operation == 2 && h.request == 1 && h.status == 0);
    iggy_put32((uint8_t *)b.p + 48, 1000);
    assert_int_equal(iggy_head_parse(HG_IGGY_VSR, (uint8_t *)b.p, 256, 999, &h, &err), HG_ETOOBIG);
    b.p[60] = 13;
    assert_int_equal(iggy_head_parse(HG_IGGY_VSR, (uint8_t *)b.p, 256, 2000, &h, &err), HG_EPROTO);
    iggy_put32((uint8_t *)b.p + 48, 256);
    static const struct {
        uint8_t reason;
        uint32_t newest, oldest, code;
    } evictions[] = {
        { 1, 0, 0, 40 },          { 7, 0, 0, 40 },
        { 8, 0, 0, 40 },          { 11, 0, 0, 40 },
        { 12, 0, 0, 40 },         { 9, 0, 0, 42 },
        { 10, 0, 0, 53 },         { 13, 0, 0, 30 },
        { 15, 0, 0, 4 },          { 2, 0, 0, 3 },
        { 99, 0, 0, 3 },          { 14, 0, 0, 40 },
        { 14, 11264, 12288, 40 }, { 14, 11264, 11264, 14003 },
    };
    for (size_t i = 0; i < HG_COUNT(evictions); i++) {
        b.p[255] = (char)evictions[i].reason;
        iggy_put32((uint8_t *)b.p + 144, evictions[i].newest);
        iggy_put32((uint8_t *)b.p + 148, evictions[i].oldest);
        assert_int_equal(iggy_head_parse(HG_IGGY_VSR, (uint8_t *)b.p, 256, 2000, &h, &err), 1);
        assert_true(h.kind == IGGY_EVICTION);
        assert_int_equal(h.status, evictions[i].code);
    }
    hg_buf_release(&b);
}

/* --- classic --- */

static void test_classic(void **state)
{
    (void)state;
    classic_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_PING }, "04000000 01000000");
    classic_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_LOGIN_TOKEN, .secret = HG_S("tok-1") },
               "0a000000 2c000000 05 746f6b2d31");
    /* as captured, but for the version that the client names */
    classic_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_LOGIN, .name = HG_S("iggy"), .secret = HG_S("iggy") },
               "1b000000 26000000 04 69676779 04 69676779 05000000 302e312e30 00000000");
    classic_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_STREAM, .name = HG_S("hg-stream") },
               "0e000000 ca000000 09 68672d73747265616d");
    classic_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOPIC, .stream = STREAM, .count = 2, .name = HG_S("hg-topic") },
               "2e000000 2e010000 020968672d73747265616d 02000000 01 0000000000000000 0000000000000000 00 "
               "0868672d746f706963");
    classic_is(
        &(hg_iggy_cmd_t){
            .op = HG_IGGY_STORE_OFFSET, .stream = STREAM, .topic = TOPIC, .consumer = { true, GROUP }, .offset = 5 },
        "31000000 79000000 02020868672d67726f7570 020968672d73747265616d 020868672d746f706963 01 00000000 "
        "0500000000000000");
    classic_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_POLL,
                                 .stream = STREAM,
                                 .topic = TOPIC,
                                 .consumer = { true, GROUP },
                                 .any_partition = true,
                                 .strategy = { HG_IGGY_NEXT, 0 },
                                 .count = 10 },
               "37000000 64000000 02020868672d67726f7570 020968672d73747265616d 020868672d746f706963 00 00000000 05 "
               "0000000000000000 0a000000 00");
}

static void test_classic_messages(void **state)
{
    (void)state;
    hg_iggy_batch_t batch;
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_batch_init(&batch);
    hg_iggy_message_t one = { .id = 1, .origin_timestamp = UINT64_C(0x000660be186be944), .payload = HG_S("hello") };
    hg_iggy_message_t two = { .id = 1, .origin_timestamp = UINT64_C(0x000660be186be946), .payload = HG_S("world") };
    assert_int_equal(hg_iggy_batch_add(&batch, &one, &err), 0);
    assert_int_equal(hg_iggy_batch_add(&batch, &two, &err), 0);
#define CLASSIC_1 " 00*8 01 00*15 00*16 44e96b18be600600 00000000 05000000 00*8 68656c6c6f"
#define CLASSIC_2 " 00*8 01 00*15 00*16 46e96b18be600600 00000000 05000000 00*8 776f726c64"
    classic_is(&(hg_iggy_cmd_t){ .op = HG_IGGY_SEND, .stream = STREAM, .topic = TOPIC, .batch = &batch },
               "d1000000 65000000 1f000000 020968672d73747265616d 020868672d746f706963 020400000000 02000000"
               "00000000 45000000 00*8 00000000 8a000000 00*8" CLASSIC_1 CLASSIC_2);
    hg_iggy_batch_release(&batch);

    hg_buf_t b;
    hg_iggy_polled_t polled;
    hg_iggy_message_t m;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hex_add(&b, "01000000 0300000000000000 02000000" CLASSIC_1 CLASSIC_2);
    hg_iggy_in_t in = in_of(HG_IGGY_CLASSIC, &b);
    assert_int_equal(hg_iggy_read_polled(&in, &polled, &err), 1);
    assert_true(polled.partition == 1 && polled.newest == 3 && polled.count == 2);
    assert_true(hg_iggy_messages_next(&polled.messages, &m) && hg_str_eqz(m.payload, "hello") && m.id == 1);
    assert_true(m.origin_timestamp == one.origin_timestamp);
    assert_true(hg_iggy_messages_next(&polled.messages, &m) && hg_str_eqz(m.payload, "world"));
    assert_false(hg_iggy_messages_next(&polled.messages, &m));
    iggy_head_t h;
    hg_buf_clear(&b);
    hex_add(&b, "00*8 f2030000 05000000");
    assert_int_equal(iggy_head_parse(HG_IGGY_CLASSIC, (uint8_t *)b.p, 8, 100, &h, &err), 1);
    assert_true(h.size == 8 && h.status == 0);
    assert_int_equal(iggy_head_parse(HG_IGGY_CLASSIC, (uint8_t *)b.p + 8, 8, 100, &h, &err), 1);
    assert_true(h.size == 8 && h.status == 1010); /* what stands in the length of an error is not looked at */
    hg_buf_release(&b);
}

static void test_not_in_this_protocol(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_iggy_cmd_t c = { .op = HG_IGGY_SYNC_GROUP, .stream = STREAM, .topic = TOPIC, .group = GROUP };
    assert_int_equal(iggy_encode(HG_IGGY_CLASSIC, &c, &out, &err), HG_EUNSUPPORTED);
    c.op = HG_IGGY_FLUSH;
    assert_int_equal(iggy_encode(HG_IGGY_VSR, &c, &out, &err), HG_EUNSUPPORTED);
    static char longer[257];
    memset(longer, 'x', sizeof longer);
    c = (hg_iggy_cmd_t){ .op = HG_IGGY_GET_STREAM, .stream = hg_iggy_named((hg_str_t){ longer, 256 }) };
    assert_int_equal(iggy_encode(HG_IGGY_VSR, &c, &out, &err), HG_EINVAL);
    c = (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_STREAM };
    assert_int_equal(iggy_encode(HG_IGGY_VSR, &c, &out, &err), HG_EINVAL);
    c = (hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_PARTITIONS, .count = 1001 };
    assert_int_equal(iggy_encode(HG_IGGY_VSR, &c, &out, &err), HG_EINVAL);
    c = (hg_iggy_cmd_t){ .op = HG_IGGY_POLL, .consumer = { .group = true }, .any_partition = true };
    assert_int_equal(iggy_encode(HG_IGGY_VSR, &c, &out, &err), HG_EINVAL);
    hg_buf_release(&out);
}

/* --- small things --- */

static void test_keys_and_names(void **state)
{
    (void)state;
    assert_int_equal(hg_iggy_key_partition(HG_S("key-1"), 2), 1); /* 962816521 */
    assert_int_equal(hg_iggy_key_partition(HG_S("key-1"), 1000), 521);
    assert_int_equal(hg_iggy_key_partition(HG_S("a"), UINT32_MAX), 0x550d7456);
    assert_int_equal(hg_iggy_id_of(HG_S("17")).num, 17);
    assert_int_equal(hg_iggy_id_of(HG_S("17")).name.n, 0);
    assert_true(hg_str_eqz(hg_iggy_id_of(HG_S("17a")).name, "17a"));
    assert_true(hg_str_eqz(hg_iggy_id_of(HG_S("99999999999")).name, "99999999999"));
}

static void test_codes(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    assert_string_equal(hg_iggy_code_name(2010), "TopicIdNotFound");
    assert_string_equal(hg_iggy_code_name(1), "Error");
    assert_string_equal(hg_iggy_code_name(14003), "IncompatibleProtocolVersion");
    assert_string_equal(hg_iggy_code_name(6003), "MissingLengthRetainedMessageBatch");
    assert_null(hg_iggy_code_name(77777));
    assert_int_equal(hg_iggy_code_err(2010, "poll", &err), HG_ENOTFOUND);
    assert_string_equal(err.msg, "poll: TopicIdNotFound (2010): create the topic, or check its name");
    assert_false(err.retry);
    hg_iggy_code_err(58, "send", &err);
    assert_true(err.retry);
    hg_iggy_code_err(77777, "send", &err);
    assert_string_equal(err.msg, "send: the server answers with error 77777");
    /* in order, or the look-up misses some */
    unsigned known = 0;
    for (uint32_t i = 0; i < 20000; i++) known += hg_iggy_code_name(i) != NULL;
    assert_int_equal(known, 240);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_streams_and_topics),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_polls),
        cmocka_unit_test(test_user_headers),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_ids_are_uuids),
        cmocka_unit_test(test_polled),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_reply_heads),
        cmocka_unit_test(test_classic),
        cmocka_unit_test(test_classic_messages),
        cmocka_unit_test(test_not_in_this_protocol),
        cmocka_unit_test(test_keys_and_names),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
