#ifndef SIP_MESSAGE_DATE_H
#define SIP_MESSAGE_DATE_H

#include "core/slice.h"

/*
 * SIP-date, RFC 3261 20.17: "Sat, 13 Nov 2010 23:29:00 GMT", always GMT. Times are seconds since 1970, for the years 1
 * to 9999. libc is not used, because its time_t may have 32 bits and its names depend on the locale.
 */

#define DATE_SIZE 30 /* with the NUL */

/* date_format: writes the one form of t to out, NUL-terminated. */
void date_format(int64_t t, char out[DATE_SIZE]);

/*
 * date_parse: several blanks or a fold between the words, and names in any case, are accepted. ERR_SYNTAX: anything
 * else, a weekday that does not fit the day, or a day that does not exist.
 */
MUST_USE enum err date_parse(struct slice s, int64_t *out);

/* date_parse_utc: "2010-11-13T23:29:00Z", RFC 3339, as people write a time; only in UTC and without fractions. */
MUST_USE enum err date_parse_utc(struct slice s, int64_t *out);

#endif
