"""A WSGI application that asks its stock twice per request, one call after the other (STOCK_PORT in the environment).
Each path carries an id that sonde does not know to be one; the calls carry it on."""

import http.client
import os


def app(environ, start_response):
    number = environ["PATH_INFO"].rsplit("/", 1)[1]
    for which in ("first", "second"):
        connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["STOCK_PORT"]), timeout=20)
        connection.request("GET", f"/stock/{which}/{number}")
        connection.getresponse().read()
        connection.close()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
