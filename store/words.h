#ifndef STORE_WORDS_H
#define STORE_WORDS_H

#include "core/buf.h"

/*
 * Values of the journal as words between blanks: numbers in decimal; texts of any octets with "=" in front and escapes,
 * so that an empty text is a word, too.
 */

/* words_add: appends " =" and s; blanks, line ends, "%" and unprintable octets become %XX. */
void words_add(struct buf *out, struct slice s);

/* words_next: cuts the next word off *rest. false when there is none or it is empty. */
MUST_USE bool words_next(struct slice *rest, struct slice *word);

/* words_number: cuts off a decimal number of at most max. false: it is none. */
MUST_USE bool words_number(struct slice *rest, uint64_t max, uint64_t *out);

/* words_text: cuts off what words_add wrote and appends its octets. false: malformed; out may have a part of it. */
MUST_USE bool words_text(struct slice *rest, struct buf *out);

#endif
