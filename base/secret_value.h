/* secret_value.h: where a value that is secret stands in a text: the rule for log lines and errors (hide.h) and for
 * support bundles (compile/redact.h). Any thread; nothing is kept.
 */
#ifndef HG_BASE_SECRET_VALUE_H
#define HG_BASE_SECRET_VALUE_H

#include "base/buf.h"

#define HG_SECRET_SHORTEST 4 /* bytes: a shorter value would make a text unreadable */

typedef struct hg_secret_value {
    hg_str_t text; /* borrowed */
    bool word;     /* counts only where it begins and ends as a word: 'postgres' stays in postgres_input */
} hg_secret_value_t;

/* Can it be told from other text? Not what is shorter than that, nor true, false and null. */
bool hg_secret_tells(hg_str_t value);
hg_secret_value_t hg_secret_value(hg_str_t value);
bool hg_secret_at(const hg_secret_value_t *v, hg_str_t text, size_t i); /* does it stand at text[i]? */

/* A letter, a digit or '_'. */
bool hg_word_byte(char c);

#endif
