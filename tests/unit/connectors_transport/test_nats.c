/* NATS: what a server says in words; seeds, public keys and signatures against known ones; credentials files in the
 * forms that they come in. */
#include "base/hg.h"
#include "connectors/transport/nats_int.h"
#include <setjmp.h>
#include <cmocka.h>

/* The key pair of the NATS documentation; the signature was made with another implementation. */
#define SEED      "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define PUBLIC    "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define NONCE     "PXoWU7zWAMt75FY"
#define SIGNATURE "zHsjAXoXbo2tbVRLf6_3-aHC2CGLiez1yMSLOyF4Z2wmzmO4ppyieii5IZsQSBgfdppsi6wMHWzYYXUv6A-8DQ"

static void a_known_key(void **st)
{
    unsigned char seed[HG_NATS_SEED];
    char key[HG_NATS_PUBLIC_TEXT], signature[HG_NATS_SIGNATURE_TEXT];
    hg_err_t err = HG_ERR_INIT;
    (void)st;
    assert_int_equal(hg_nats_seed(HG_S(" " SEED "\n"), seed, &err), 0);
    assert_int_equal(hg_nats_public(seed, key, &err), 0);
    assert_string_equal(key, PUBLIC);
    assert_int_equal(hg_nats_sign(seed, HG_S(NONCE), signature, &err), 0);
    assert_string_equal(signature, SIGNATURE);
}

/* Every text that differs in one character is refused. */
static void a_wrong_character(void **st)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char seed[HG_NATS_SEED];
    char text[] = SEED;
    (void)st;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        char was = text[i];
        for (const char *c = letters; *c; c++) {
            hg_err_t err = HG_ERR_INIT;
            text[i] = *c;
            if (*c != was) assert_int_equal(hg_nats_seed(hg_strz(text), seed, &err), HG_EINVALTRANSPORT);
        }
        text[i] = was;
    }
}

static void credentials(void **st)
{
#define JWT_BEGIN  "-----BEGIN NATS USER JWT-----\n"
#define SEED_BEGIN "-----BEGIN USER NKEY SEED-----\n"
    static const struct {
        const char *text, *refused; /* NULL: it is taken */
    } rows[] = {
        { JWT_BEGIN "a.b.c-_9\n------END NATS USER JWT------\n\n*** keep it ***\n\n" SEED_BEGIN SEED
                    "\n------END USER NKEY SEED------\n",
          NULL },
        { JWT_BEGIN "a.b.c-_9\r\n------END\r\n" SEED_BEGIN SEED, NULL },
        { JWT_BEGIN "\n  a.b.c-_9  \n" SEED_BEGIN "\n\t" SEED "\n", NULL },
        { "", "NATS USER JWT" },
        { "a.b.c\n" SEED, "NATS USER JWT" },
        { JWT_BEGIN "------END NATS USER JWT------\na.b.c\n" SEED_BEGIN SEED, "NATS USER JWT" },
        { JWT_BEGIN "a.b.c", "USER NKEY SEED" },
        { JWT_BEGIN "a.b\n" SEED_BEGIN SEED, "three parts" },
        { JWT_BEGIN "a..c\n" SEED_BEGIN SEED, "three parts" },
        { JWT_BEGIN "a.b.\n" SEED_BEGIN SEED, "three parts" },
        { JWT_BEGIN "a.b.c d\n" SEED_BEGIN SEED, "three parts" },
        { JWT_BEGIN "a.b.c\n" SEED_BEGIN PUBLIC, "public key" },
        { JWT_BEGIN "a.b.c\n" SEED_BEGIN SEED "A", "58 characters, this text has 59" },
    };
    (void)st;
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_nats_identity_t id = { .signs = false };
        hg_err_t err = HG_ERR_INIT;
        hg_buf_init(&id.jwt, HG_BUF_NOMAX);
        int rc = hg_nats_creds(hg_strz(rows[i].text), &id, &err);
        if (rows[i].refused) {
            assert_int_equal(rc, HG_EINVALTRANSPORT);
            assert_non_null(strstr(err.msg, rows[i].refused));
            assert_null(strstr(err.msg, SEED));
        } else {
            char key[HG_NATS_PUBLIC_TEXT];
            assert_int_equal(rc, 0);
            assert_string_equal(id.jwt.p, "a.b.c-_9");
            assert_true(id.signs);
            assert_int_equal(hg_nats_public(id.seed, key, &err), 0);
            assert_string_equal(key, PUBLIC);
        }
        hg_nats_identity_release(&id);
    }
}

static void versions_are_digits(void **st)
{
    (void)st;
    static const struct {
        const char *text;
        unsigned major, minor;
    } rows[] = { { "2.10.7", 2, 10 }, { "-9.2", 0, 0 }, { "2", 2, 0 }, { "", 0, 0 }, { "99999999999.1", 9999, 1 } };
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_nats_info_t s;
        hg_err_t err = HG_ERR_INIT;
        hg_str_t text = hg_strz(hg_arena_printf(a, "{\"version\":\"%s\",\"max_payload\":7}", rows[i].text));
        assert_int_equal(hg_nats_info(a, text, &s, &err), 0);
        assert_int_equal(s.major, rows[i].major);
        assert_int_equal(s.minor, rows[i].minor);
        assert_int_equal(s.max_payload, 7);
        hg_arena_free(a);
    }
}

/* A consumer's name goes into a subject, and a stream's last number is counted on from. */
static void answers_that_cannot_be_used_are_refused(void **st)
{
    (void)st;
    static const char *const names[] = { "{}", "{\"name\":\"\"}", "{\"name\":\"a b\"}", "{\"name\":\"a\\r\\nPUB\"}",
                                         "{\"name\":\"*\"}" };
    hg_arena_t *a = hg_arena_new();
    const hg_json_t *v;
    hg_nats_state_t s;
    for (size_t i = 0; i < HG_COUNT(names); i++) {
        const char *name;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_nats_answer(a, hg_strz(names[i]), "the consumer", &v, &err), 0);
        assert_int_equal(hg_nats_consumer_name(v, &name, &err), HG_EPROTO);
    }
    hg_err_t err = HG_ERR_INIT;
    hg_str_t full = HG_S("{\"state\":{\"first_seq\":1,\"last_seq\":18446744073709551615}}");
    assert_int_equal(hg_nats_answer(a, full, "the stream", &v, &err), 0);
    assert_int_equal(hg_nats_stream_state(v, "S", &s, &err), HG_EPROTO);
    assert_int_equal(hg_nats_answer(a, HG_S("{\"error\":{\"code\":503}}"), "the stream", &v, &err), HG_ENET);
    assert_true(err.retry);
    assert_string_equal(err.msg, "the stream: no reason given");
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_key),
        cmocka_unit_test(a_wrong_character),
        cmocka_unit_test(credentials),
        cmocka_unit_test(versions_are_digits),
        cmocka_unit_test(answers_that_cannot_be_used_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
