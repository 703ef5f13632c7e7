#include "fuzz/fuzz.h"
#include "sip/message/build.h"
#include "sip/message/digest_string.h"
#include "sip/message/limits.h"
#include "sip/event/dialog.h"

/* A request that makes a dialog, and the NOTIFY that goes back in it: what is written must be readable. */

static void check_notify(const struct sip_msg *m, const struct dialog *d, bool large)
{
	struct buf out = {0};
	struct digest_string ds;
	struct sip_msg *n;
	const char *why;

	dialog_request(d, "NOTIFY", "TLS", "192.0.2.1:5061", S("z9hG4bKfuzz"), &out);
	buf_adds(&out, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
	build_end(&out, S("body"));
	if (!large) {
		CHECK(msg_parse(buf_slice(&out), &n, &why) == ERR_OK);
		CHECK(n->request && n->method == METHOD_NOTIFY && n->defect_code == 0);
		CHECK(slice_eq(n->body, S("body")) && msg_vias(n) == 1 && n->cseq == d->local_cseq);
		/* From of the NOTIFY is To of the request with our tag, octet for octet, and the other way round. */
		CHECK(slice_eq(n->from.spec, m->to.spec) && slice_eq(n->from_tag, S("ours")));
		CHECK(slice_eq(n->to.spec, m->from.spec) && slice_eq(n->to_tag, m->from_tag));
		CHECK(slice_eq(n->call_id, m->call_id) && n->header_count <= 10);
		CHECK((msg_count(n, HDR_ROUTE) > 0) == (msg_value(m, HDR_RECORD_ROUTE).n > 0));
		CHECK(digest_string(n, &ds) == ERR_OK); /* it can be signed */
		msg_unref(n);
	}
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sip_msg *m;
	struct dialog d;
	struct uri hop;
	const char *why = NULL;

	if (msg_parse(input_octets(data, size), &m, &why) != ERR_OK)
		return 0;
	if (m->request && m->defect_code == 0 && m->to_tag.n == 0) {
		if (dialog_start(&d, m, S("ours"), S("sip:cred-ours@192.0.2.1:5061;gr"), &why) == ERR_OK) {
			check_notify(m, &d, size > 4096);
			CHECK(dialog_next_hop(&d, &hop) == ERR_OK && hop.scheme != URI_OTHER);
			CHECK(dialog_refresh(&d, m, &why) == ERR_EXISTS);
			dialog_drop(&d);
		} else {
			CHECK(why != NULL);
		}
	}
	msg_unref(m);
	return 0;
}
