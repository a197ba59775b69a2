#!/bin/sh
# A hook that only writes down what it got: one line of JSON per call, in the file named by its first argument.
# It fails where it cannot write. As the assigned hook it also tells where the person finds the desktop.
set -e
umask 077
tr -d '\n' >> "$1"
echo >> "$1"
[ "$ALLOCATOR_EVENT" = assigned ] && echo "{ \"connectUrl\": \"https://$ALLOCATOR_HOSTNAME.example.org/\" }"
exit 0
