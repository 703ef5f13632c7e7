#ifndef STORE_WORDS_H
#define STORE_WORDS_H

#include "core/buf.h"

/* Values of the journal as words between blanks: numbers as they are, texts of any octets with a mark and escapes. */

/* words_add: appends " =" and s, where blanks, line ends, "%" and what is not printable are %XX. */
void words_add(struct buf *out, struct slice s);

/* words_next: cuts the next word off *rest. false when it is empty. */
MUST_USE bool words_next(struct slice *rest, struct slice *word);

/* words_number: cuts off a decimal number of at most max. */
MUST_USE bool words_number(struct slice *rest, uint64_t max, uint64_t *out);

/* words_text: cuts off what words_add made and appends its octets. */
MUST_USE bool words_text(struct slice *rest, struct buf *out);

#endif
