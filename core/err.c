#include "core/err.h"

/* The phrases of the error list, for log lines and messages to people. */

const char *err_str(enum err e)
{
	/* No default: the compiler names an error that is added and has no phrase here. */
	switch (e) {
	case ERR_OK:
		return "no error";
	case ERR_AGAIN:
		return "more input is needed";
	case ERR_SYNTAX:
		return "malformed input";
	case ERR_LIMIT:
		return "over the limit";
	case ERR_BUSY:
		return "too busy";
	case ERR_NOTFOUND:
		return "not found";
	case ERR_EXISTS:
		return "already there";
	case ERR_IO:
		return "input/output error";
	case ERR_CRYPTO:
		return "cryptographic check failed";
	case ERR_UNSUPPORTED:
		return "not supported";
	case ERR_CLOSED:
		return "closed by the other side";
	}
	return "unknown error";
}
