"""Prints the truth matrix. Exits 1 when a row differs and no documented limit says why.

truth.sh runs it with what it needs installed; `truth.sh --help` tells the choices."""

import argparse
import os
import sys

from truth import compiled_servers, grpc_servers, http2_servers, node_servers, python_servers, unix_servers, web_servers
from truth.load import LOADS, LOADS_OF
from truth.row import measure

SERVERS = (*web_servers.SERVERS, *python_servers.SERVERS, *node_servers.SERVERS, *compiled_servers.SERVERS,
           *unix_servers.SERVERS, *http2_servers.SERVERS, *grpc_servers.SERVERS)
COLUMNS = (("server", 21), ("load", 6), ("protocol", 9), ("TLS", 4), ("sent", 7), ("own count", 10), ("sonde", 7),
           ("status", 7), ("bytes", 6), ("verdict", 8), ("why", 0))


def line(cells):
    return " | ".join(str(cell).ljust(width) for cell, (_, width) in zip(cells, COLUMNS)).rstrip()


def cells(row):
    tell = {True: "equal", False: "no", None: "-"}
    return (row.server, row.load, row.protocol, "yes" if row.tls else "no", row.sent, "-" if row.own is None else row.own, row.sonde,
            tell[row.status_equal], tell[row.bytes_equal], row.verdict, row.why)


def rows_for(servers, loads, protocols, kinds):
    """kinds: with TLS or without, a list of bool."""
    for server in servers:
        for protocol in server.protocols:
            for tls in kinds if protocol in protocols else ():
                for load in server.loads or LOADS_OF[protocol]:
                    if load in loads and (server.tls or not tls):
                        yield server, load, protocol, tls


def print_matrix(rows):
    """Measures and prints each row; the list of those that differ without a documented reason."""
    print(line([name for name, _ in COLUMNS]))
    wrong = []
    for arguments in rows:
        row = measure(*arguments)
        print(line(cells(row)), flush=True)
        if row.verdict == "DIFFERS":
            wrong.append(row)
    return wrong


def main(argv):
    parser = argparse.ArgumentParser(prog="truth.sh", description=__doc__.split("\n", maxsplit=1)[0])
    names = [server.name for server in SERVERS]
    parser.add_argument("--server", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--load", action="append", choices=list(LOADS), help="only this one; may be repeated")
    parser.add_argument("--protocol", action="append", choices=list(LOADS_OF), help="only this one")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--tls", action="store_true", help="only over TLS")
    kind.add_argument("--plain", action="store_true", help="only without TLS")
    chosen = parser.parse_args(argv)
    if os.geteuid() != 0:
        parser.error("the matrix loads eBPF programs: run it as root")
    servers = [server for server in SERVERS if not chosen.server or server.name in chosen.server]
    kinds = [True] if chosen.tls else [False] if chosen.plain else [False, True]
    wrong = print_matrix(rows_for(servers, chosen.load or list(LOADS), chosen.protocol or list(LOADS_OF), kinds))
    print(f"{len(wrong)} rows differ without a documented reason" if wrong else "every row is equal or says why")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
