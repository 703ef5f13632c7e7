#!/bin/sh
# Includes point down the order of rooms, a room's private header stays in its room, foreign headers stay in their one
# place, files stay short, and no two files of the program have one name.
find core crypto store sip -name '*.[ch]' | sort | xargs awk '
BEGIN {
	# Rooms of one line do not include each other, but for what "beside" allows.
	split("core|crypto|sip/message|store|sip/transport|sip/transaction sip/locate|sip|sip/identity|sip/access|" \
	      "sip/event sip/registrar|sip/credential sip/proxy|sip/server|sip/verb sip/ua", line, "|")
	for (i in line) {
		n = split(line[i], rooms, " ")
		for (j = 1; j <= n; j++)
			rank[rooms[j]] = i + 0
	}
}
function room(path) {
	sub(/\/[^\/]*$/, "", path)
	return path
}
function say(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	bad = 1
}
FNR == 1 {
	mine = room(FILENAME)
	top = FILENAME == "sip/main.c"
	base = FILENAME
	sub(/.*\//, "", base)
	if (base in seen)
		say("has the name of " seen[base])
	seen[base] = FILENAME
	if (!(mine in rank))
		say("is in a room that tests/lint/layers.sh does not know")
}
FNR == 601 { say("has more than 600 lines") }
/^#include "/ {
	split($0, part, "\"")
	its = room(part[2])
	if (!(its in rank))
		say("includes from an unknown room: " part[2])
	else if (!top && mine != its && rank[its] >= rank[mine])
		say("includes what is not below " mine ": " part[2])
	if (mine == "store" && its ~ /^sip/)
		say("the store knows no messages: " part[2])
	if (part[2] ~ /_private\.h$/ && mine != its)
		say("includes the private header of another room: " part[2])
}
/^#include <mbedtls\// && mine != "crypto" { say("mbedtls is only for crypto") }
/^#include <event2\// && FILENAME != "core/loop.c" { say("event2 is only for core/loop.c") }
/^#include <pthread/ && FILENAME != "core/work.c" { say("pthread.h is only for core/work.c") }
END { exit bad }'
