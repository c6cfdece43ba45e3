/* datagen_text.c: plausible fake data: names, addresses, words, numbers in well-known shapes. Any thread; pure.
 *
 * Mail addresses use the domains reserved for examples; check digits (ISBN, cards) are right, numbers belong to nobody
 * on purpose.
 */
#include "base/hg.h"
#include "connectors/transport/datagen_int.h"
#include "connectors/transport/datagen_words.h"

#define PICK(r, list) ((list)[dg_below((r), HG_COUNT(list))])

static void add(hg_buf_t *out, const char *s)
{
    (void)hg_buf_adds(out, s);
}

/* '#' becomes a digit, '%' one from 1 to 9, '?' a lower-case letter. */
static void shape(dg_rng_t *r, const char *s, hg_buf_t *out)
{
    for (; *s; s++)
        (void)hg_buf_addc(out, *s == '#'   ? (char)('0' + dg_below(r, 10))
                               : *s == '%' ? (char)('1' + dg_below(r, 9))
                               : *s == '?' ? (char)('a' + dg_below(r, 26))
                                           : *s);
}

static void lower(hg_buf_t *out, const char *s)
{
    for (; *s; s++) (void)hg_buf_addc(out, *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s);
}

static void capital(hg_buf_t *out, const char *s)
{
    (void)hg_buf_addc(out, *s >= 'a' && *s <= 'z' ? (char)(*s - 32) : *s);
    add(out, s + 1);
}

static uint64_t count(dg_rng_t *r, uint64_t lo, uint64_t hi)
{
    return hi > lo ? lo + dg_below(r, hi - lo) : lo;
}

static void sentence(dg_rng_t *r, uint64_t n, hg_buf_t *out)
{
    for (uint64_t i = 0; i < n; i++) {
        if (i) (void)hg_buf_addc(out, ' ');
        if (i)
            add(out, PICK(r, words));
        else
            capital(out, PICK(r, words));
    }
    if (n) (void)hg_buf_addc(out, '.');
}

static void repeat(dg_rng_t *r, dg_strategy_t s, uint64_t n, const char *between, hg_buf_t *out)
{
    for (uint64_t i = 0; i < n; i++) {
        if (i) add(out, between);
        if (s == DG_SENTENCE)
            sentence(r, 3 + dg_below(r, 9), out);
        else
            dg_text(r, s, 3, 7, out);
    }
}

static void user(dg_rng_t *r, hg_buf_t *out)
{
    lower(out, PICK(r, first_names));
    if (dg_below(r, 2)) (void)hg_buf_addc(out, '_');
    lower(out, PICK(r, last_names));
    if (dg_below(r, 2)) shape(r, "##", out);
}

static void password(dg_rng_t *r, uint64_t n, hg_buf_t *out)
{
    static const char chars[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789!#$%&*+-?@_";
    for (; n > 0; n--) (void)hg_buf_addc(out, chars[dg_below(r, sizeof chars - 1)]);
}

static void ipv4(dg_rng_t *r, hg_buf_t *out)
{
    uint64_t v = dg_next(r);
    (void)hg_buf_addf(out, "%u.%u.%u.%u", (unsigned)(1 + (v & 255) % 223), (unsigned)(v >> 8 & 255),
                      (unsigned)(v >> 16 & 255), (unsigned)(v >> 24 & 255));
}

static void ipv6(dg_rng_t *r, hg_buf_t *out)
{
    for (int i = 0; i < 8; i++) (void)hg_buf_addf(out, "%s%x", i ? ":" : "", (unsigned)dg_below(r, 65536));
}

/* Luhn. */
static void card(dg_rng_t *r, hg_buf_t *out)
{
    size_t at = out->len;
    int sum = 0;
    shape(r, "4##############", out);
    for (int i = 0; i < 15; i++) {
        int d = out->p[at + (size_t)i] - '0';
        if (i % 2 == 0 && (d *= 2) > 9) d -= 9;
        sum += d;
    }
    (void)hg_buf_addc(out, (char)('0' + (10 - sum % 10) % 10));
}

static void isbn13(dg_rng_t *r, hg_buf_t *out)
{
    size_t at = out->len;
    int sum = 0;
    shape(r, "978#########", out);
    for (int i = 0; i < 12; i++) sum += (out->p[at + (size_t)i] - '0') * (i % 2 ? 3 : 1);
    (void)hg_buf_addc(out, (char)('0' + (10 - sum % 10) % 10));
}

static void isbn10(dg_rng_t *r, hg_buf_t *out)
{
    size_t at = out->len;
    int sum = 0;
    shape(r, "#########", out);
    for (int i = 0; i < 9; i++) sum += (out->p[at + (size_t)i] - '0') * (10 - i);
    sum = (11 - sum % 11) % 11;
    (void)hg_buf_addc(out, sum == 10 ? 'X' : (char)('0' + sum));
}

static void coordinate(dg_rng_t *r, uint64_t limit, hg_buf_t *out)
{
    uint64_t v = dg_below(r, limit * 2000000 + 1);
    bool neg = v < limit * 1000000;
    v = neg ? limit * 1000000 - v : v - limit * 1000000;
    (void)hg_buf_addf(out, "%s%" PRIu64 ".%06" PRIu64, neg ? "-" : "", v / 1000000, v % 1000000);
}

static void city(dg_rng_t *r, hg_buf_t *out)
{
    switch (dg_below(r, 4)) {
    case 0:
        (void)hg_buf_addf(out, "%s %s", PICK(r, city_prefixes), PICK(r, cities));
        break;
    case 1:
        (void)hg_buf_addf(out, "%s%s", PICK(r, last_names), PICK(r, city_suffixes));
        break;
    default:
        add(out, PICK(r, cities));
        break;
    }
}

static void dir_path(dg_rng_t *r, hg_buf_t *out)
{
    for (uint64_t n = 1 + dg_below(r, 3); n > 0; n--) (void)hg_buf_addf(out, "/%s", PICK(r, words));
}

static void company(dg_rng_t *r, hg_buf_t *out)
{
    const char *a = PICK(r, last_names);
    if (dg_below(r, 2))
        (void)hg_buf_addf(out, "%s %s", a, PICK(r, company_suffixes));
    else
        (void)hg_buf_addf(out, "%s-%s", a, PICK(r, last_names));
}

static void three(hg_buf_t *out, const char *a, const char *b, const char *c)
{
    (void)hg_buf_addf(out, "%s %s %s", a, b, c);
}

void dg_text(dg_rng_t *r, dg_strategy_t s, uint64_t lo, uint64_t hi, hg_buf_t *out)
{
    const char *a, *b;
    switch (s) {
    case DG_WORD:
        add(out, PICK(r, words));
        break;
    case DG_WORDS:
        repeat(r, DG_WORD, count(r, lo, hi), " ", out);
        break;
    case DG_SENTENCE:
        sentence(r, count(r, lo, hi), out);
        break;
    case DG_SENTENCES:
        repeat(r, DG_SENTENCE, count(r, lo, hi), " ", out);
        break;
    case DG_PARAGRAPH:
        repeat(r, DG_SENTENCE, count(r, lo, hi), " ", out);
        break;
    case DG_PARAGRAPHS:
        repeat(r, DG_PARAGRAPH, count(r, lo, hi), "\n", out);
        break;
    case DG_FIRST_NAME:
        add(out, PICK(r, first_names));
        break;
    case DG_LAST_NAME:
        add(out, PICK(r, last_names));
        break;
    case DG_TITLE:
        add(out, PICK(r, titles));
        break;
    case DG_SUFFIX:
        add(out, PICK(r, suffixes));
        break;
    case DG_NAME:
        a = PICK(r, first_names);
        (void)hg_buf_addf(out, "%s %s", a, PICK(r, last_names));
        break;
    case DG_NAME_WITH_TITLE:
        a = PICK(r, titles);
        b = PICK(r, first_names);
        three(out, a, b, PICK(r, last_names));
        break;
    case DG_DOMAIN_SUFFIX:
        add(out, PICK(r, domains));
        break;
    case DG_EMAIL:
        user(r, out);
        (void)hg_buf_addf(out, "@example.%s", dg_below(r, 3) == 0 ? "org" : dg_below(r, 2) ? "net" : "com");
        break;
    case DG_USERNAME:
        user(r, out);
        break;
    case DG_PASSWORD:
        password(r, count(r, lo, hi), out);
        break;
    case DG_FIELD:
        add(out, PICK(r, fields));
        break;
    case DG_POSITION:
        add(out, PICK(r, positions));
        break;
    case DG_SENIORITY:
        add(out, PICK(r, seniorities));
        break;
    case DG_JOB_TITLE:
        a = PICK(r, seniorities);
        b = PICK(r, fields);
        three(out, a, b, PICK(r, positions));
        break;
    case DG_IPV4:
        ipv4(r, out);
        break;
    case DG_IPV6:
        ipv6(r, out);
        break;
    case DG_IP:
        if (dg_below(r, 2))
            ipv4(r, out);
        else
            ipv6(r, out);
        break;
    case DG_MAC_ADDRESS:
        for (int i = 0; i < 6; i++) (void)hg_buf_addf(out, "%s%02X", i ? ":" : "", (unsigned)dg_below(r, 256));
        break;
    case DG_USER_AGENT:
        add(out, PICK(r, user_agents));
        break;
    case DG_RFC_STATUS_CODE:
        add(out, PICK(r, rfc_codes));
        break;
    case DG_VALID_STATUS_CODE:
        (void)hg_buf_addu64(out, 100 + dg_below(r, 500));
        break;
    case DG_COMPANY_SUFFIX:
        add(out, PICK(r, company_suffixes));
        break;
    case DG_COMPANY_NAME:
        company(r, out);
        break;
    case DG_BUZZWORD:
        add(out, PICK(r, buzzwords));
        break;
    case DG_BUZZWORD_MIDDLE:
        add(out, PICK(r, buzz_middles));
        break;
    case DG_BUZZWORD_TAIL:
        add(out, PICK(r, buzz_tails));
        break;
    case DG_CATCH_PHRASE:
        a = PICK(r, buzzwords);
        b = PICK(r, buzz_middles);
        three(out, a, b, PICK(r, buzz_tails));
        break;
    case DG_BS_VERB:
        add(out, PICK(r, bs_verbs));
        break;
    case DG_BS_ADJ:
        add(out, PICK(r, bs_adjs));
        break;
    case DG_BS_NOUN:
        add(out, PICK(r, bs_nouns));
        break;
    case DG_BS:
        a = PICK(r, bs_verbs);
        b = PICK(r, bs_adjs);
        three(out, a, b, PICK(r, bs_nouns));
        break;
    case DG_PROFESSION:
        add(out, PICK(r, professions));
        break;
    case DG_INDUSTRY:
        add(out, PICK(r, industries));
        break;
    case DG_CURRENCY_CODE:
        add(out, PICK(r, currency_codes));
        break;
    case DG_CURRENCY_NAME:
        add(out, PICK(r, currency_names));
        break;
    case DG_CURRENCY_SYMBOL:
        add(out, PICK(r, currency_symbols));
        break;
    case DG_CREDIT_CARD_NUMBER:
        card(r, out);
        break;
    case DG_CITY_PREFIX:
        add(out, PICK(r, city_prefixes));
        break;
    case DG_CITY_SUFFIX:
        add(out, PICK(r, city_suffixes));
        break;
    case DG_CITY_NAME:
        city(r, out);
        break;
    case DG_COUNTRY_NAME:
        add(out, PICK(r, countries));
        break;
    case DG_COUNTRY_CODE:
        add(out, PICK(r, country_codes));
        break;
    case DG_STREET_SUFFIX:
        add(out, PICK(r, street_suffixes));
        break;
    case DG_STREET_NAME:
        a = PICK(r, last_names);
        (void)hg_buf_addf(out, "%s %s", a, PICK(r, street_suffixes));
        break;
    case DG_TIME_ZONE:
        add(out, PICK(r, time_zones));
        break;
    case DG_STATE_NAME:
        add(out, PICK(r, states));
        break;
    case DG_STATE_ABBR:
        add(out, PICK(r, state_abbrs));
        break;
    case DG_SECONDARY_ADDRESS_TYPE:
        add(out, PICK(r, unit_types));
        break;
    case DG_SECONDARY_ADDRESS:
        add(out, PICK(r, unit_types));
        shape(r, " %##", out);
        break;
    case DG_ZIP_CODE:
    case DG_POST_CODE:
        shape(r, dg_below(r, 2) ? "#####" : "#####-####", out);
        break;
    case DG_BUILDING_NUMBER:
        shape(r, dg_below(r, 2) ? "%##" : "%###", out);
        break;
    case DG_LATITUDE:
        coordinate(r, 90, out);
        break;
    case DG_LONGITUDE:
        coordinate(r, 180, out);
        break;
    case DG_ISBN:
        if (dg_below(r, 2))
            isbn13(r, out);
        else
            isbn10(r, out);
        break;
    case DG_ISBN13:
        isbn13(r, out);
        break;
    case DG_ISBN10:
        isbn10(r, out);
        break;
    case DG_PHONE_NUMBER:
        shape(r, dg_below(r, 2) ? "(%##) 555-01##" : "%##-555-01##", out);
        break;
    case DG_CELL_NUMBER:
        shape(r, "%##.555.01##", out);
        break;
    case DG_FILE_PATH:
        dir_path(r, out);
        a = PICK(r, words);
        (void)hg_buf_addf(out, "/%s.%s", a, PICK(r, extensions));
        break;
    case DG_FILE_NAME:
        a = PICK(r, words);
        (void)hg_buf_addf(out, "%s.%s", a, PICK(r, extensions));
        break;
    case DG_FILE_EXTENSION:
        add(out, PICK(r, extensions));
        break;
    case DG_DIR_PATH:
        dir_path(r, out);
        break;
    case DG_INCREMENT:
    case DG_UNIFORM:
    case DG_ZIPF:
    case DG_STRATEGY_N:
        HG_ASSERT(false);
    }
}
