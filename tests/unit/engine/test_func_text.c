/* Text and bytes: positions count characters, CHAR keeps its padding, patterns have no default escape. */
#include "base/hg.h"
#include "tests/unit/engine/eval_fixture.h"

#define EACUTE "\xC3\xA9" /* é */
#define EACUPP "\xC3\x89" /* É */
#define EURO   "\xE2\x82\xAC"
#define CLEF   "\xF0\x9D\x84\x9E"

static void pieces_and_places(void **state)
{
    static const call_case_t cases[] = {
        { "||", { "VARCHAR|a", "VARCHAR|b" }, "ab", "VARCHAR", NULL },
        { "||", { "CHAR(3)|a", "CHAR(2)|b" }, "a  b ", "CHAR(5)", NULL },
        { "||", { "CHAR(3)|a", "VARCHAR(4)|b" }, "a  b", "VARCHAR(7)", NULL },
        { "||", { "VARBINARY|01", "VARBINARY|ff" }, "01ff", "VARBINARY", NULL },
        { "||", { "NULL|", "VARCHAR|b" }, "NULL", NULL, NULL },
        { "concat", { "VARCHAR|a", "VARCHAR|", "VARCHAR|c" }, "ac", "VARCHAR", NULL },
        { "concat", { "VARCHAR|a", "VARCHAR|NULL" }, "NULL", NULL, NULL },
        { "concat_ws", { "VARCHAR|, ", "VARCHAR|a", "VARCHAR|NULL", "VARCHAR|c" }, "a, c", "VARCHAR", "NULL" },
        { "concat_ws", { "VARCHAR|NULL", "VARCHAR|a", "VARCHAR|b" }, "NULL", NULL, "NULL" },
        { "concat_ws", { "VARCHAR|-", "VARCHAR|NULL" }, "", NULL, "NULL" },
        { "concat_ws", { "VARCHAR|-", "VARCHAR|", "VARCHAR|b" }, "-b", NULL, "NULL" },
        { "length", { "VARCHAR|a" EACUTE EURO CLEF }, "4", "INTEGER", NULL },
        { "char_length", { "CHAR(5)|ab" }, "5", NULL, NULL },
        { "character_length", { "VARCHAR|" }, "0", NULL, NULL },
        { "octet_length", { "VARCHAR|a" EACUTE EURO CLEF }, "10", NULL, NULL },
        { "octet_length", { "VARBINARY|0001" }, "2", NULL, NULL },
        { "substring",
          { "VARCHAR|a" EACUTE EURO CLEF "z", "INTEGER|2", "INTEGER|3" },
          EACUTE EURO CLEF,
          "VARCHAR",
          NULL },
        { "substring", { "VARCHAR|abcde", "INTEGER|3" }, "cde", NULL, NULL },
        { "substring", { "VARCHAR|abcde", "INTEGER|-1", "INTEGER|4" }, "ab", NULL, NULL },
        { "substring", { "VARCHAR|abcde", "INTEGER|2", "INTEGER|-1" }, "", NULL, NULL },
        { "substring",
          { "VARCHAR|abcde", "BIGINT|9223372036854775807", "BIGINT|9223372036854775807" },
          "",
          NULL,
          NULL },
        { "substring", { "VARCHAR|abcde", "BIGINT|-9223372036854775808" }, "", NULL, NULL },
        { "substring", { "CHAR(5)|abc", "INTEGER|2", "INTEGER|3" }, "bc ", "VARCHAR(5)", NULL },
        { "substring", { "VARBINARY|010203", "INTEGER|2" }, "0203", NULL, NULL },
        { "substr", { "VARCHAR|abcde", "INTEGER|-2" }, "de", NULL, NULL },
        { "substr", { "VARCHAR|abcde", "INTEGER|-4", "INTEGER|2" }, "bc", NULL, NULL },
        { "left", { "VARCHAR|" EURO "bc", "INTEGER|2" }, EURO "b", NULL, NULL },
        { "left", { "VARCHAR|abc", "INTEGER|-2" }, "", NULL, NULL },
        { "right", { "VARCHAR|ab" EURO, "INTEGER|2" }, "b" EURO, NULL, NULL },
        { "right", { "VARCHAR|abc", "INTEGER|9" }, "abc", NULL, NULL },
        { "right", { "VARCHAR|abc", "INTEGER|0" }, "", NULL, NULL },
        { "trim", { "VARCHAR|  ab  " }, "ab", "VARCHAR", NULL },
        { "btrim", { "VARCHAR|xyaxy", "VARCHAR|yx" }, "a", NULL, NULL },
        { "ltrim", { "VARCHAR|" EURO EURO "a" EURO, "VARCHAR|" EURO }, "a" EURO, NULL, NULL },
        { "rtrim", { "VARCHAR|a" EACUTE EACUTE, "VARCHAR|" EACUTE }, "a", NULL, NULL },
        { "trim", { "VARCHAR|   " }, "", NULL, NULL },
        { "position", { "VARCHAR|" EURO, "VARCHAR|a" EACUTE EURO }, "3", "INTEGER", NULL },
        { "position", { "VARCHAR|x", "VARCHAR|abc" }, "0", NULL, NULL },
        { "position", { "VARCHAR|", "VARCHAR|abc" }, "1", NULL, NULL },
        { "position", { "VARBINARY|02", "VARBINARY|0102" }, "2", NULL, NULL },
        { "replace", { "VARCHAR|aXbXc", "VARCHAR|X", "VARCHAR|--" }, "a--b--c", "VARCHAR", NULL },
        { "replace", { "VARCHAR|aaa", "VARCHAR|aa", "VARCHAR|" }, "a", NULL, NULL },
        { "replace", { "VARCHAR|abc", "VARCHAR|", "VARCHAR|x" }, "abc", NULL, NULL },
        { "reverse", { "VARCHAR|a" EACUTE EURO }, EURO EACUTE "a", NULL, NULL },
        { "repeat", { "VARCHAR|ab", "INTEGER|3" }, "ababab", NULL, NULL },
        { "repeat", { "VARCHAR|ab", "INTEGER|-3" }, "", NULL, NULL },
        { "repeat", { "VARCHAR|", "BIGINT|9223372036854775807" }, "", NULL, NULL },
        { "overlay", { "VARCHAR|abcdef", "VARCHAR|XY", "INTEGER|3" }, "abXYef", NULL, NULL },
        { "overlay", { "VARCHAR|abcdef", "VARCHAR|XY", "INTEGER|3", "INTEGER|0" }, "abXYcdef", NULL, NULL },
        { "split_part", { "VARCHAR|a,b,c", "VARCHAR|,", "INTEGER|2" }, "b", NULL, NULL },
        { "split_part", { "VARCHAR|a,b,c", "VARCHAR|,", "INTEGER|-1" }, "c", NULL, NULL },
        { "split_part", { "VARCHAR|a,b,c", "VARCHAR|,", "INTEGER|4" }, "", NULL, NULL },
        { "split_part", { "VARCHAR|a,b,c", "VARCHAR|,", "INTEGER|0" }, "", NULL, NULL },
        { "split_part", { "VARCHAR|abc", "VARCHAR|", "INTEGER|1" }, "abc", NULL, NULL },
        { "upper", { "VARCHAR|a" EACUTE "z1" }, "A" EACUPP "Z1", "VARCHAR", NULL },
        { "lower", { "VARCHAR(4)|A" EACUPP }, "a" EACUTE, "VARCHAR(4)", NULL },
        { "initcap", { "VARCHAR|hello w" EACUTE "RLD x2y" }, "Hello W" EACUTE "rld X2y", NULL, NULL },
        { "ascii", { "VARCHAR|" EURO }, "8364", NULL, NULL },
        { "ascii", { "VARCHAR|" }, "0", NULL, NULL },
        { "chr", { "INTEGER|8364" }, EURO, NULL, NULL },
        { "chr", { "INTEGER|55296" }, "", NULL, NULL },
        { "chr", { "INTEGER|-1" }, "", NULL, NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

static void like_has_no_escape_unless_asked(void **state)
{
    static const call_case_t cases[] = {
        { "like", { "VARCHAR|abc", "VARCHAR|abc" }, "TRUE", "BOOLEAN", NULL },
        { "like", { "VARCHAR|abc", "VARCHAR|a%" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|abc", "VARCHAR|%c" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|abc", "VARCHAR|%b%" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|abc", "VARCHAR|%x%" }, "FALSE", NULL, NULL },
        { "like", { "VARCHAR|abc", "VARCHAR|a_c" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|a" EURO "c", "VARCHAR|a_c" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|" CLEF, "VARCHAR|_" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|abcbcd", "VARCHAR|a%bcd" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|aab", "VARCHAR|%a_%b" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|ab", "VARCHAR|%a_%b" }, "FALSE", NULL, NULL },
        { "like", { "VARCHAR|", "VARCHAR|%" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|", "VARCHAR|%%" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|", "VARCHAR|_" }, "FALSE", NULL, NULL },
        { "like", { "VARCHAR|a\\%", "VARCHAR|a\\%" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|a%", "VARCHAR|a\\%" }, "FALSE", NULL, NULL },
        { "like", { "VARCHAR|a%", "VARCHAR|a\\%", "VARCHAR|\\" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|ab", "VARCHAR|a\\%", "VARCHAR|\\" }, "FALSE", NULL, NULL },
        { "like", { "VARCHAR|a#b", "VARCHAR|a##_", "VARCHAR|#" }, "TRUE", NULL, NULL },
        { "like", { "VARCHAR|a", "VARCHAR|a#", "VARCHAR|#" }, "!has an escape before neither", NULL, NULL },
        { "like", { "VARCHAR|a", "VARCHAR|#a", "VARCHAR|#" }, "!has an escape before neither", NULL, NULL },
        { "like", { "VARCHAR|a", "VARCHAR|a", "VARCHAR|##" }, "!needs one character as ESCAPE", NULL, NULL },
        { "not like", { "VARCHAR|abc", "VARCHAR|a%" }, "FALSE", NULL, NULL },
        { "like", { "VARCHAR|ABC", "VARCHAR|abc" }, "FALSE", NULL, NULL },
        { "ilike", { "VARCHAR|A" EACUPP "C", "VARCHAR|a" EACUTE "%" }, "TRUE", NULL, NULL },
        { "not ilike", { "VARCHAR|ABC", "VARCHAR|_b_" }, "FALSE", NULL, NULL },
        { "like", { "VARCHAR|abc", "VARCHAR|NULL" }, "NULL", NULL, NULL },
        { "rlike", { "VARCHAR|foobar", "VARCHAR|o+b" }, "TRUE", "BOOLEAN", NULL },
        { "rlike", { "VARCHAR|foobar", "VARCHAR|^b" }, "FALSE", NULL, NULL },
        { "rlike", { "VARCHAR|x" EURO "y", "VARCHAR|^x.y$" }, "TRUE", NULL, NULL },
        { "not rlike", { "VARCHAR|foobar", "VARCHAR|^f" }, "FALSE", NULL, NULL },
        { "rlike", { "VARCHAR|a", "VARCHAR|(" }, "!invalid regular expression '('", NULL, NULL },
        { "rlike", { "VARCHAR|a", "VARCHAR|a++++++++++++++++++++++++++++++++" }, "!it has too many", NULL, NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

static void arrays_count_from_one(void **state)
{
    static const call_case_t cases[] = {
        { "cardinality", { "INTEGER ARRAY|1,NULL,3" }, "3", "INTEGER", NULL },
        { "cardinality", { "VARCHAR ARRAY|" }, "0", NULL, NULL },
        { "[]", { "INTEGER ARRAY|1,2,3", "INTEGER|1" }, "1", "INTEGER", NULL },
        { "[]", { "VARCHAR ARRAY|a,b", "INTEGER|2" }, "b", "VARCHAR", NULL },
        { "[]", { "BOOLEAN ARRAY|true,false", "INTEGER|1" }, "TRUE", NULL, NULL },
        { "[]", { "VARCHAR ARRAY|a,NULL", "INTEGER|2" }, "NULL", NULL, NULL },
        { "[]", { "INTEGER ARRAY|1,2,3", "INTEGER|0" }, "NULL", NULL, NULL },
        { "[]", { "INTEGER ARRAY|1,2,3", "INTEGER|4" }, "NULL", NULL, NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_and_places, setup, teardown),
        cmocka_unit_test_setup_teardown(like_has_no_escape_unless_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(arrays_count_from_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
