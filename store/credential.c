#include "store/credential.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/hash.h"

/*
 * Records of credentials: header lines, PEM blocks, and a checksum over all in the last line. A person can read the
 * file; the key in it is sealed with the AOR as context, so that a box copied into the record of another AOR does not
 * open.
 *
 * A record is read from the disk whenever its certificate or key is wanted. That keeps memory small.
 */

#define RECORD_MAX 65536
#define KEY_LABEL "VOUCH SEALED PRIVATE KEY"
#define FORMAT "vouch-credential: "
#define CHECKSUM "checksum: "

struct credential_store {
	int dirfd;
	struct commit *commit;
	uint8_t master[SEAL_KEY];
	struct map by_aor;
	struct buf *why;  /* while opening */
	enum err opening; /* the failure that ends opening */
};

/* A change on its way to the disk. The index shows the old state until on_durable. */
struct credential_write {
	struct credential_store *store;
	struct buf old;         /* the record of the old state, for readers: the file may be the new one already */
	struct credential next; /* aor is owned */
	commit_fn done;
	void *arg;
};

/* The name is keyed by the master key: it tells nothing about the AOR, and a record of another key is noticed. */
static void file_name(const uint8_t *master, struct slice aor, char out[FILE_NAME_MAX])
{
	struct slice parts[2] = {S("file name "), aor};
	uint8_t mac[HASH_MAX];
	struct buf hex = {0};

	hmac_parts(HASH_SHA256, slice_of(master, SEAL_KEY), parts, 2, mac);
	hex_encode(&hex, slice_of(mac, 32));
	snprintf(out, FILE_NAME_MAX, "%s" CREDENTIAL_SUFFIX, hex.p);
	buf_free(&hex);
}

/* --- the text of a record --- */

static void write_record(const struct credential_store *s, const struct credential *c, struct slice cert,
			 struct slice key, struct buf *out)
{
	char sum[2 * HASH_MAX + 1];
	struct slice all;

	buf_addf(out, FORMAT "1\naor: %s\ngeneration: %llu\netag: %s\nstate: %s\n", c->aor,
		 (unsigned long long)c->generation, c->etag, c->present ? "published" : "revoked");
	if (c->account != 0)
		buf_addf(out, "account: %llx\n", (unsigned long long)c->account);
	buf_addf(out, "published: %lld\nexpires: %lld\nnot-before: %lld\nnot-after: %lld\nmade-here: %s\n",
		 (long long)c->published, (long long)c->expires, (long long)c->not_before, (long long)c->not_after,
		 c->made_here ? "yes" : "no");
	if (cert.n > 0)
		pem_write(out, "CERTIFICATE", cert);
	if (key.n > 0) {
		struct buf box = {0};

		seal_close(s->master, slice_str(c->aor), key, &box);
		pem_write(out, KEY_LABEL, buf_slice(&box));
		buf_free(&box);
	}
	all = buf_slice(out);
	hash_hex(HASH_SHA256, &all, 1, sum);
	buf_addf(out, CHECKSUM "%s\n", sum);
}

/* value_of: the value of "name: value", when line begins with that name. */
static bool value_of(struct slice line, const char *name, struct slice *value)
{
	struct slice n = slice_str(name);

	if (!slice_starts(line, n))
		return false;
	*value = slice_sub(line, n.n, line.n);
	return true;
}

static bool number_of(struct slice line, const char *name, int64_t *out)
{
	struct slice value;
	uint64_t v;

	if (!value_of(line, name, &value) || !slice_u64(value, INT64_MAX, &v))
		return false;
	*out = (int64_t)v;
	return true;
}

/* Unknown lines are ignored, so that a later version of this format may add some. */
static void take_line(struct slice line, struct credential *c)
{
	uint64_t account;
	struct slice v;
	int64_t n;

	if (value_of(line, "aor: ", &v) && c->aor == NULL)
		c->aor = slice_dup(v);
	else if (number_of(line, "generation: ", &n))
		c->generation = (uint64_t)n;
	else if (value_of(line, "etag: ", &v) && v.n <= CREDENTIAL_ETAG)
		memcpy(c->etag, v.p, v.n);
	else if (value_of(line, "account: ", &v) && slice_hex(v, &account))
		c->account = account; /* not there in versions before generations: 0 */
	else if (value_of(line, "state: ", &v))
		c->present = slice_eq(v, S("published"));
	else if (value_of(line, "made-here: ", &v))
		c->made_here = slice_eq(v, S("yes"));
	else if (!number_of(line, "published: ", &c->published) && !number_of(line, "expires: ", &c->expires) &&
		 !number_of(line, "not-before: ", &c->not_before))
		(void)number_of(line, "not-after: ", &c->not_after);
}

static bool checksum_fits(struct slice text, struct slice *covered)
{
	size_t at = slice_find(text, S("\n" CHECKSUM), 0);
	char sum[2 * HASH_MAX + 1];
	struct slice stored;

	if (at == text.n)
		return false;
	*covered = slice_sub(text, 0, at + 1);
	stored = slice_sub(text, at + 1 + strlen(CHECKSUM), text.n);
	hash_hex(HASH_SHA256, covered, 1, sum);
	return stored.n == 65 && stored.p[64] == '\n' && slice_eq(slice_sub(stored, 0, 64), slice_str(sum));
}

static enum err read_blocks(const uint8_t *master, struct slice text, struct credential *c, struct buf *cert,
			    struct buf *key)
{
	static const char *const labels[] = {"CERTIFICATE", KEY_LABEL, NULL};
	struct buf block = {0};
	const char *label;
	size_t pos = 0;
	enum err e;

	while ((e = pem_read(text, labels, &pos, &label, &block)) == ERR_OK) {
		if (label == labels[0]) {
			const struct slice der = buf_slice(&block);

			hash_parts(HASH_SHA256, &der, 1, c->sha256);
			if (cert != NULL)
				buf_add(cert, buf_slice(&block));
		} else {
			c->has_key = true;
			if (key != NULL && seal_open(master, slice_str(c->aor), buf_slice(&block), key) != ERR_OK) {
				e = ERR_CRYPTO;
				break;
			}
		}
		buf_clear(&block);
	}
	buf_free(&block);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err credential_record_read(const uint8_t *master, struct slice text, struct credential *out, struct buf *cert,
				struct buf *key)
{
	struct slice covered, rest, line, version;
	struct credential c = {0};
	enum err e;

	if (!value_of(text, FORMAT, &version))
		return ERR_SYNTAX;
	/*
	 * The checksum first, which every version has: a flipped bit in the version number must not look like a newer
	 * version.
	 */
	if (!checksum_fits(text, &covered))
		return ERR_CRYPTO;
	if (!slice_starts(version, S("1\n")))
		return ERR_UNSUPPORTED;
	for (rest = covered; slice_cut(rest, '\n', &line, &rest) && !slice_starts(line, S("-----"));)
		take_line(line, &c);
	if (c.aor == NULL)
		return ERR_SYNTAX;
	/*
	 * Certificate and key are opened only for a caller that wants them. has_key and the fingerprint are set in any
	 * case.
	 */
	e = read_blocks(master, covered, &c, cert, key);
	if (e != ERR_OK) {
		mem_free(c.aor);
		return e;
	}
	*out = c;
	return ERR_OK;
}

enum err credential_record_belongs(int dirfd, const char *name, const uint8_t *master)
{
	struct buf text = {0};
	char expected[FILE_NAME_MAX];
	struct credential c;
	enum err e = file_read(dirfd, name, RECORD_MAX, &text);

	if (e == ERR_OK && credential_record_read(master, buf_slice(&text), &c, NULL, NULL) != ERR_OK)
		e = ERR_SYNTAX;
	buf_free(&text);
	if (e != ERR_OK)
		return e;
	file_name(master, slice_str(c.aor), expected);
	mem_free(c.aor);
	return strcmp(expected, name) == 0 ? ERR_OK : ERR_CRYPTO;
}

/* --- opening --- */

static void add_to_index(struct credential_store *s, const struct credential *c)
{
	struct credential *own = mem_alloc(sizeof(*own));

	*own = *c;
	map_add(&s->by_aor, &own->node, slice_str(own->aor));
}

static bool load_one(void *arg, const char *name)
{
	struct credential_store *s = arg;
	char expected[FILE_NAME_MAX];
	struct buf text = {0};
	struct credential c;
	enum err e;

	if (!slice_ends(slice_str(name), S(CREDENTIAL_SUFFIX)))
		return true;
	e = file_read(s->dirfd, name, RECORD_MAX, &text);
	if (e == ERR_OK)
		e = credential_record_read(s->master, buf_slice(&text), &c, NULL, NULL);
	buf_free(&text);
	if (e == ERR_OK) {
		file_name(s->master, slice_str(c.aor), expected);
		if (strcmp(expected, name) == 0) {
			add_to_index(s, &c);
			return true;
		}
		mem_free(c.aor);
		e = ERR_CRYPTO; /* the record of another AOR under this name, or one of another master key */
	}
	if (e == ERR_UNSUPPORTED) {
		buf_addf(s->why, "the record %s was written by a newer version of this program; nothing was changed",
			 name);
		s->opening = e;
		return false;
	}
	log_line(LOG_ERROR, "event=quarantine file=%s reason=%s", name, log_esc(slice_str(err_str(e))).text);
	file_set_aside(s->dirfd, name);
	return true;
}

enum err credential_store_open(int dirfd, struct commit *commit, const uint8_t *master, struct credential_store **out,
			       struct buf *why)
{
	struct credential_store *s = mem_alloc(sizeof(*s));
	enum err e;

	s->dirfd = dirfd;
	s->commit = commit;
	s->why = why;
	memcpy(s->master, master, SEAL_KEY);
	map_init(&s->by_aor);
	e = file_each(dirfd, load_one, s);
	if (e == ERR_OK)
		e = s->opening;
	if (e != ERR_OK) {
		credential_store_free(s);
		return e;
	}
	s->why = NULL;
	*out = s;
	return ERR_OK;
}

void credential_store_free(struct credential_store *s)
{
	struct map_node *n;

	if (s == NULL)
		return;
	while ((n = map_first(&s->by_aor)) != NULL) {
		struct credential *c = MAP_ENTRY(n, struct credential, node);

		map_remove(&s->by_aor, n);
		mem_free(c->aor);
		mem_free(c);
	}
	map_free(&s->by_aor);
	mem_wipe(s->master, sizeof(s->master));
	mem_free(s);
}

void credential_set_aside(struct credential_store *s, const struct credential *c)
{
	struct credential *own = MAP_ENTRY(map_find(&s->by_aor, slice_str(c->aor)), struct credential, node);
	char name[FILE_NAME_MAX], to[FILE_NAME_MAX];

	file_name(s->master, slice_str(c->aor), name);
	snprintf(to, sizeof(to), "%.200s.%llx.gone", name, (unsigned long long)c->account);
	log_line(LOG_WARN, "event=set_aside aor=%s file=%s", log_esc(slice_str(c->aor)).text, to);
	file_rename(s->dirfd, name, to);
	map_remove(&s->by_aor, &own->node);
	mem_free(own->aor);
	mem_free(own);
}

/* --- use --- */

static struct credential *find(const struct credential_store *s, struct slice aor)
{
	struct map_node *n = map_find(&s->by_aor, aor);

	return n == NULL ? NULL : MAP_ENTRY(n, struct credential, node);
}

const struct credential *credential_find(const struct credential_store *s, struct slice aor)
{
	return find(s, aor);
}

/*
 * read_text: the text of the record that the index describes: the file, or the old one kept in memory while a new one
 * is written.
 */
static enum err read_text(const struct credential_store *s, const struct credential *c, const char *name,
			  struct buf *out)
{
	if (c->write == NULL || c->write->old.n == 0)
		return file_read(s->dirfd, name, RECORD_MAX, out);
	buf_add(out, buf_slice(&c->write->old));
	return ERR_OK;
}

enum err credential_read(const struct credential_store *s, const struct credential *c, struct buf *cert,
			 struct buf *key)
{
	char name[FILE_NAME_MAX];
	struct buf text = {0}, found_cert = {0}, found_key = {0};
	struct credential stored;
	enum err e;

	if (!c->present)
		return ERR_NOTFOUND;
	file_name(s->master, slice_str(c->aor), name);
	e = read_text(s, c, name, &text);
	if (e == ERR_OK)
		e = credential_record_read(s->master, buf_slice(&text), &stored, cert != NULL ? &found_cert : NULL,
					   key != NULL ? &found_key : NULL);
	if (e == ERR_OK) {
		/*
		 * The file is of another generation than the index: another process writes here, or a replacement could
		 * not be taken back.
		 */
		if (stored.generation != c->generation)
			e = ERR_IO;
		mem_free(stored.aor);
	}
	if (e == ERR_OK && cert != NULL)
		buf_add(cert, buf_slice(&found_cert));
	if (e == ERR_OK && key != NULL)
		buf_add(key, buf_slice(&found_key));
	if (e != ERR_OK)
		log_line(LOG_ERROR, "event=credential_unreadable aor=%s file=%s reason=%s",
			 log_esc(slice_str(c->aor)).text, name, log_esc(slice_str(err_str(e))).text);
	buf_free(&text);
	buf_free(&found_cert);
	buf_wipe(&found_key);
	return e;
}

static void write_free(struct credential_write *p)
{
	struct credential *now = find(p->store, slice_str(p->next.aor));

	if (now != NULL)
		now->write = NULL;
	buf_free(&p->old);
	mem_free(p);
}

static void on_durable(void *arg, enum err e)
{
	struct credential_write *p = arg;
	struct credential_store *s = p->store;
	commit_fn done = p->done;
	void *done_arg = p->arg;
	char *next_aor = p->next.aor;

	if (e == ERR_OK) {
		struct credential *c = find(s, slice_str(next_aor)), next = p->next;

		write_free(p);
		if (c == NULL) {
			add_to_index(s, &next);
		} else {
			/* The index keeps its node and the aor that the node refers to. */
			struct map_node node = c->node;
			char *aor = c->aor;

			*c = next;
			c->node = node;
			c->aor = aor;
			mem_free(next_aor);
		}
	} else {
		write_free(p);
		mem_free(next_aor);
	}
	done(done_arg, e);
}

enum err credential_put(struct credential_store *s, const struct credential_change *change, commit_fn done, void *arg)
{
	struct credential *now = find(s, change->aor);
	struct credential_write *p = mem_alloc(sizeof(*p));
	char name[FILE_NAME_MAX];
	struct buf text = {0};
	enum err e;

	*p = (struct credential_write){.store = s, .done = done, .arg = arg};
	p->next = (struct credential){.aor = slice_dup(change->aor),
				      .generation = now == NULL ? 1 : now->generation + 1,
				      .account = change->account,
				      .present = change->cert.n > 0};
	if (p->next.present) {
		p->next.published = change->published;
		p->next.expires = change->expires;
		p->next.not_before = change->not_before;
		p->next.not_after = change->not_after;
		p->next.has_key = change->key.n > 0;
		p->next.made_here = change->made_here;
		hash_parts(HASH_SHA256, &change->cert, 1, p->next.sha256);
		memcpy(p->next.etag, change->etag.p,
		       change->etag.n < CREDENTIAL_ETAG ? change->etag.n : CREDENTIAL_ETAG);
	}
	write_record(s, &p->next, change->cert, p->next.present ? change->key : SLICE_NONE, &text);
	file_name(s->master, change->aor, name);
	if (now != NULL && now->present && file_read(s->dirfd, name, RECORD_MAX, &p->old) != ERR_OK)
		buf_free(&p->old); /* a reader gets the same error from the file */
	if (now != NULL)
		now->write = p;
	e = commit_file(s->commit, name, &text, on_durable, p);
	if (e != ERR_OK) {
		char *aor = p->next.aor;

		buf_wipe(&text);
		write_free(p);
		mem_free(aor);
	}
	return e;
}

void credential_each(const struct credential_store *s, credential_fn fn, void *arg)
{
	for (struct map_node *n = map_first(&s->by_aor); n != NULL; n = map_next(&s->by_aor, n))
		fn(arg, MAP_ENTRY(n, struct credential, node));
}
