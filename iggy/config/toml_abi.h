/* toml_abi.h: what the module headgate-toml.so exports: a TOML 1.0 text as calls, in the order of the text. Plain C; no
 * type and no exception of C++ crosses.
 */
#ifndef HG_IGGY_CONFIG_TOML_ABI_H
#define HG_IGGY_CONFIG_TOML_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values without a form in JSON (infinity, dates) have the kind TEXT too: as they are written in TOML. */
typedef enum {
    HG_TOML_TABLE,
    HG_TOML_ARRAY,
    HG_TOML_END, /* of the table or array opened last */
    HG_TOML_STRING,
    HG_TOML_NUMBER,
    HG_TOML_TRUE,
    HG_TOML_FALSE,
    HG_TOML_TEXT
} hg_toml_kind_t;

/* line and col count from 1, col in code points; 0 = the library does not say. key: NULL within an array and for the
 * whole document, which is a table. Borrowed for the call. */
typedef struct hg_toml_event {
    hg_toml_kind_t kind;
    const char *key, *text;
    size_t key_len, text_len;
    uint32_t key_line, key_col, line, col;
} hg_toml_event_t;

typedef struct hg_toml_error {
    uint32_t line, col;
    char msg[400];
} hg_toml_error_t;

/* 0, or -1 with *err: nothing was called then. The text's nesting is limited by the caller. */
int hg_toml_walk(const char *text, size_t n, void (*fn)(void *arg, const hg_toml_event_t *e), void *arg,
                 hg_toml_error_t *err);

#ifdef __cplusplus
}
#endif

#endif
