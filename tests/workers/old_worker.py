#!/usr/bin/env python3
"""A worker of a protocol before version 1: it answers the greeting with what it speaks, and knows none of the requests."""

import sys

while line := sys.stdin.readline():
    if line.strip() == "quit":
        break
    print("perfkit-worker 0 old 0.1" if line.startswith("perfkit-worker ") else "?", flush=True)
