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
# Not by sleep(1): while a shell waits for a child, it puts a SIGINT off until the child has ended.
mkfifo "$HOME/never"
echo waiting >&2
read -r never <>"$HOME/never"
