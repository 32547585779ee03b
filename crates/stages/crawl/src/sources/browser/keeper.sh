# Runs a browser (the arguments) with a profile of its own, until standard input ends: whoever holds its other end may be
# dropped, killed or crash, and neither browser nor profile is left. Standard error is the browser's.
profile=$(mktemp -d "${TMPDIR:-/tmp}/sightscan-browser.XXXXXX") || exit 1
# The browser's own temporary files go with the profile.
export TMPDIR="$profile"
# Chromium refuses to run with its sandbox as root, and containers often run everything as root.
[ "$(id -u)" -ne 0 ] || set -- "$@" --no-sandbox
# What runs in the background has no standard input, so it is kept as 3.
exec 3<&0
"$@" --user-data-dir="$profile" 3<&- &
browser=$!
# From here on nobody may be there to read what is said, which would end this shell too early.
exec 2>/dev/null
{ read -r _ <&3; kill -KILL $browser; } &
watch=$!
wait $browser
kill $watch
# Its helpers may write for a moment longer.
until rm -rf "$profile"; do sleep 0.1; done
