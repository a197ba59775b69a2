#!/bin/sh
# A sample hook that appends its input to the file named by its first argument, one line of JSON per call.
# It fails if it cannot write. As the assigned hook it also prints the URL of the desktop.
set -e
umask 077
tr -d '\n' >> "$1"
echo >> "$1"
[ "$ALLOCATOR_EVENT" = assigned ] && echo "{ \"connectUrl\": \"https://$ALLOCATOR_HOSTNAME.example.org/\" }"
exit 0
