#include "sip/verb/import.h"

#include <string.h>

#include "core/mem.h"
#include "sip/verb/admin.h"
#include "store/named.h"

/* Reads users from lines of text, with passwords, or with the hashes that another server has of them. */

#define CSV_MAX (64u << 20) /* octets of a file */

/*
 * read_hashes: "HA1-MD5,HA1-SHA-256" or these and that of the realm of the credential service. ERR_NOTFOUND: it is
 * something else. ERR_SYNTAX: it begins as hashes do.
 */
static enum err read_hashes(const struct config *c, struct slice text, struct ha1 *out)
{
	struct slice md5, sha256, credential = SLICE_NONE;

	*out = (struct ha1){0};
	if (!slice_cut(text, ',', &md5, &sha256))
		return ERR_NOTFOUND;
	slice_cut(sha256, ',', &sha256, &credential);
	if (md5.n != 32 || sha256.n != 64 || !ha1_read(md5, 32, out->md5) || !ha1_read(sha256, 64, out->sha256))
		return ERR_NOTFOUND;
	if (credential.n == 0 && strcmp(config_credential_realm(c), c->domain) == 0)
		credential = sha256;
	return ha1_read(credential, 64, out->credential) ? ERR_OK : ERR_SYNTAX;
}

/*
 * import_line: "AOR,password" or "AOR," and hashes. Other commas belong to the password. What is imported once more
 * ends no registration.
 */
static bool import_line(struct users *users, const struct config *c, struct slice line, struct import_count *count)
{
	struct slice name, rest;
	struct buf aor = {0};
	bool ok = slice_cut(line, ',', &name, &rest) && rest.n > 0 && admin_aor(c, slice_trim(name), &aor);

	if (ok) {
		const struct user *known = users_find(users, buf_slice(&aor));
		struct ha1 h;
		enum err e = read_hashes(c, rest, &h);

		if (e == ERR_NOTFOUND)
			admin_ha1(c, buf_slice(&aor), rest, &h);
		ok = e != ERR_SYNTAX;
		if (ok && known != NULL && user_has_ha1(known, &h)) {
			count->same++;
		} else if (ok) {
			++*(known == NULL ? &count->added : &count->changed);
			users_set(users, buf_slice(&aor), &h);
		}
		mem_wipe(&h, sizeof(h));
	}
	buf_free(&aor);
	return ok;
}

/* is_heading: "AOR,password", as the manual writes it, above the columns. */
static bool is_heading(struct slice line)
{
	return slice_eq(slice_sub(line, 0, slice_chr(line, ',')), S("AOR"));
}

int import_file(struct users *users, const struct config *c, const char *file, struct import_count *count,
		struct buf *why)
{
	struct slice rest, line;
	struct buf text = {0};
	unsigned number = 0;
	bool ok = true;

	if (!named_read(file, true, CSV_MAX, &text, why))
		return EXIT_LOCAL;
	if (text.n > 0 && text.p[text.n - 1] != '\n')
		buf_addc(&text, '\n');
	for (rest = buf_slice(&text); ok && slice_cut(rest, '\n', &line, &rest);) {
		number++;
		line = slice_trim(line);
		ok = line.n == 0 || (number == 1 && is_heading(line)) || import_line(users, c, line, count);
	}
	if (!ok)
		buf_addf(why,
			 "%s:%u: expected \"AOR,password\", or \"AOR,HA1-MD5,HA1-SHA-256\" and if wanted "
			 "\",HA1-SHA-256 of realm %s\", of the domain %s; nothing was imported",
			 file, number, config_credential_realm(c), c->domain);
	buf_wipe(&text);
	return ok ? EXIT_DONE : EXIT_REFUSED;
}
