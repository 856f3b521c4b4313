# server.sh WAY: see README.md. The connection is at 0 and 1, as of inetd; "waiting" goes to stderr.
# shellcheck disable=SC2154,SC2264  # it is to fail
deeper() { deeper; }
printf Hello.
case $1 in
close) exec <&- >&- ;;
exit-0) exit 0 ;;
exit-3) exit 3 ;;
return) false; exit ;;
exception) set -u; unset nothing; echo "$nothing" ;;
abort) kill -ABRT $$ ;;
segv) kill -SEGV $$ ;;
stack) deeper ;;
esac
echo waiting >&2
# Without the connection: with it, it would be one that serves.
sleep 20 <&- >/dev/null 2>&1
