#ifndef CORE_ERR_H
#define CORE_ERR_H

/*
 * One list of errors for the whole program. A function that can fail returns enum err; predicates return bool and
 * look-ups a pointer or NULL, so the type tells which is which.
 */

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
	ERR_OK = 0,
	ERR_AGAIN,       /* not enough input yet, or the operation goes on later */
	ERR_SYNTAX,      /* the input does not follow its grammar */
	ERR_LIMIT,       /* the input is larger or more than a limit allows */
	ERR_BUSY,        /* a bounded queue or table is full: try later */
	ERR_NOTFOUND,    /* no such thing */
	ERR_EXISTS,      /* it is there already, or somebody else holds it */
	ERR_IO,          /* the operating system refused; errno tells more right after the call */
	ERR_CRYPTO,      /* a check of a signature, MAC, padding or key failed */
	ERR_UNSUPPORTED, /* well-formed, but of a kind that this program does not do */
	ERR_CLOSED,      /* the other side is gone */
};

/* err_str: a short lower-case English phrase for e, never NULL. */
const char *err_str(enum err e);

#endif
