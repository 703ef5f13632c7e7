#ifndef STORE_MASTER_H
#define STORE_MASTER_H

#include "crypto/seal.h"
#include "store/file.h"

/*
 * Does a master key belong to a store? With another one no name of a record fits and no box opens, so all of it would
 * look damaged. The file "master.check" has a hash under the key. A store without it is known by the names of its
 * records and by what is sealed in its list of users, and gets the file.
 */
#define MASTER_CHECK "master.check"

/*
 * master_check: write: the file is made when it is missing. ERR_CRYPTO: the key is that of another store, and nothing
 * was touched. ERR_IO, errno is set.
 */
MUST_USE enum err master_check(int dirfd, const uint8_t master[SEAL_KEY], bool write);

/* master_has_records: are there records of users, whether or not there is a list of them? ERR_IO counts as yes. */
bool master_has_records(int dirfd);

#endif
