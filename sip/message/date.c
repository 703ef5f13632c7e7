#include "sip/message/date.h"

#include <stdio.h>
#include <time.h>

#include "sip/message/scan.h"

/*
 * Dates without libc: see date.h. A Date is signed in its one canonical form, so parsing and formatting must be exact
 * inverses (AUT-11).
 */

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/*
 * days_from_civil: days since 1970-01-01 of a Gregorian date; m counts from 0, d from 1. 719162 days lie between
 * 0001-01-01 and 1970.
 */
static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
	static const unsigned before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	int64_t past = y - 1;

	return past * 365 + past / 4 - past / 100 + past / 400 + before[m] + (leap && m > 1) + d - 1 - 719162;
}

static unsigned month_length(unsigned year, unsigned m)
{
	static const unsigned char length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return length[m] + (leap && m == 1);
}

void date_format(int64_t t, char out[DATE_SIZE])
{
	int64_t day = t / 86400, second = t % 86400;
	int64_t year;
	unsigned m = 0;

	if (second < 0) {
		second += 86400;
		day--;
	}
	/* A first guess that is never too late, on either side of 1970; the loop corrects it. */
	year = day >= 0 ? 1970 + day / 366 : 1969 + day / 365;
	while (days_from_civil(year + 1, 0, 1) <= day)
		year++;
	while (m < 11 && days_from_civil(year, m + 1, 1) <= day)
		m++;
	/*
	 * 1970-01-01 was a Thursday, number 4; + 11 keeps the remainder positive. The other remainders only tell the
	 * compiler how long the text is.
	 */
	snprintf(out, DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[(day % 7 + 11) % 7],
		 (unsigned)(day - days_from_civil(year, m, 1) + 1) % 100, months[m], (unsigned)year % 10000,
		 (unsigned)(second / 3600) % 100, (unsigned)(second / 60 % 60), (unsigned)(second % 60));
}

static int find_name(struct slice s, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (slice_ieq(s, slice_str(names[i])))
			return (int)i;
	return -1;
}

/* word: cuts the first word off *s; it ends at a blank. */
static struct slice word(struct slice *s)
{
	size_t n = 0;
	struct slice w;

	*s = scan_skip(*s);
	while (n < s->n && !char_is(s->p[n], CHAR_LWS))
		n++;
	w = slice_sub(*s, 0, n);
	*s = slice_sub(*s, n, s->n);
	return w;
}

static bool two_digits(struct slice s, size_t at, uint32_t max, uint32_t *out)
{
	return at + 2 <= s.n && slice_u32(slice_sub(s, at, at + 2), max, out);
}

/* "23:29:00" */
static bool clock_of(struct slice s, int64_t *seconds)
{
	uint32_t h, min, sec;

	if (s.n != 8 || s.p[2] != ':' || s.p[5] != ':' || !two_digits(s, 0, 23, &h) || !two_digits(s, 3, 59, &min) ||
	    !two_digits(s, 6, 59, &sec))
		return false;
	*seconds = (int64_t)h * 3600 + (int64_t)min * 60 + sec;
	return true;
}

enum err date_parse(struct slice s, int64_t *out)
{
	struct slice weekday = word(&s), day = word(&s), month = word(&s), year = word(&s), clock = word(&s),
		     zone = word(&s);
	int64_t number, seconds;
	uint32_t d, y;
	int wd, m;

	if (weekday.n != 4 || weekday.p[3] != ',' || day.n != 2 || year.n != 4 || scan_skip(s).n != 0 ||
	    !slice_ieq(zone, S("GMT")))
		return ERR_SYNTAX;
	wd = find_name(slice_sub(weekday, 0, 3), days, 7);
	m = find_name(month, months, 12);
	if (wd < 0 || m < 0 || !slice_u32(year, 9999, &y) || y == 0 ||
	    !two_digits(day, 0, month_length(y, (unsigned)m), &d) || d == 0)
		return ERR_SYNTAX;
	number = days_from_civil(y, (unsigned)m, d);
	if ((number % 7 + 11) % 7 != wd || !clock_of(clock, &seconds))
		return ERR_SYNTAX;
	*out = number * 86400 + seconds;
	return ERR_OK;
}

enum err date_parse_utc(struct slice s, int64_t *out)
{
	int64_t seconds;
	uint32_t y, m, d;

	if (s.n != 20 || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T' || s.p[19] != 'Z' ||
	    !slice_u32(slice_sub(s, 0, 4), 9999, &y) || y == 0 || !two_digits(s, 5, 12, &m) || m == 0 ||
	    !two_digits(s, 8, month_length(y, m - 1), &d) || d == 0 || !clock_of(slice_sub(s, 11, 19), &seconds))
		return ERR_SYNTAX;
	*out = days_from_civil(y, m - 1, d) * 86400 + seconds;
	return ERR_OK;
}
