/* NATS: seeds, public keys and signatures against known ones; credentials files in the forms that they come in. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_key),
        cmocka_unit_test(a_wrong_character),
        cmocka_unit_test(credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
