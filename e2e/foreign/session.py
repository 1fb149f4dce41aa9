"""What every client here has in common: the HTTP of WHIP (RFC 9725) and WHEP, and how it talks to the test.

A client prints one line of JSON for each thing that happened and ends when its standard input does, so that it never
outlives the test that started it.
"""

import argparse
import json
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

# OBS gives a request 8 s; a server that needs longer fails there.
TIMEOUT = 8


def tell(**what):
    """Prints one line for the test."""
    print(json.dumps(what), flush=True)


def arguments():
    """Reads what all clients are started with."""
    p = argparse.ArgumentParser()
    p.add_argument("url", help="the WHIP or WHEP endpoint")
    p.add_argument("--codec", default="H264", help="of the video: H264 or VP8")
    p.add_argument("--token", help="sent as the bearer")
    p.add_argument("--agent", default="heliograph-e2e", help="the User-Agent")
    p.add_argument("--b-frames", type=int, default=0, help="how many in a row, of H264 that gst.py publishes")
    p.add_argument("--close-first", action="store_true", help="close the connection before the DELETE, as OBS does")
    p.add_argument("--no-candidates", action="store_true", help="offer before any candidate is known, as OBS does")
    return p.parse_args()


def without_candidates(sdp):
    """Takes the candidates out of an SDP."""
    return "".join(l for l in sdp.splitlines(True) if not l.startswith(("a=candidate:", "a=end-of-candidates")))


class Session:
    """One WHIP or WHEP session over HTTP."""

    def __init__(self, args):
        self._args = args
        self._location = None

    def offer(self, sdp):
        """POSTs the whole offer and returns the answer."""
        if self._args.no_candidates:
            sdp = without_candidates(sdp)
        status, headers, answer = self._request("POST", self._args.url, sdp)
        location = headers.get("Location")
        tell(did="post", status=status, type=headers.get("Content-Type"), location=location)
        if status != 201 or not location:
            tell(did="refused", offer=sdp, answer=answer)
            sys.exit(1)
        self._location = urllib.parse.urljoin(self._args.url, location)
        return answer

    def delete(self):
        """Ends the session, if there is one."""
        if self._location is None:
            return
        status, _, _ = self._request("DELETE", self._location, None)
        tell(did="delete", status=status)

    def _request(self, method, url, body):
        r = urllib.request.Request(url, method=method, data=body.encode() if body else None)
        r.add_header("User-Agent", self._args.agent)
        if body:
            r.add_header("Content-Type", "application/sdp")
        if self._args.token:
            r.add_header("Authorization", f"Bearer {self._args.token}")
        try:
            with urllib.request.urlopen(r, timeout=TIMEOUT) as a:
                return a.status, a.headers, a.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read().decode()


def when_told_to_end(call):
    """Calls `call` on a thread of its own when the test closes our standard input."""

    def wait():
        sys.stdin.read()
        call()

    threading.Thread(target=wait, daemon=True).start()
