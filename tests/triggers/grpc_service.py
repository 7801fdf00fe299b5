"""A gRPC service and its client, for the tests: bytes in, bytes out, no .proto files.

    grpc_service.py serve PORT      until SIGTERM; then prints what it counted as JSON
    grpc_service.py call PORT N     makes N rounds of calls and prints what it counted as JSON
"""

import collections
import concurrent.futures
import json
import signal
import sys
import threading

import grpc

SERVICE = "sonde.test.Shop"
STREAMED = 5  # messages of each stream


def serve(port):
    counts = collections.Counter()

    def counted(method, handler):
        def run(request, context):
            counts[method] += 1
            return handler(request, context)
        return run

    def get(request, _context):
        return request * 2

    def missing(_request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")

    def broken(_request, context):
        context.abort(grpc.StatusCode.INTERNAL, "out of order")

    def listing(request, _context):
        for _ in range(STREAMED):
            yield request

    def upload(requests, _context):
        return str(sum(len(request) for request in requests)).encode()

    def chat(requests, _context):
        yield from requests

    methods = {
        "Get": grpc.unary_unary_rpc_method_handler(counted("Get", get)),
        "Missing": grpc.unary_unary_rpc_method_handler(counted("Missing", missing)),
        "Broken": grpc.unary_unary_rpc_method_handler(counted("Broken", broken)),
        "List": grpc.unary_stream_rpc_method_handler(counted("List", listing)),
        "Upload": grpc.stream_unary_rpc_method_handler(counted("Upload", upload)),
        "Chat": grpc.stream_stream_rpc_method_handler(counted("Chat", chat)),
    }
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    if server.add_insecure_port(f"127.0.0.1:{port}") == 0:
        raise SystemExit(f"cannot listen on {port}")
    server.start()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    server.stop(2).wait()
    print(json.dumps(counts))


def call(port, rounds):
    counts = collections.Counter()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        def count(method, make):
            try:
                result = make()
                if not isinstance(result, bytes):
                    result = list(result)
                counts[f"{method} 0"] += 1
            except grpc.RpcError as error:
                counts[f"{method} {error.code().value[0]}"] += 1

        path = f"/{SERVICE}/".__add__
        for i in range(rounds):
            message = b"m" * (i % 50)
            stream = [message] * STREAMED
            count("Get", lambda: channel.unary_unary(path("Get"))(message))
            count("Missing", lambda: channel.unary_unary(path("Missing"))(message))
            count("Broken", lambda: channel.unary_unary(path("Broken"))(message))
            count("Unknown", lambda: channel.unary_unary(path("Unknown"))(message))
            count("List", lambda: channel.unary_stream(path("List"))(message))
            count("Upload", lambda: channel.stream_unary(path("Upload"))(iter(stream)))
            count("Chat", lambda: channel.stream_stream(path("Chat"))(iter(stream)))
        count("Get", lambda: channel.unary_unary(path("Get"))(b"x" * 1_000_000))
    print(json.dumps(counts))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        call(int(sys.argv[2]), int(sys.argv[3]))
