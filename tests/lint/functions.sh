#!/bin/sh
# Functions stay short: a body opens with "{" and closes with "}" in the first column, and has at most 60 lines.
find core crypto store sip -name '*.c' | sort | xargs awk '
FNR == 1 { open = 0; name = "" }
/^[a-zA-Z].*\(/ { name = $0 }
/^\{/ { open = FNR }
/^\}/ {
	if (open > 0 && FNR - open - 1 > 60) {
		printf "%s:%d: %d lines: %s\n", FILENAME, open, FNR - open - 1, name
		bad = 1
	}
	open = 0
}
END { exit bad }'
