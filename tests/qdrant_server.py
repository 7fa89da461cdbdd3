"""A small Qdrant server: the real client's requests over HTTP, answered as documented.

Points live in local mode, one collection for each shard key. It keeps every request, so that tests
see what was sent; it is one machine, and no test of Qdrant.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from qdrant_client import QdrantClient, models


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Collection:
    def __init__(self, body):
        self.body = body
        self.custom = body.get("sharding_method") == "custom"
        self.clients = {}
        if not self.custom:
            self.make(None)

    def make(self, key):
        client = self.clients[key] = QdrantClient(":memory:")
        vectors = models.VectorParams(**self.body["vectors"])
        client.create_collection("c", vectors_config=vectors)

    def chosen(self, keys, *, write=False):
        if keys is None and write and self.custom:
            raise Refused(400, "Bad request: Shard key not specified")
        keys = list(self.clients) if keys is None else keys if isinstance(keys, list) else [keys]
        for key in keys:
            if key not in self.clients:
                raise Refused(404, f"Not found: Shard key {key} not found")
        return [self.clients[key] for key in keys]


class QdrantServer:
    """Listens until `close`; ``refusals`` are (method, end of the path, status, message)."""

    def __init__(self):
        self.collections, self.requests, self.refusals = {}, [], []
        self.lock = threading.RLock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                size = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(size) or "null")
                path = self.path.partition("?")[0]
                try:
                    with server.lock:
                        result, status = server.answer(self.command, path, body), 200
                    content = {"result": result, "status": "ok", "time": 0.0}
                except Refused as error:
                    status, content = error.status, {"status": {"error": str(error)}, "time": 0.0}
                if path == "/":
                    content = {"title": "qdrant", "version": "1.19.0"}
                raw = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()

    def sent(self, method, end):
        """Bodies of the requests so far."""
        return [b for m, path, b in self.requests if m == method and path.endswith(end)]

    def answer(self, method, path, body):
        self.requests.append((method, path, body))
        for refusal in self.refusals:
            if refusal[0] == method and path.endswith(refusal[1]):
                self.refusals.remove(refusal)
                raise Refused(*refusal[2:])
        _, _, name, *rest = [*path.split("/"), "", ""][: max(3, path.count("/") + 1)]
        if path in {"/aliases", "/collections"}:
            names = [{"name": name} for name in self.collections]
            return {"aliases": []} if path == "/aliases" else {"collections": names}
        if not name:
            return None
        if rest == ["exists"]:
            return {"exists": name in self.collections}
        if method == "PUT" and not rest:
            self.collections[name] = Collection(body)
            return True
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return getattr(self, "_".join([method, *rest]))(self.collections[name], body or {})

    def GET_(self, found, body):  # noqa: N802
        given = found.body
        params = {
            "vectors": given["vectors"],
            "shard_number": given.get("shard_number") or 1,
            "replication_factor": given.get("replication_factor") or 1,
            "write_consistency_factor": given.get("write_consistency_factor") or 1,
            "on_disk_payload": True,
            "sharding_method": given.get("sharding_method"),
        }
        graph = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}
        optimizer = {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        }
        config = {
            "params": params,
            "hnsw_config": graph | (given.get("hnsw_config") or {}),
            "optimizer_config": optimizer,
            "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
            "metadata": given.get("metadata"),
        }
        state = {"status": "green", "optimizer_status": "ok", "segments_count": 1}
        return {**state, "config": config, "payload_schema": {}}

    GET = GET_

    def PATCH(self, found, body):  # noqa: N802
        found.body["metadata"] = (found.body.get("metadata") or {}) | (body.get("metadata") or {})
        return True

    def GET_cluster(self, found, body):  # noqa: N802
        keys = found.clients if found.custom else {}
        shards = [
            {"shard_id": n, "shard_key": key, "points_count": 0, "state": "Active"}
            for n, key in enumerate(keys)
        ]
        return {
            "peer_id": 1,
            "shard_count": len(shards),
            "local_shards": shards,
            "remote_shards": [],
            "shard_transfers": [],
        }

    def PUT_shards(self, found, body):  # noqa: N802
        if body["shard_key"] in found.clients:
            raise Refused(400, f"Bad request: Shard key {body['shard_key']} already exists")
        found.make(body["shard_key"])
        return True

    def PUT_index(self, found, body):  # noqa: N802
        return {"operation_id": 0, "status": "completed"}

    def PUT_points(self, found, body):  # noqa: N802
        points = [models.PointStruct(**point) for point in body["points"]]
        for client in found.chosen(body.get("shard_key"), write=True):
            client.upsert("c", points)
        return {"operation_id": 0, "status": "completed"}

    def POST_points(self, found, body):  # noqa: N802
        include = body["with_payload"]
        return [
            record.model_dump(mode="json")
            for client in found.chosen(body.get("shard_key"))
            for record in client.retrieve("c", body["ids"], include, body["with_vector"])
        ]

    def POST_points_count(self, found, body):  # noqa: N802
        where = body.get("filter") and models.Filter(**body["filter"])
        clients = found.chosen(body.get("shard_key"))
        return {"count": sum(client.count("c", where).count for client in clients)}

    def POST_points_scroll(self, found, body):  # noqa: N802
        where = body.get("filter") and models.Filter(**body["filter"])
        records = [
            record
            for client in found.chosen(body.get("shard_key"))
            for record in client.scroll("c", where, 10**6, with_vectors=body["with_vector"])[0]
        ]
        records.sort(key=lambda record: (isinstance(record.id, str), record.id))
        start = body.get("offset")
        if start is not None:
            ids = [record.id for record in records]
            records = records[ids.index(start) :]
        page, more = records[: body["limit"]], records[body["limit"] :]
        dumped = [record.model_dump(mode="json") for record in page]
        return {"points": dumped, "next_page_offset": more[0].id if more else None}

    def POST_points_delete(self, found, body):  # noqa: N802
        chosen = models.FilterSelector if "filter" in body else models.PointIdsList
        selector = chosen(**{k: v for k, v in body.items() if k != "shard_key"})
        for client in found.chosen(body.get("shard_key"), write=True):
            client.delete("c", selector)
        return {"operation_id": 0, "status": "completed"}

    def POST_points_query_batch(self, found, body):  # noqa: N802
        return [self._query(found, search) for search in body["searches"]]

    def _query(self, found, search):
        request = models.QueryRequest(**{k: v for k, v in search.items() if k != "shard_key"})
        points = [
            point
            for client in found.chosen(search.get("shard_key"))
            for point in client.query_batch_points("c", [request])[0].points
        ]
        best = sorted(points, key=lambda point: -point.score)[: request.limit]
        return {"points": [point.model_dump(mode="json") for point in best]}
