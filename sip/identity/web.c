#include "sip/identity/web.h"

#include "core/log.h"
#include "core/mem.h"

/* A web server for one kind of object. Slow clients meet the time limits of the stream layer. */

#define REQUEST_MAX 4096 /* octets of a request head; beyond: 431 */

struct web {
	struct loop *loop;
	const struct domain_certs *certs;
};

struct web *web_new(struct loop *l, const struct domain_certs *certs)
{
	struct web *w = mem_alloc(sizeof(*w));

	*w = (struct web){.loop = l, .certs = certs};
	return w;
}

void web_free(struct web *w)
{
	mem_free(w);
}

static void answer(struct stream *s, const char *status, const char *headers, struct slice body, bool head_only)
{
	struct buf out = {0};

	buf_addf(&out, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status, headers, body.n);
	if (!head_only)
		buf_add(&out, body);
	if (stream_send(s, buf_slice(&out)) == ERR_OK)
		stream_close(s, "answered");
	buf_free(&out);
}

/* respond: answers a request by its first line. Header fields are not looked at, and a query is ignored. */
static void respond(const struct web *w, struct stream *s, struct slice line)
{
	struct slice method, target, version, rest, der;
	bool head;

	if (!slice_cut(line, ' ', &method, &rest) || !slice_cut(rest, ' ', &target, &version) ||
	    !slice_starts(version, S("HTTP/1."))) {
		answer(s, "400 Bad Request", "", SLICE_NONE, false);
		return;
	}
	head = slice_eq(method, S("HEAD"));
	if (!head && !slice_eq(method, S("GET"))) {
		answer(s, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", SLICE_NONE, false);
		return;
	}
	der = domain_certs_find(w->certs, slice_sub(target, 0, slice_chr(target, '?')), loop_wall_s(w->loop));
	if (der.p == NULL)
		answer(s, "404 Not Found", "", SLICE_NONE, head);
	else
		answer(s, "200 OK", "Content-Type: application/pkix-cert\r\nCache-Control: max-age=3600\r\n", der,
		       head);
}

static void on_opened(void *arg, struct stream *s)
{
	(void)arg;
	(void)s;
}

/* Waits for the blank line that ends the head. A body is not read: the connection is closed after the answer. */
static size_t on_data(void *arg, struct stream *s, struct slice in)
{
	size_t end = slice_find(in, S("\r\n\r\n"), 0);

	/* A head that is too long is refused, whether its end has come with it or not. */
	if (end > REQUEST_MAX) {
		answer(s, "431 Request Header Fields Too Large", "", SLICE_NONE, false);
		return in.n;
	}
	if (end == in.n)
		return 0;
	stream_progress(s);
	respond(arg, s, slice_sub(in, 0, slice_find(in, S("\r\n"), 0)));
	return in.n;
}

static void on_closed(void *arg, struct stream *s, const char *why)
{
	(void)arg;
	log_line(LOG_DEBUG, "event=web_closed peer=%s reason=%s", peer_text(stream_remote(s)).text,
		 log_esc(slice_str(why)).text);
}

const struct stream_user web_user = {.opened = on_opened, .data = on_data, .closed = on_closed};
