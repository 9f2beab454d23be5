"""httpx-sse, as its documentation uses it: iterate, and come back with the last event ID when the stream ends.

Usage: sse.py URL [LAST_EVENT_ID]. What it sees is told as a line of JSON each; it lives until its standard input ends.
"""

import json
import os
import sys
import threading
import time

import httpx
from httpx_sse import connect_sse


def tell(**said):
    print(json.dumps(said), flush=True)


def leave_when_input_ends():
    sys.stdin.read()
    os._exit(0)


def listen(url, last_event_id):
    retry = 3.0
    # The environment may name a proxy: not for this.
    with httpx.Client(timeout=None, trust_env=False) as client:
        while True:
            headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    source.response.raise_for_status()
                    tell(kind="open")
                    for sse in source.iter_sse():
                        last_event_id = sse.id
                        if sse.retry is not None:
                            retry = sse.retry / 1000
                        tell(kind="event", type=sse.event, data=sse.data, id=sse.id)
                tell(kind="end")
            except httpx.TransportError as error:
                tell(kind="error", error=repr(error))
            time.sleep(retry)


threading.Thread(target=leave_when_input_ends, daemon=True).start()
listen(*(sys.argv[1:] + [""])[:2])
