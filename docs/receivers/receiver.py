# python3 receiver.py, with WEBHOOK_SECRET and PORT in the environment. Accepted events lie in inbox/, one file each.
import base64, hmac, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

secret = os.environ.get("WEBHOOK_SECRET", "")
try:
    key = base64.b64decode(secret[6:], validate=True) if secret.startswith("whsec_") else secret.encode()
except ValueError:
    key = b""
if len(key) < 24:
    sys.exit("set WEBHOOK_SECRET to the whole secret that the api showed")

def genuine(headers, body):
    id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent.isascii() and sent.isdecimal()) or abs(int(time.time()) - int(sent)) > 300:
        return False
    signed = f"{id}.{sent}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    found = headers.get("webhook-signature", "").encode().split()  # several during a rotation
    return any(hmac.compare_digest(one, expected) for one in found)

def keep(id, body):
    file = f"inbox/{id}.json"
    if not os.path.exists(file):  # else it came before
        with open(file + ".part", "wb") as part:
            part.write(body)
        os.rename(file + ".part", file)

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))  # as it arrived, before any parser
        if genuine(self.headers, body):
            keep(self.headers["webhook-id"], body)  # what fails here is not answered, and comes again
            self.send_response(204)
        else:
            self.send_response(401)
        self.end_headers()

os.makedirs("inbox", exist_ok=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
