/* posix_regex.h: regular expressions from users and from data, compiled by the C library.
 *
 * regcomp() takes what a pattern says at its word: "a" and thirty pluses behind it want some gigabytes, thousands of
 * parentheses all of the stack. So a pattern is measured first: how many places its automaton will have once the
 * repetitions are written out, how many forks, and how deep its groups are. Any thread.
 */
#ifndef HG_BASE_POSIX_REGEX_H
#define HG_BASE_POSIX_REGEX_H

#include <regex.h>

#define HG_REGEX_PLACES 20000 /* linear in time and memory */
#define HG_REGEX_FORKS  2000  /* quadratic, with what may match nothing: 0.7 s and 300 MB at the worst */
#define HG_REGEX_DEPTH  250
#define HG_REGEX_WHY    160 /* room for a reason */

/* A POSIX extended regular expression; flags beside REG_EXTENDED. 0: the caller regfree()s it; HG_EINVAL: why not. */
int hg_regex_compile(const char *pattern, int flags, regex_t *ret, char why[HG_REGEX_WHY]);

#endif
