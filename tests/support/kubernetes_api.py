"""A Kubernetes API server as far as sonde asks it: list with pages, watch in chunks, bookmarks, 410 Gone, tokens.

Written from the API's documentation (kubernetes.io/docs/reference/using-api/api-concepts): a resource version for each
change, a window of history, a Status object for every error. It fails as a test tells it to.
"""

import base64
import collections
import http.server
import json
import ssl
import threading
import time
import urllib.parse

PODS, SERVICES = "/api/v1/pods", "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"


def pod(name, container_id, *, namespace="store", node="node-1", owner="shop-7d4b9c", kind="ReplicaSet", labels=None,
        address="10.1.0.5"):
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": owner, "controller": True}]},
        "spec": {"nodeName": node},
        "status": {"podIP": address, "podIPs": [{"ip": address}],
                   "containerStatuses": [{"name": "web", "containerID": f"containerd://{container_id}"}]},
    }


def service(name, address, namespace="store"):
    return {"metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
            "spec": {"clusterIP": address, "clusterIPs": [address]}}


def endpoint_slice(name, service_name, address, pod_name, namespace="store"):
    return {"metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}",
                         "labels": {"kubernetes.io/service-name": service_name}},
            "endpoints": [{"addresses": [address], "targetRef": {"kind": "Pod", "name": pod_name}}]}


class KubernetesApi:
    def __init__(self, certificate=None, key=None):
        self.changed = threading.Condition()
        self.version = 100
        self.oldest = 100  # the window of history begins here: older versions are Gone
        self.objects = {PODS: {}, SERVICES: {}, SLICES: {}}
        self.others = {}  # path: object
        self.history = collections.defaultdict(list)  # path: [(version, type, object)]
        self.requests = []  # (path, query, token)
        self.token = None  # the one that is right; None: all are
        self.status = {}  # path: what it is answered instead
        self.byte_by_byte = False
        self.page_expires = False
        self.watches = set()
        self.closed = False
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                api.answer(self)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):  # a client that leaves is no news
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # what a test does

    def put(self, path, thing):
        with self.changed:
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            known = thing["metadata"]["uid"] in self.objects[path]
            self.objects[path][thing["metadata"]["uid"]] = thing
            self.history[path].append((self.version, "MODIFIED" if known else "ADDED", thing))
            self.changed.notify_all()

    def remove(self, path, uid):
        with self.changed:
            self.version += 1
            thing = self.objects[path].pop(uid)
            thing["metadata"]["resourceVersion"] = str(self.version)
            self.history[path].append((self.version, "DELETED", thing))
            self.changed.notify_all()

    def bookmark(self, path):
        with self.changed:
            self.version += 1
            self.history[path].append((self.version, "BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}}))
            self.changed.notify_all()

    def forget_history(self):
        """Whoever comes back with an older version is told 410."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.history.clear()

    def cut_watches(self):
        with self.changed:
            for connection in self.watches:
                connection.shutdown(2)
            self.watches.clear()  # a second cut finds none of them

    def asked(self, path, **query):
        return [each for each in self.requests
                if each[0] == path and all(each[1].get(key) == value for key, value in query.items())]

    # what the server does

    def answer(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        token = (handler.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.requests.append((url.path, query, token))
        if self.token is not None and token != self.token:
            return self.fail(handler, 401, "Unauthorized")
        if url.path in self.status:
            return self.fail(handler, self.status[url.path], "as the test wants it")
        if url.path in self.others:
            return self.send(handler, self.others[url.path])
        if url.path not in self.objects:
            return self.fail(handler, 404, "the server could not find the requested resource")
        if query.get("watch") == "1":
            return self.watch(handler, url.path, query)
        return self.list(handler, url.path, query)

    def matching(self, path, query):
        wanted = query.get("fieldSelector", "").removeprefix("spec.nodeName=")
        return [thing for uid, thing in sorted(self.objects[path].items())
                if not wanted or thing["spec"]["nodeName"] == wanted]

    def list(self, handler, path, query):
        with self.changed:
            things, version = self.matching(path, query), self.version
        start = int(base64.b64decode(query["continue"])) if "continue" in query else 0
        if start and self.page_expires:
            self.page_expires = False
            return self.fail(handler, 410, "The provided continue parameter is too old")
        limit = int(query.get("limit", 0)) or len(things) or 1
        metadata = {"resourceVersion": str(version)}
        if start + limit < len(things):
            metadata["continue"] = base64.b64encode(str(start + limit).encode()).decode()
        self.send(handler, {"kind": "List", "metadata": metadata, "items": things[start:start + limit]})

    def watch(self, handler, path, query):
        since = int(query["resourceVersion"])
        wanted = query.get("fieldSelector", "").removeprefix("spec.nodeName=")
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if since < self.oldest:
            self.chunk(handler, {"type": "ERROR", "object": {"kind": "Status", "code": 410,
                                                             "message": f"too old resource version: {since}"}})
            return self.end(handler)
        self.watches.add(handler.connection)
        try:
            deadline = time.monotonic() + float(query.get("timeoutSeconds", 300))
            while not self.closed and time.monotonic() < deadline:
                with self.changed:
                    self.changed.wait_for(
                        lambda: self.closed or any(v > since for v, *_ in self.history[path]), timeout=0.2)
                    news = [each for each in self.history[path] if each[0] > since]
                for version, kind, thing in news:
                    since = version
                    if not wanted or kind == "BOOKMARK" or thing["spec"]["nodeName"] == wanted:
                        self.chunk(handler, {"type": kind, "object": thing})
            self.end(handler)
        except OSError:
            handler.close_connection = True
        finally:
            self.watches.discard(handler.connection)

    def chunk(self, handler, event):
        line = json.dumps(event).encode() + b"\n"
        parts = [line[i:i + 1] for i in range(len(line))] if self.byte_by_byte else [line]
        for part in parts:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))

    @staticmethod
    def end(handler):
        handler.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def send(handler, thing, status=200):
        body = json.dumps(thing).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def fail(self, handler, status, message):
        self.send(handler, {"kind": "Status", "status": "Failure", "message": message, "code": status}, status)
