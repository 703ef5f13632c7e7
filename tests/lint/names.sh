#!/bin/sh
# A public function begins with the stem of its header, or with its plural for the collection, so that a call leads to the
# file. Headers with several nouns of one kind, and the private header of a room, have the other prefixes listed here.
find core crypto store sip -name '*.h' | sort | xargs awk '
BEGIN {
	also["core/loop.h"] = "io timer"
	also["core/slice.h"] = "ascii"
	also["crypto/cert.h"] = "trust"
	also["crypto/encode.h"] = "base64 base64url hex pem" # formats
	also["crypto/hash.h"] = "hmac"
	also["crypto/mbed.h"] = "key hash" # what needs types of the library
	also["crypto/pbes2.h"] = "pbkdf2"
	also["crypto/tls_state.h"] = "tls"
	also["store/user.h"] = "ha1"
	also["crypto/cert_state.h"] = "cert"
	also["sip/locate/routes.h"] = "route"
	also["sip/message/header.h"] = "cseq delta event substate media accept disposition digest" # header fields
	also["sip/message/proto.h"] = "method header status" # names of the protocol
	also["sip/message/scan.h"] = "char"
	also["sip/transaction/transaction.h"] = "tx"
	also["sip/transaction/transaction_private.h"] = "tx server client ist nist ict nict"
	also["sip/event/notifier_private.h"] = "sub subs notify way"
	also["sip/credential/credential_private.h"] = "credentials state turn turns publish creator"
	also["sip/access/auth_private.h"] = "answer"
	also["sip/proxy/proxy_private.h"] = "itinerary sender targets vetting fork branch outgoing"
	also["sip/ua/agent_private.h"] = "call"
	also["sip/verb/verbs.h"] = "verb"
	also["sip/verb/say.h"] = "verb"
	also["sip/ua/user_verbs.h"] = "verb"
}
FNR == 1 {
	stem = FILENAME
	sub(/.*\//, "", stem)
	sub(/\.h$/, "", stem)
	sub(/_private$/, "", stem)
	n = split(stem " " stem "s " also[FILENAME], prefix, " ")
	comment = 0
}
/^\/\*/ { comment = 1 }
comment {
	if (/\*\//)
		comment = 0
	next
}
/^(typedef|static|#|extern const)/ { next }
/^[a-zA-Z_].*\(/ {
	line = $0
	gsub(/__attribute__|PRINTF_LIKE/, "", line)
	if (!match(line, /[a-z_][a-z0-9_]*\(/))
		next
	name = substr(line, RSTART, RLENGTH - 1)
	for (i = 1; i <= n; i++)
		if (name == prefix[i] || index(name, prefix[i] "_") == 1)
			next
	printf "%s:%d: %s begins with none of: %s\n", FILENAME, FNR, name, stem " " also[FILENAME]
	bad = 1
}
END { exit bad }'
