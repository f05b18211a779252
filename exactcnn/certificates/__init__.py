"""Floor 5: findings -> certificates, versioned canonical JSON (FORMAT.md is the contract)."""

from __future__ import annotations

from exactcnn.certificates.canonical import canonical_json, digest
from exactcnn.certificates.certificate import certify, make_certificate, write_certificate

__all__ = ["canonical_json", "certify", "digest", "make_certificate", "write_certificate"]
