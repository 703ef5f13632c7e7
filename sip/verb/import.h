#ifndef SIP_VERB_IMPORT_H
#define SIP_VERB_IMPORT_H

#include "sip/config.h"
#include "store/user.h"

/* What became of the lines of a file. */
struct import_count {
	unsigned added, changed, same;
};

/*
 * import_file: adds the users of a CSV file: lines "AOR,password", or "AOR," and hashes. Returns an exit code of
 * usage.h; if it is not EXIT_DONE, *why is a sentence, and users must not be saved, because they may have some of them.
 */
MUST_USE int import_file(struct users *users, const struct config *c, const char *file, struct import_count *count,
			 struct buf *why);

#endif
