/* regex.h: regular expressions that are searched for in linear time, by RE2 in the module headgate-regex.so: no
 * look-around, no back-references, and no pattern that a message could make slow.
 *
 * This header is what the module includes as well, hence plain C: the table of functions, and what wraps it.
 */
#ifndef HG_IGGY_CODEC_REGEX_H
#define HG_IGGY_CODEC_REGEX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HG_REGEX_ABI 1
#define HG_REGEX_WHY 400

/* Immutable; any threads at once. */
typedef struct hg_regex hg_regex_t;

typedef struct hg_regex_api {
    uint32_t abi;
    int (*make)(const char *pattern, size_t n, hg_regex_t **ret, char *why); /* -1: why[] says what is wrong */
    void (*free)(hg_regex_t *r);
    int (*search)(const hg_regex_t *r, const char *p, size_t n); /* 1: somewhere in it */
} hg_regex_api_t;

const hg_regex_api_t *hg_regex_module(uint32_t abi);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus
#include "base/err.h"
/* HG_EINVAL: what is wrong with the pattern; HG_EUNSUPPORTED: the module is not there. */
int hg_regex_new(hg_str_t pattern, hg_regex_t **ret, hg_err_t *err);
void hg_regex_free(hg_regex_t *r); /* NULL is fine */
bool hg_regex_search(const hg_regex_t *r, hg_str_t text);
#endif

#endif
