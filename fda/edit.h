/* edit.h: lines from a terminal, edited, with history and completion; from anything else as they come. */
#ifndef HG_FDA_EDIT_H
#define HG_FDA_EDIT_H

#include "base/buf.h"

typedef struct fda_edit fda_edit_t;

/* Every candidate for the word that ends at the cursor; before: the line up to that word. Called in the thread of
 * fda_edit_line. */
typedef void (*fda_candidates_fn)(void *arg, hg_str_t before, void (*offer)(void *to, const char *word), void *to);

/* history: a file of former lines, read now and written at the end; NULL: none. Without a terminal, or without libedit
 * (then a word on stderr says so), lines are read plainly. Never NULL. */
fda_edit_t *fda_edit_open(const char *prompt, const char *history, fda_candidates_fn candidates, void *arg);
void fda_edit_close(fda_edit_t *e);

typedef enum { FDA_EDIT_LINE, FDA_EDIT_INTERRUPTED, FDA_EDIT_END } fda_edit_rc_t;
/* The next line without its end and blanks around it, in *ret until the next call. INTERRUPTED: ^C. */
fda_edit_rc_t fda_edit_line(fda_edit_t *e, hg_str_t *ret);

#endif
