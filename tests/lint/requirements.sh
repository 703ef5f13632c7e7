#!/bin/sh
# Each requirement that is cited (CRT-04 in text, CRT_04 in a name, G16) has its row in tests/REQUIREMENTS.md, the rows
# are in order, the tests that a row names exist, and nothing cites a document that is not in the repository.
table=tests/REQUIREMENTS.md
bad=0
find core crypto store sip tests fuzz README.md Makefile -type f ! -path '*/seeds/*' ! -path '*/data/*' \
	! -path '*/vectors/*' ! -name '*.pyc' ! -path $table ! -path tests/lint/requirements.sh | sort |
	xargs awk '
function say(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	bad = 1
}
FILENAME == table {
	if (/^## /) { # "## CRT: what these rows are about"
		prefix = substr($2, 1, length($2) - 1)
		last = -1
	} else if (split($0, cell, " *[|] *") > 4 && cell[2] ~ /^[A-Z]+-?[0-9]+$/) {
		number = cell[2]
		sub(/^[A-Z]+-?/, "", number)
		if (cell[2] !~ "^" prefix "-?[0-9]+$" || number + 0 <= last)
			say(cell[2] " stands in the wrong place")
		last = number + 0
		row[cell[2]] = 1
	}
	next
}
/(requirements|security|design|style)\.md/ { say("cites a document that is not here") }
{
	rest = " " $0 " "
	while (match(rest, /[A-Z]+[-_][0-9][0-9]|G[0-9][0-9]?/)) {
		before = substr(rest, RSTART - 1, 1)
		id = substr(rest, RSTART, RLENGTH)
		rest = substr(rest, RSTART + RLENGTH)
		sub(/_/, "-", id)
		if (before !~ /[A-Za-z0-9-]/ && rest !~ /^[A-Za-z0-9]/ && id != "CRC-32" && !(id in row))
			say(id " is not in " table)
	}
}
END { exit bad }' table=$table $table || bad=1

tests=$(awk -F ' *[|] *' 'NF > 4 && $2 ~ /[0-9]/ { gsub(/,/, "", $5); print $5 }' $table | tr ' ' '\n' | sort -u)
for test in $tests; do
	[ "$test" = - ] || [ -n "$(find tests fuzz -name "$test")" ] || { echo "$table: no test is named $test"; bad=1; }
done
exit $bad
