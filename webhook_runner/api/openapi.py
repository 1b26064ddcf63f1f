"""What OpenAPI can't read from the routes: parameters after the question mark, bodies, the form of ids."""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask

from webhook_runner.api.administration import STATUSES

_TEXTS = {"type": "array", "items": {"type": "string"}}
_QUERY: dict[tuple[str, str], dict[str, dict[str, Any]]] = {
    ("get", "/api/admin/runs"): {
        "tenant": {"type": "string", "format": "uuid"},
        "status": {"type": "string", "enum": list(STATUSES)},
        "limit": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    ("get", "/api/admin/runs/{run_id}"): {"after": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}},
}
_BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/api/billing/webhook/{secret}"): {
        "type": "object",
        "required": ["eventType"],
        "properties": {
            "eventType": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,99}$"},
            "accountId": {"type": ["string", "null"], "format": "uuid"},
            "objectType": {"type": ["string", "null"], "maxLength": 200},
            "objectId": {"type": ["string", "null"], "maxLength": 200},
            "metaData": {"type": ["string", "null"]},
        },
    },
    ("post", "/api/admin/tenants/{verb}"): {
        "type": "object",
        "additionalProperties": False,
        "properties": {"tenants": _TEXTS, "status": {"type": "string"}, "approved": {"type": ["integer", "null"]}},
    },
}
_ID = {"type": "string", "format": "uuid"}


def declare(app: APIFlask) -> None:
    """Add these to the OpenAPI of ``app``."""

    @app.spec_processor
    def complete(spec: Any) -> Any:
        spec["components"]["securitySchemes"] = {"BearerAuth": {"type": "http", "scheme": "bearer"}}
        paths = spec["paths"]
        for (method, path), parameters in _QUERY.items():
            given = [{"in": "query", "name": name, "schema": schema} for name, schema in parameters.items()]
            paths[path][method]["parameters"] += given
        for (method, path), schema in _BODIES.items():
            paths[path][method]["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        for operation in (operation for methods in paths.values() for operation in methods.values()):
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"].endswith(("run_id", "account_id")):
                    parameter["schema"] = _ID
        return spec
