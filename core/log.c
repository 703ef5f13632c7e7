#include "core/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/secret.h"

/*
 * The log: lines on stderr, which systemd or the shell keeps. State is global, the one exception in the program,
 * because every room logs and threading a pointer through all of them would serve nothing. Only the loop thread writes
 * it.
 */

static struct {
	enum log_level level;
	time_t second;       /* the second that warned counts */
	unsigned warned;     /* warn lines in that second */
	unsigned suppressed; /* warn lines left out since the last one written */
} state = {.level = LOG_WARN};

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

void log_set(enum log_level level)
{
	state.level = level;
}

bool log_on(enum log_level level)
{
	return level <= state.level;
}

static void put(enum log_level level, time_t now, const char *text)
{
	char line[1024];
	struct tm tm;
	int n;

	gmtime_r(&now, &tm);
	/*
	 * One write for one line: lines of several processes on one stderr do not mix. A line that is too long keeps
	 * its LF.
	 */
	n = snprintf(line, sizeof(line) - 1, "%04d-%02d-%02dT%02d:%02d:%02dZ %s %s", tm.tm_year + 1900, tm.tm_mon + 1,
		     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, level_names[level], text);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* The log has no reader, so there is no place to report that. */
}

/*
 * A peer that misbehaves in a loop must not fill the disk. Warnings have a rate, and the ones left out are counted
 * (G43).
 */
static bool within_rate(time_t now)
{
	if (now != state.second) {
		state.second = now;
		state.warned = 0;
	}
	if (++state.warned > LOG_WARN_RATE) {
		state.suppressed++;
		return false;
	}
	return true;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[960];
	time_t now;
	va_list ap;

	if (!log_on(level))
		return;
	now = time(NULL);
	if (level == LOG_WARN && !within_rate(now))
		return;
	if (state.suppressed > 0) {
		snprintf(text, sizeof(text), "event=suppressed lines=%u", state.suppressed);
		state.suppressed = 0;
		put(LOG_WARN, now, text);
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(level, now, text);
}

struct log_text log_esc(struct slice s)
{
	static const char digits[] = "0123456789abcdef";
	struct log_text out;
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		size_t secret = secret_length(s, i);

		/* The longest escape, the dots and the NUL must still fit. */
		if (n + 4 + 3 >= sizeof(out.text)) {
			memcpy(out.text + n, "...", 3);
			n += 3;
			break;
		}
		if (secret > 0) {
			memcpy(out.text + n, SECRET_HIDDEN, sizeof(SECRET_HIDDEN) - 1);
			n += sizeof(SECRET_HIDDEN) - 1;
			i += secret - 1;
			continue;
		}
		if (c > 0x20 && c < 0x7f && c != '"' && c != '\\') {
			out.text[n++] = (char)c;
			continue;
		}
		out.text[n++] = '\\';
		out.text[n++] = 'x';
		out.text[n++] = digits[c >> 4];
		out.text[n++] = digits[c & 15];
	}
	if (n == 0)
		out.text[n++] = '-';
	out.text[n] = '\0';
	return out;
}
