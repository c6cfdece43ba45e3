/* hg.h: first include of every .c file.
 *
 * Sets the feature macros, and gives what every file needs: fixed-width integers, attributes, assertions of three
 * strengths, and slices. Functions that have a safer twin in base/ are poisoned here, so that the compiler refuses
 * them; base/ itself defines HG_BASE_INTERNAL before the include where it wraps one of them.
 */
#ifndef HG_HG_H
#define HG_HG_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HG_VERSION      "0.1.0"
#define HG_VERSION_DATE "2026-11-21" /* of manual pages */

/* Version of the Feldera surface that headgate speaks; reported by GET /v0/config. */
#define HG_FELDERA_VERSION "0.349.0"

#define HG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HG_NORETURN          __attribute__((noreturn))
#define HG_UNUSED            __attribute__((unused))
#define HG_LIKELY(x)         __builtin_expect(!!(x), 1)
#define HG_UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define HG_BIT(n)            (1u << (n))
#define HG_COUNT(a)          (sizeof(a) / sizeof((a)[0]))
/* Arguments are evaluated twice: nothing that another thread may change in between. */
#define HG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HG_MAX(a, b) ((a) > (b) ? (a) : (b))

/* The object that holds `field`, given a pointer to the field. */
#define HG_ENTRY(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

/* 128-bit integers carry DECIMAL values; an extension that gcc and clang share. */
__extension__ typedef __int128 hg_i128;
__extension__ typedef unsigned __int128 hg_u128;

/* --- assertions --------------------------------------------------------------------------------------------------
 * HG_ASSERT:  all builds; going on would corrupt data. Prints the place, aborts.
 * HG_DASSERT: debug builds only; for costly walks.
 * HG_NEVER:   should not happen but can be survived: aborts in debug, logs once per place in release. Yields the
 *             condition: `if (HG_NEVER(n > cap)) return HG_EBUG;` */
HG_NORETURN void hg_panic(const char *file, int line, const char *what);
bool hg_never(const char *file, int line, const char *what);

#define HG_ASSERT(c) (HG_LIKELY(c) ? (void)0 : hg_panic(__FILE__, __LINE__, #c))
#ifdef HG_DEBUG
#define HG_DASSERT(c) HG_ASSERT(c)
#else
#define HG_DASSERT(c) ((void)0)
#endif
#define HG_NEVER(c) (HG_UNLIKELY(c) && hg_never(__FILE__, __LINE__, #c))

/* --- slices ------------------------------------------------------------------------------------------------------
 * Borrowed text: valid as long as the thing it points into. p may be NULL only when n == 0. Not NUL-terminated. */
typedef struct hg_str {
    const char *p;
    size_t n;
} hg_str_t;

#define HG_S(lit) ((hg_str_t){ (lit), sizeof(lit) - 1 })
#define HG_SF     "%.*s"
#define HG_SA(s)  (int)(s).n, (s).p

#ifndef HG_BASE_INTERNAL
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atof localtime gmtime
#endif

#endif
