"""The description of the HTTP API in the form of OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from gi_plugin.config import DETAILS
from gi_plugin.version import VERSION

from .limits import Limits

FIELDS: dict[str, dict[str, Any]] = {  # of POST /inpaint
    "image": {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "description": "The picture. Without a mask, its transparent pixels are filled, and are opaque in the result.",
    },
    "mask": {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "description": "Mask of the size of the picture: white = fill.",
    },
    "dilate": {"type": "integer", "minimum": 0, "description": "Pixels by which the hole is grown first; default: the server's setting."},
    "detail": {
        "type": "string",
        "enum": list(DETAILS),
        "description": "Where the pixels come from: the picture, guided by the network; or the network. Default: the server's setting.",
    },
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0, "description": "Another number gives another result."},
    "invert_mask": {"type": "boolean", "default": False, "description": "Black = fill."},
    "mask_alpha": {"type": "boolean", "default": False, "description": "Read the mask from its alpha channel."},
    "format": {
        "type": "string",
        "examples": ["png", "jpg"],
        "description": "Format of the result. Default: that of the picture, or PNG or TIFF where that format would change known pixels.",
    },
}
REFUSALS = {
    "400": "An option is wrong, or a field is missing.",
    "401": "The token is missing or wrong.",
    "403": "The request comes from a page of another site, or names another host.",
    "408": "The request did not arrive in time.",
    "413": "The request is longer than the limit.",
    "422": "The picture or the mask cannot be used.",
    "503": "The line is full: try again after the seconds in the header Retry-After.",
    "504": "The fill took longer than the limit.",
}


def describe(limits: Limits) -> dict[str, Any]:
    """Return the description of a server with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gi-plugin",
            "version": VERSION,
            "description": f"Fills holes in pictures. Limits: {limits.upload // 2**20} MB per request, {limits.waiting} waiting requests, "
            f"{limits.seconds:g} s per fill.",
        },
        "paths": {"/inpaint": {"post": _inpaint()}, "/health": {"get": _health()}, "/openapi.json": {"get": _self()}},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Refusal": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}},
        },
        "security": [{}, {"token": []}],
    }


def _inpaint() -> dict[str, Any]:
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    headers = {
        "X-Filled-Pixels": {"schema": {"type": "integer"}, "description": "Pixels that were filled."},
        "X-Notes": {"schema": {"type": "string"}, "description": "What to know about the result, if anything, percent-encoded."},
    }
    form = {"type": "object", "required": ["image"], "properties": FIELDS, "additionalProperties": False}
    return {
        "summary": "Fill the hole of a picture",
        "operationId": "inpaint",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {
            "200": {"description": "The filled picture.", "headers": headers, "content": {"image/*": {}}},
            **{status: {"description": text, "content": refusal} for status, text in REFUSALS.items()},
        },
    }


def _health() -> dict[str, Any]:
    properties = {"status": {"const": "ok"}, "version": {"type": "string"}, "in_line": {"type": "integer"}, "places": {"type": "integer"}}
    schema = {"type": "object", "required": list(properties), "properties": properties}
    answer = {"description": "The server runs.", "content": {"application/json": {"schema": schema}}}
    return {
        "summary": "Whether the server runs, and how long its line is",
        "operationId": "health",
        "security": [],
        "responses": {"200": answer},
    }


def _self() -> dict[str, Any]:
    answer = {"description": "This description.", "content": {"application/json": {}}}
    return {"summary": "This description", "operationId": "describe", "security": [], "responses": {"200": answer}}
